"""Asking a person's consent at a service: the address to send them to, and what must come back with them.

What must be remembered meanwhile is sealed into a cookie, for one person, one session and one server, so that any
replica can go on with it and nobody else can.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

import msgspec

from aigateway.accounts.actor import Actor
from aigateway.accounts.errors import Refused
from aigateway.settings.tools import AccountSettings, ToolServerSettings
from aigateway.store.envelope import KeyMissing, Keyring, SealBroken, Sealed

LASTS = timedelta(minutes=10)
_AGAIN = "Start again from the page of tools, and finish within ten minutes in the same browser."


class Asked(msgspec.Struct, frozen=True):
    """What was asked, to be compared with what comes back."""

    state: str
    verifier: str
    redirect_uri: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Question:
    """Where to send a person, and the cookie to send them off with."""

    url: str
    cookie: str


def ask(
    keys: Keyring, actor: Actor, session_token: str, server: ToolServerSettings, redirect_uri: str, now: datetime
) -> Question:
    """Make the question for a server's service."""
    asked = Asked(secrets.token_urlsafe(32), secrets.token_urlsafe(48), redirect_uri, now + LASTS)
    sealed = keys.seal(msgspec.json.encode(asked), _place(actor, session_token, server))
    cookie = f"{sealed.key_id}.{base64.urlsafe_b64encode(sealed.data).decode()}"
    return Question(_url(server.account, asked), cookie)


def answered(
    keys: Keyring,
    actor: Actor,
    session_token: str,
    server: ToolServerSettings,
    *,
    cookie: str,
    state: str,
    now: datetime,
) -> Asked:
    """What was asked of this person, in this session, for this server.

    Raises:
        Refused: nothing was, or something else, or too long ago.
    """
    key_id, _, data = cookie.partition(".")
    try:
        opened = keys.unseal(Sealed(base64.urlsafe_b64decode(data), key_id), _place(actor, session_token, server))
        asked = msgspec.json.decode(opened, type=Asked)
    except (ValueError, KeyMissing, SealBroken):
        raise Refused(f"This server did not ask for this account in this session. {_AGAIN}") from None
    if not hmac.compare_digest(asked.state.encode(), state.encode()):
        raise Refused(f"The service answered another question than the one that was asked. {_AGAIN}")
    if now > asked.until:
        raise Refused(f"The question was asked too long ago. {_AGAIN}")
    return asked


def _url(account: AccountSettings | None, asked: Asked) -> str:
    """The authorization request: RFC 6749 section 4.1.1, RFC 7636 section 4.3."""
    if account is None:
        raise ValueError("nobody has an account at this server")
    digest = hashlib.sha256(asked.verifier.encode()).digest()
    query = {
        "response_type": "code",
        "client_id": account.client_id,
        "redirect_uri": asked.redirect_uri,
        "state": asked.state,
        "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        "code_challenge_method": "S256",
    }
    if account.scopes:
        query["scope"] = " ".join(account.scopes)
    return f"{account.auth_url}?{urlencode(query)}"


def _place(actor: Actor, session_token: str, server: ToolServerSettings) -> str:
    session = hashlib.sha256(session_token.encode()).hexdigest()
    return f"external auth\0{actor.user_id}\0{session}\0{server.name}"
