"""A Messages request as the body of InvokeModel: a few members are cut out, put in or changed, the rest stays.

Source: Amazon Bedrock User Guide, "Anthropic Claude Messages API"; data-plane spec 12.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from aigateway.settings.bedrock_models import ModelRules
from aigateway.wire.splice import JsonObject

_VERSION = msgspec.json.encode("bedrock-2023-05-31")
_SHARES = {"low": 0.2, "medium": 0.5, "high": 0.8, "max": 0.95}
"""The part of the answer that thinking may take, by `output_config.effort`."""
_LEAST_BUDGET = 1024
"""The least that Anthropic takes as `budget_tokens`."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """The body of InvokeModel."""

    body: bytes
    removed: tuple[str, ...]
    """What the client asked for and the model does not take: `beta <flag>`, `field <name>`."""


def invocation(request: JsonObject, header_betas: Iterable[str], rules: ModelRules) -> Invocation:
    """Make it of a Messages request and its `anthropic-beta` flags.

    Raises:
        Unspliceable: an object in the body that must be edited names a key twice.

    """
    asked = list(dict.fromkeys([*header_betas, *_strings(request.value("anthropic_beta"))]))
    betas = list(_accepted(asked, rules))
    put = dict(_thinking(request, rules))
    if "anthropic_version" not in request:
        put["anthropic_version"] = _VERSION
    remove = {"model", "stream"}
    if betas:
        put["anthropic_beta"] = msgspec.json.encode(betas)
    else:
        remove.add("anthropic_beta")
    removed = [f"beta {flag}" for flag in asked if not rules.betas.get(flag)]
    for name in _refused(rules, betas):
        changed = _without(request, put, name)
        if changed is not None:
            key, value = changed
            removed.append(f"field {name}")
            put.pop(key, None)
            if value is None:
                remove.add(key)
            else:
                put[key] = value
    return Invocation(request.splice(remove=remove, put=put), tuple(removed))


def flags(header: str) -> list[str]:
    """The flags of an `anthropic-beta` header, several headers joined with commas."""
    return [flag for flag in (part.strip() for part in header.split(",")) if flag]


def _accepted(asked: Iterable[str], rules: ModelRules) -> Iterator[str]:
    """The flags that the model knows, under the names by which it knows them, each once."""
    seen: set[str] = set()
    for flag in asked:
        rule = rules.betas.get(flag, False)
        name = flag if rule is True else rule
        if name and name not in seen:
            seen.add(name)
            yield name


def _refused(rules: ModelRules, betas: Iterable[str]) -> Iterator[str]:
    known = frozenset(betas)
    for name, rule in rules.fields.items():
        if rule is False or (isinstance(rule, str) and rule not in known):
            yield name


def _without(request: JsonObject, put: dict[str, bytes], name: str) -> tuple[str, bytes | None] | None:
    """What is left of a member without a field, None for nothing; None in place of all when there is no such field."""
    key, _, inner = name.partition(".")
    text = put.get(key) or request.raw(key)
    if text is None:
        return None
    if not inner:
        return key, None
    if not text.startswith(b"{"):
        return None
    holder = JsonObject(text)
    if inner not in holder:
        return None
    left = holder.splice(remove={inner})
    return key, left if JsonObject(left).keys() else None


def _thinking(request: JsonObject, rules: ModelRules) -> Iterator[tuple[str, bytes]]:
    """Adaptive thinking as a budget of tokens, for models that know no other."""
    if rules.adaptive_thinking or _member(request.value("thinking"), "type") != "adaptive":
        return
    limit = request.value("max_tokens")
    if not isinstance(limit, int) or isinstance(limit, bool) or limit <= 0:
        return  # the request is wrong anyway: the provider says so
    effort = _member(request.value("output_config"), "effort")
    share = _SHARES.get(effort, _SHARES["high"]) if isinstance(effort, str) else _SHARES["high"]
    budget = int(limit * share)
    thinking: dict[str, Any] = {"type": "enabled", "budget_tokens": budget}
    yield "thinking", msgspec.json.encode(thinking if budget >= _LEAST_BUDGET else {"type": "disabled"})


def _member(value: object, key: str) -> object:
    return value.get(key) if isinstance(value, dict) else None


def _strings(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
