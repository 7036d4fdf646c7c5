"""Settings that are fine alone but not together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

from aigateway.settings.durations import format_duration
from aigateway.settings.errors import Problem
from aigateway.settings.resolve import DEFAULT, Resolved

_TLS_FILES = {"tls.cert_file": "--tls-cert-file", "tls.key_file": "--tls-key-file"}
_ACTOR_HEADERS = ("gateway.actor_header_id", "gateway.actor_header_username", "gateway.actor_header_email")


def inconsistencies(resolved: Mapping[str, Resolved]) -> Iterator[Problem]:
    """Say what contradicts what. A setting that cannot be read is not held against another."""
    yield from _lifetimes(resolved["tokens.default_lifetime"], resolved["tokens.max_lifetime"])
    yield from _tls(resolved)
    yield from _actor_headers(resolved)
    yield from _oidc(resolved)


def _lifetimes(default: Resolved, longest: Resolved) -> Iterator[Problem]:
    lifetime, limit = default.value, longest.value
    if not isinstance(lifetime, timedelta) or not isinstance(limit, timedelta):
        return
    if lifetime > limit and default.source != DEFAULT:
        message = f"is longer than any token may live ({longest.source}); shorten it, or raise that"
        yield Problem(default.source, format_duration(lifetime), message)


def _tls(resolved: Mapping[str, Resolved]) -> Iterator[Problem]:
    enabled = resolved["tls.enabled"]
    if not enabled.value:
        return
    for field, flag in _TLS_FILES.items():
        if resolved[field].value is None and not resolved[field].problems:
            yield Problem(flag, None, f"is needed, because {enabled.source} is on; name a PEM file")


def _oidc(resolved: Mapping[str, Resolved]) -> Iterator[Problem]:
    issuer, access_url = resolved["oidc.issuer_url"], resolved["http.access_url"]
    if issuer.value is None:
        return
    if resolved["oidc.client_id"].value is None:
        yield Problem("--oidc-client-id", None, f"is needed, because {issuer.source} is set; ask the provider for it")
    if access_url.value is None and not access_url.problems:
        message = f"is needed, because {issuer.source} is set, and the provider sends people back to it"
        yield Problem("--access-url", None, message)
    secret, file = resolved["oidc.client_secret"], resolved["oidc.client_secret_file"]
    if secret.value is not None and file.value is not None:
        yield Problem(file.source, str(file.value), f"contradicts {secret.source}; remove one of them")
    if resolved["oidc.allowed_groups"].value and resolved["oidc.group_field"].value is None:
        message = f"is needed, because {resolved['oidc.allowed_groups'].source} is set; name the claim with the groups"
        yield Problem("--oidc-group-field", None, message)
    scopes = resolved["oidc.scopes"]
    if isinstance(scopes.value, tuple) and "openid" not in scopes.value:
        yield Problem(scopes.source, ",".join(scopes.value), "lacks openid, without which nobody can be known; add it")


def _actor_headers(resolved: Mapping[str, Resolved]) -> Iterator[Problem]:
    seen: dict[str, Resolved] = {}
    for header in (resolved[field] for field in _ACTOR_HEADERS):
        if not isinstance(header.value, str):
            continue
        other = seen.setdefault(header.value.lower(), header)
        if other is not header:
            used, said = (header, other) if header.source != DEFAULT else (other, header)
            of = "another attribute" if said.source == DEFAULT else said.source
            yield Problem(used.source, header.value, f"is the header of {of} too; give each attribute its own")
