"""What each family of models on Amazon Bedrock accepts: data of ours, and data of the operator's that overrules it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import msgspec

_FOUNDATION_MODEL = re.compile(r"anthropic\.claude[\w.:-]*")


class ModelsFileError(Exception):
    """The file cannot be used. The sentence says why, and where."""


class ModelRules(msgspec.Struct, frozen=True):
    """What one model accepts."""

    betas: Mapping[str, bool | str]
    """Beta flags: True goes through, a text goes through under that name; what is False or missing does not."""
    fields: Mapping[str, bool | str]
    """Fields of the body, or of an object in it (`output_config.effort`): True goes through, False does not, and a text
    is the beta flag without which it does not; what is missing goes through."""
    adaptive_thinking: bool
    """False: `thinking.type` `adaptive` is turned into a budget."""
    count_tokens: str | None
    """The id of the foundation model that counts its tokens; None when none is known."""


class Family(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of the file."""

    match: list[str]
    """Parts of model ids, in any case."""
    like: str | None = None
    """The id of a model whose rules count too, for inference profiles whose ids do not name their model."""
    betas: dict[str, bool | str] = {}
    fields: dict[str, bool | str] = {}
    adaptive_thinking: bool | None = None
    count_tokens: bool | str | None = None

    def matches(self, model: str) -> bool:
        """Whether it says something about this model."""
        lowered = model.lower()
        return any(part.lower() in lowered for part in self.match)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    family: list[Family] = []


class ModelTable(msgspec.Struct, frozen=True):
    """The families in the order in which they count."""

    families: tuple[Family, ...]

    def rules(self, model: str) -> ModelRules:
        """What a model accepts, by its Bedrock id."""
        stands_for = [family.like for family in self.families if family.like and family.matches(model)]
        names = " ".join([*stands_for, model])
        betas: dict[str, bool | str] = {}
        fields: dict[str, bool | str] = {}
        adaptive_thinking: bool = True
        count_tokens: bool | str = True
        for family in self.families:
            if family.matches(names):
                betas |= family.betas
                fields |= family.fields
                adaptive_thinking = adaptive_thinking if family.adaptive_thinking is None else family.adaptive_thinking
                count_tokens = count_tokens if family.count_tokens is None else family.count_tokens
        return ModelRules(betas, fields, adaptive_thinking, _counting(count_tokens, names))


def _counting(rule: bool | str, names: str) -> str | None:  # noqa: FBT001 - as the file has it
    if isinstance(rule, str):
        return rule
    # CountTokens takes foundation models alone: `us.anthropic.claude-…` is a profile, `anthropic.claude-…` is none.
    named = _FOUNDATION_MODEL.search(names) if rule else None
    return named.group() if named else None


@cache
def shipped_models() -> ModelTable:
    """The table that comes with the gateway."""
    from importlib import resources  # noqa: PLC0415 - see `_families`

    text = resources.files("aigateway.settings").joinpath("bedrock_models.toml").read_text("utf-8")
    return ModelTable(_families(text))


def read_models(path: Path) -> ModelTable:
    """The shipped table with an operator's file behind it.

    Raises:
        ModelsFileError: see there.

    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ModelsFileError(f"cannot be read: {reason}") from error
    import tomllib  # noqa: PLC0415 - see `_families`

    try:
        return ModelTable(shipped_models().families + _families(text))
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ModelsFileError(f"is not a table of model families: {error}") from error


def _families(text: str) -> tuple[Family, ...]:
    import tomllib  # noqa: PLC0415 - only Bedrock needs it, and it is not quick to import

    return tuple(msgspec.convert(tomllib.loads(text), _File).family)
