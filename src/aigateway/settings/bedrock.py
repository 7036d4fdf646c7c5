"""An `anthropic` provider on Amazon Bedrock: the typed result, and what follows from its parts."""

from __future__ import annotations

import re
from enum import StrEnum
from urllib.parse import urlsplit

import msgspec

from aigateway.settings.bedrock_models import ModelTable, shipped_models
from aigateway.settings.secret import Secret

DEFAULT_MODEL = "global.anthropic.claude-sonnet-4-5-20250929-v1:0"
DEFAULT_SMALL_FAST_MODEL = "global.anthropic.claude-haiku-4-5-20251001-v1:0"

_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d+", re.ASCII)
_MANTLE_HOST = re.compile(r"bedrock-mantle\.([a-z0-9-]+)\.api\.aws", re.ASCII)


class BedrockProtocol(StrEnum):
    """Which of Bedrock's two interfaces is called."""

    INVOKE = "invoke"
    """InvokeModel and InvokeModelWithResponseStream of `bedrock-runtime`."""
    MANTLE = "mantle"
    """Anthropic's Messages API of `bedrock-mantle`."""


class AccessKey(msgspec.Struct, frozen=True):
    """A pair of an IAM user's."""

    id: Secret
    secret: Secret


class BedrockSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider on Bedrock has besides its base URL."""

    protocol: BedrockProtocol
    region: str
    """For signing; never empty."""
    access_keys: tuple[AccessKey, ...] = ()
    """In the order they are tried; empty for AWS's default credential chain."""
    role_arn: str | None = None
    """A role that is assumed with any of these identities."""
    external_id: str | None = None
    """Shown when the role is assumed."""
    model: str = DEFAULT_MODEL
    """A model's id, or the id or ARN of an inference profile."""
    small_fast_model: str = DEFAULT_SMALL_FAST_MODEL
    """Asked instead when a client asks for a model of the Haiku class."""
    models: ModelTable = msgspec.field(default_factory=shipped_models)


def endpoint(protocol: BedrockProtocol, region: str) -> str:
    """The base URL of a region."""
    if protocol is BedrockProtocol.MANTLE:
        return f"https://bedrock-mantle.{region}.api.aws/anthropic"
    return f"https://bedrock-runtime.{region}.amazonaws.com"


def protocol_of(base_url: str) -> BedrockProtocol:
    """Which interface a base URL leads to, by its host."""
    host = urlsplit(base_url).hostname or ""
    return BedrockProtocol.MANTLE if _MANTLE_HOST.fullmatch(host) else BedrockProtocol.INVOKE


def region_of(base_url: str) -> str | None:
    """The region that the host of a base URL names, private and FIPS endpoints included; None when it names none."""
    host = urlsplit(base_url).hostname or ""
    if not host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws")):
        return None
    return next((label for label in host.split(".") if _REGION.fullmatch(label)), None)


def is_region(text: str) -> bool:
    """Whether a text looks like the name of an AWS region."""
    return _REGION.fullmatch(text) is not None
