"""The declared edits of Bedrock: a Messages request as InvokeModel, and a count of tokens as CountTokens.

docs/bedrock.md lists what changes.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from urllib.parse import quote

import msgspec

from aigateway.providers.bedrock.answers import counted, invoked
from aigateway.providers.bedrock.invoke import Invocation, flags, invocation
from aigateway.providers.edit import NotServed
from aigateway.providers.upstream import UpstreamAnswer, UpstreamRequest
from aigateway.settings.bedrock_models import ModelRules
from aigateway.wire.encodings import DecodedTooLarge, Undecodable, decode_body
from aigateway.wire.splice import JsonObject, Unspliceable

REMOVED_HEADER = b"x-ai-gateway-removed"
"""Tells in an answer what of its request was left out."""

_LARGEST_BODY = 25_000_000
"""Bytes; the most that InvokeModel takes."""
_NOT_FOR_AWS = (b"accept", b"accept-encoding", b"content-encoding", b"content-type")
_NOT_FOR_AWS_PREFIXES = (b"anthropic-", b"x-amz")
"""Anthropic's move into the body; AWS's own are the operator's to set, since some of them cost money."""


@dataclass(frozen=True, slots=True)
class Model:
    """A configured model."""

    id: str
    rules: ModelRules


class InvokeEdit:
    """`POST /v1/messages` as InvokeModel, and its answer back."""

    outgoing = None

    def __init__(self, endpoint: str, model: Model, *, streaming: bool) -> None:
        """Take the base URL, without a slash at its end."""
        self.model = model.id
        operation = "invoke-with-response-stream" if streaming else "invoke"
        self._url = f"{endpoint}/model/{quote(model.id, safe='')}/{operation}"
        self._rules = model.rules
        self._removed: tuple[str, ...] = ()

    def to_upstream(self, request: UpstreamRequest) -> UpstreamRequest:
        """See `Edit`."""
        edited = _invocation(request, _members(request), self._rules)
        self._removed = edited.removed
        return UpstreamRequest(request.method, self._url, _headers(request), edited.body)

    def instead(self, status: int, request: UpstreamRequest) -> None:
        """See `Edit`: Bedrock takes nothing else."""

    async def to_client(self, answer: UpstreamAnswer) -> UpstreamAnswer:
        """See `Edit`."""
        said = ", ".join(self._removed).encode("ascii", "replace")
        return await invoked(answer, ((REMOVED_HEADER, said),) if said else ())


class CountEdit:
    """`POST /v1/messages/count_tokens` as CountTokens, and its answer back."""

    outgoing = None
    model = None

    def __init__(self, endpoint: str, models: Models) -> None:
        self._endpoint = endpoint
        self._models = models
        self._counting = ""

    def to_upstream(self, request: UpstreamRequest) -> UpstreamRequest:
        """See `Edit`."""
        members = _members(request)
        name = members.value("model")
        model = self._models.choose(name if isinstance(name, str) else None)
        if model.rules.count_tokens is None:
            raise NotServed(
                404,
                f"Amazon Bedrock counts no tokens for {model.id}, as far as is known here. "
                "The operator can name the model behind it in --ai-gateway-bedrock-models-file.",
            )
        self._counting = model.rules.count_tokens
        edited = _invocation(request, members, model.rules).body
        wrapped = {"input": {"invokeModel": {"body": base64.b64encode(_with_limit(edited)).decode()}}}
        url = f"{self._endpoint}/model/{quote(self._counting, safe='')}/count-tokens"
        return UpstreamRequest("POST", url, _headers(request), msgspec.json.encode(wrapped))

    def instead(self, status: int, request: UpstreamRequest) -> None:
        """See `Edit`: Bedrock takes nothing else."""

    async def to_client(self, answer: UpstreamAnswer) -> UpstreamAnswer:
        """See `Edit`."""
        return await counted(answer, self._counting)


@dataclass(frozen=True, slots=True)
class Models:
    """The two models of a provider."""

    main: Model
    small_fast: Model

    def choose(self, requested: str | None) -> Model:
        """The model that serves a request: the small fast one for the Haiku class, whatever the version."""
        return self.small_fast if requested is not None and "haiku" in requested.lower() else self.main


def _members(request: UpstreamRequest) -> JsonObject:
    body = request.body
    encoding = next((value for name, value in request.headers if name == b"content-encoding"), b"").decode("latin-1")
    try:
        return JsonObject(decode_body(body, encoding, _LARGEST_BODY) if encoding else body)
    except DecodedTooLarge:
        raise NotServed(413, f"the request body is over {_LARGEST_BODY} bytes, the most for Amazon Bedrock.") from None
    except (Undecodable, Unspliceable) as error:
        raise _unreadable(error) from None


def _invocation(request: UpstreamRequest, members: JsonObject, rules: ModelRules) -> Invocation:
    header_betas = [
        flag for name, value in request.headers if name == b"anthropic-beta" for flag in flags(value.decode("latin-1"))
    ]
    try:
        return invocation(members, header_betas, rules)
    except Unspliceable as error:
        raise _unreadable(error) from None


def _unreadable(error: Exception) -> NotServed:
    return NotServed(400, f"the request cannot be turned into one of Amazon Bedrock's: {error}.")


def _headers(request: UpstreamRequest) -> list[tuple[bytes, bytes]]:
    kept = [
        (name, value)
        for name, value in request.headers
        if name not in _NOT_FOR_AWS and not name.startswith(_NOT_FOR_AWS_PREFIXES)
    ]
    return [*kept, (b"accept", b"application/json"), (b"content-type", b"application/json")]


def _with_limit(body: bytes) -> bytes:
    """A body with `max_tokens`, which a count has no use for and InvokeModel cannot do without."""
    members = JsonObject(body)
    if "max_tokens" in members:
        return body
    thinking = members.value("thinking")
    budget = thinking.get("budget_tokens") if isinstance(thinking, dict) else None
    least = budget + 1 if isinstance(budget, int) else 1
    return members.splice(put={"max_tokens": str(least).encode()})
