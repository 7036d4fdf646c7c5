"""A provider on Bedrock, made of its settings."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from urllib.parse import quote

import msgspec

from aigateway.providers.bedrock.edits import CountEdit, InvokeEdit, Model, Models
from aigateway.providers.bedrock.identity import identities
from aigateway.providers.bedrock.signature import BearerSigner, SigV4Signer
from aigateway.providers.edit import Edit
from aigateway.providers.provider import Provider
from aigateway.providers.routes import Local, RouteTable
from aigateway.providers.signer import Signer
from aigateway.settings.bedrock import BedrockProtocol, BedrockSettings
from aigateway.settings.secret import mask
from aigateway.wire.facts import RequestFacts

_MESSAGES = "/v1/messages"
_COUNT = "/v1/messages/count_tokens"
_SERVICES = {BedrockProtocol.INVOKE: "bedrock", BedrockProtocol.MANTLE: "bedrock-mantle"}
"""The names by which AWS knows them in a signature."""
_BEARER_VARIABLE = "AWS_BEARER_TOKEN_BEDROCK"


def on_bedrock(provider: Provider, settings: BedrockSettings) -> Provider:
    """An `anthropic` provider that calls Bedrock and nobody else."""
    if settings.protocol is BedrockProtocol.MANTLE:
        routes = replace(provider.routes, subtrees=("/v1/models/",))
        return replace(provider, routes=routes, keys=(), signers=_signers(settings))
    models = Models(_model(settings.model, settings), _model(settings.small_fast_model, settings))
    return replace(
        provider,
        keys=(),
        routes=_routes(provider.routes, models),
        signers=_signers(settings),
        edit_for=partial(_edit_for, provider.origin + provider.base_path, models),
    )


def _signers(settings: BedrockSettings) -> tuple[Signer, ...]:
    token = os.environ.get(_BEARER_VARIABLE)
    if token and not settings.access_keys and settings.role_arn is None:
        return (BearerSigner(token, mask(token)),)
    service = _SERVICES[settings.protocol]
    return tuple(SigV4Signer(identity, service, settings.region) for identity in identities(settings))


def _model(ident: str, settings: BedrockSettings) -> Model:
    return Model(ident, settings.models.rules(ident))


def _edit_for(endpoint: str, models: Models, path: str, facts: RequestFacts | None) -> Edit | None:
    if path == _COUNT:
        return CountEdit(endpoint, models)
    if facts is None:
        return None
    return InvokeEdit(endpoint, models.choose(facts.model), streaming=facts.streaming)


def _routes(routes: RouteTable, models: Models) -> RouteTable:
    """The two operations, and a list of models of our own: Bedrock has none that a key of this kind may read."""
    ids = tuple(dict.fromkeys((models.main.id, models.small_fast.id)))
    entries = [_entry(ident) for ident in ids]
    listed = {"data": entries, "has_more": False, "first_id": ids[0], "last_id": ids[-1]}
    local = {"/v1/models": Local(msgspec.json.encode(listed))}
    for ident, entry in zip(ids, entries, strict=True):
        for safe in ("", ":"):
            local[f"/v1/models/{quote(ident, safe=safe)}"] = Local(msgspec.json.encode(entry))
    return replace(routes, passthrough=frozenset({_COUNT}), subtrees=(), local=local)


def _entry(ident: str) -> dict[str, str]:
    """A model as Anthropic's API lists it; when it was made is not known here."""
    return {"type": "model", "id": ident, "display_name": ident, "created_at": "1970-01-01T00:00:00Z"}
