"""Amazon Bedrock as the operator set it, by numbered variables or by options of its own (control-plane spec 1.4)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import msgspec

from aigateway.settings.bedrock import (
    DEFAULT_MODEL,
    DEFAULT_SMALL_FAST_MODEL,
    AccessKey,
    BedrockProtocol,
    BedrockSettings,
    endpoint,
    is_region,
    protocol_of,
    region_of,
)
from aigateway.settings.bedrock_models import ModelTable, shipped_models
from aigateway.settings.errors import Problem, SensitiveValueError
from aigateway.settings.kinds import parse_url
from aigateway.settings.numbered import Written
from aigateway.settings.secret import Secret

_DEFAULT_REGION = "us-east-1"
_MODEL = re.compile(r"[\w.:/-]{1,2048}", re.ASCII)
_ROLE = re.compile(r"arn:aws[\w-]*:iam::\d{12}:role/[\w+=,.@/-]+", re.ASCII)
_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
"""As AWS has it for `sts:ExternalId`."""


class BedrockRead(msgspec.Struct, frozen=True):
    """What became of it. The settings are good when there are no problems."""

    settings: BedrockSettings
    base_url: str
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]


class Environment(msgspec.Struct, frozen=True):
    """What Bedrock's settings follow from besides the operator's own."""

    models: ModelTable | None
    """The operator's; None for the shipped one."""
    region: str | None
    """AWS's own `AWS_REGION` or `AWS_DEFAULT_REGION`."""


def read_bedrock(
    parts: Mapping[str, Written],
    called: Callable[[str], str],
    keys: Sequence[Secret],
    secrets: Sequence[Secret],
    environment: Environment,
) -> BedrockRead:
    """Check the parts of one provider, and fill in what follows.

    Args:
        parts: BASE_URL, REGION, MODEL, SMALL_FAST_MODEL, ROLE_ARN, EXTERNAL_ID and PROTOCOL, those that are set.
        called: how the operator would write a part that is not.
        keys: the access keys' ids.
        secrets: their secrets, as many as `keys` (which is the caller's to check) in the same order.
        environment: see there.
    """
    problems: list[Problem] = []
    warnings: list[str] = []

    def part(name: str, refusal: Callable[[str], str | None], default: str = "") -> str:
        written = parts.get(name)
        if written is None:
            return default
        if message := refusal(written.value):
            problems.append(Problem(written.name, written.value, message))
        return written.value

    base_url = _base_url(parts.get("BASE_URL"), problems)
    region = part("REGION", _region_refusal)
    if not region and not base_url:
        message = "is needed for Amazon Bedrock; name a region, for example us-west-2, or set"
        problems.append(Problem(called("REGION"), None, f"{message} {called('BASE_URL')}"))
    protocol = part("PROTOCOL", _protocol_refusal) or protocol_of(base_url or "")
    role = part("ROLE_ARN", _role_refusal)
    external_id = part("EXTERNAL_ID", _external_id_refusal)
    if external_id and not role:
        message = f"has no effect without {called('ROLE_ARN')}; set that too, or unset this"
        problems.append(Problem(parts["EXTERNAL_ID"].name, external_id, message))
    model = part("MODEL", _model_refusal, DEFAULT_MODEL)
    small_fast_model = part("SMALL_FAST_MODEL", _model_refusal, DEFAULT_SMALL_FAST_MODEL)
    spoken = BedrockProtocol(protocol) if protocol in set(BedrockProtocol) else BedrockProtocol.INVOKE
    if spoken is BedrockProtocol.MANTLE:
        warnings += [
            f"{parts[name].name} has no effect: bedrock-mantle is asked for the model that the client names."
            for name, default in (("MODEL", DEFAULT_MODEL), ("SMALL_FAST_MODEL", DEFAULT_SMALL_FAST_MODEL))
            if name in parts and parts[name].value != default
        ]
    settings = BedrockSettings(
        protocol=spoken,
        region=region or region_of(base_url or "") or environment.region or _DEFAULT_REGION,
        access_keys=tuple(AccessKey(key, secret) for key, secret in zip(keys, secrets, strict=False)),
        role_arn=role or None,
        external_id=external_id or None,
        model=model,
        small_fast_model=small_fast_model,
        models=environment.models or shipped_models(),
    )
    if base_url and not (region or region_of(base_url) or environment.region):
        warnings.append(
            f"{parts['BASE_URL'].name} names no region, and {called('REGION')} is not set: requests are signed for "
            f"{_DEFAULT_REGION}."
        )
    return BedrockRead(settings, base_url or endpoint(spoken, settings.region), tuple(problems), tuple(warnings))


def _base_url(written: Written | None, problems: list[Problem]) -> str | None:
    if written is None:
        return None
    try:
        url = parse_url(written.value)
    except ValueError as error:
        hidden = isinstance(error, SensitiveValueError)
        problems.append(Problem(written.name, None if hidden else written.value, str(error)))
        return written.value
    bare = protocol_of(url) is BedrockProtocol.MANTLE and url.rstrip("/").count("/") == 2
    return f"{url.rstrip('/')}/anthropic" if bare else url


def _region_refusal(text: str) -> str | None:
    return None if is_region(text) else "not the name of an AWS region; write one, for example us-west-2"


def _protocol_refusal(text: str) -> str | None:
    return None if text in set(BedrockProtocol) else f"no such protocol; write one of {', '.join(BedrockProtocol)}"


def _role_refusal(text: str) -> str | None:
    if _ROLE.fullmatch(text):
        return None
    return "not the ARN of a role; write one, for example arn:aws:iam::123456789012:role/bedrock"


def _external_id_refusal(text: str) -> str | None:
    return None if _EXTERNAL_ID.fullmatch(text) else "has characters that an external id cannot have; copy it again"


def _model_refusal(text: str) -> str | None:
    if _MODEL.fullmatch(text):
        return None
    return f"not the id or ARN of a model or an inference profile; write one, for example {DEFAULT_MODEL}"
