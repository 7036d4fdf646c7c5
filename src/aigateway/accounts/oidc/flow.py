"""One sign-in, from the button to a person: what is sent with the browser, and what must come back with it."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

from authlib.oauth2.rfc7636 import create_s256_code_challenge

from aigateway.accounts.errors import ProviderFailed, SignInFailed
from aigateway.accounts.oidc import calls
from aigateway.accounts.oidc.id_token import Expected, claims_of
from aigateway.accounts.oidc.identity import Identity, identity_of
from aigateway.accounts.oidc.provider import Metadata, Provider
from aigateway.settings.model import OidcSettings
from aigateway.store.times import utc_now

_START_AGAIN = "This sign-in was not started in this browser, or too long ago. Start again."


@dataclass(frozen=True, slots=True)
class Attempt:
    """A sign-in that is under way. It is kept by the browser alone, in a cookie that no script can read."""

    state: str
    nonce: str
    verifier: str
    place: str
    """Where to go afterwards, as it was asked for: to be checked when it is used."""
    link: str = ""
    """The id of the signed-in user whose account is to be connected; empty to sign in."""

    def sealed(self) -> str:
        """As the value of a cookie."""
        return base64.urlsafe_b64encode(json.dumps(asdict(self)).encode()).decode()

    @classmethod
    def unsealed(cls, cookie: str) -> Attempt | None:
        """The attempt in a cookie; None when there is none."""
        try:
            fields = json.loads(base64.urlsafe_b64decode(cookie))
            attempt = cls(**fields)
        except (ValueError, TypeError, RecursionError):
            return None
        texts = asdict(attempt)
        whole = all(isinstance(text, str) for text in texts.values())
        return attempt if whole and attempt.state and attempt.nonce and attempt.verifier else None


class OpenIdConnect:
    """Signs people in at one provider.

    Args:
        settings: the operator's.
        redirect_uri: where the provider sends people back to, as it is registered there.
        clock: the time of day.
        provider: what is known of the provider.
    """

    def __init__(
        self,
        settings: OidcSettings,
        redirect_uri: str,
        *,
        clock: Callable[[], datetime] = utc_now,
        provider: Provider | None = None,
    ) -> None:
        self.settings = settings
        self._redirect_uri = redirect_uri
        self._clock = clock
        self._provider = provider or Provider(settings.issuer_url)

    async def begin(self, place: str, link: str = "") -> tuple[str, Attempt]:
        """The provider's page to send a browser to, and the attempt that it must bring back.

        Raises:
            ProviderFailed: the provider cannot be asked now.
        """
        metadata = await self._provider.metadata()
        attempt = Attempt(
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            place=place,
            link=link,
        )
        query = {
            **self.settings.auth_url_params,
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": self._redirect_uri,
            "scope": " ".join(self.settings.scopes),
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": create_s256_code_challenge(attempt.verifier),
            "code_challenge_method": "S256",
        }
        joint = "&" if urlsplit(metadata.authorization_endpoint).query else "?"
        return f"{metadata.authorization_endpoint}{joint}{urlencode(query)}", attempt

    async def finish(self, query: Mapping[str, str], attempt: Attempt | None) -> Identity:
        """Who came back.

        Raises:
            SignInFailed: somebody who may not come in, or something that is no sign-in.
            ProviderFailed: the provider does not answer as it should.
        """
        state = query.get("state", "")
        if attempt is None or not hmac.compare_digest(state.encode(), attempt.state.encode()):
            raise SignInFailed(_START_AGAIN, "callback: state does not match")
        if error := query.get("error"):
            raise _refused_by_provider(error)
        metadata = await self._provider.metadata()
        if query.get("iss", metadata.issuer) != metadata.issuer:  # RFC 9207
            raise SignInFailed.by_provider("callback: it is of another issuer")
        if not (code := query.get("code")):
            raise SignInFailed.by_provider("callback: no code")
        tokens = await self._exchange(metadata, code, attempt)
        access_token = tokens.get("access_token")
        access_token = access_token if isinstance(access_token, str) and access_token.isascii() else ""
        id_token = tokens.get("id_token")
        if not isinstance(id_token, str):
            raise SignInFailed.by_provider("token endpoint: no ID token")
        expected = Expected(self.settings.client_id, attempt.nonce, access_token)
        claims = await claims_of(id_token, self._provider, expected, self._clock())
        return identity_of(await self._with_userinfo(metadata, claims, access_token), self.settings)

    async def _exchange(self, metadata: Metadata, code: str, attempt: Attempt) -> dict[str, Any]:
        """What the provider gives for a code."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": attempt.verifier,
        }
        headers: dict[str, str] = {}
        secret = await self._secret()
        if not secret:
            form["client_id"] = self.settings.client_id
        elif "client_secret_basic" in metadata.auth_methods:
            # RFC 6749 section 2.3.1: both are encoded as in a form before they are joined.
            pair = f"{quote_plus(self.settings.client_id)}:{quote_plus(secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": self.settings.client_id, "client_secret": secret}
        answer = await calls.post(metadata.token_endpoint, "token endpoint", headers, form)
        if answer.status != 200:
            raise _not_given(answer)
        return answer.document

    async def _secret(self) -> str:
        file = self.settings.client_secret_file
        if file is None:
            return self.settings.client_secret.reveal() if self.settings.client_secret else ""
        try:
            return (await asyncio.to_thread(Path.read_text, file, "utf-8")).strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ProviderFailed(f"--oidc-client-secret-file cannot be read: {type(error).__name__}") from error

    async def _with_userinfo(self, metadata: Metadata, claims: dict[str, Any], access_token: str) -> dict[str, Any]:
        if self.settings.ignore_userinfo or metadata.userinfo_endpoint is None or not access_token:
            return claims
        told = await calls.get(metadata.userinfo_endpoint, "userinfo", bearer=access_token)
        # Core 5.3.2: nothing of it may be used for anybody but the subject of the ID token.
        if told.get("sub") != claims["sub"]:
            raise SignInFailed.by_provider("userinfo: it is of another subject")
        return {**told, **claims}


def _refused_by_provider(error: str) -> SignInFailed:
    word = _word(error)
    if word == "access_denied":
        return SignInFailed("The provider did not let you in. Ask an owner.", "callback: access_denied")
    return SignInFailed.by_provider(f"callback: {word}")


def _not_given(answer: calls.Answer) -> SignInFailed | ProviderFailed:
    error = answer.document.get("error")
    word = _word(error) if isinstance(error, str) else "no word of why"
    if word == "invalid_grant":
        return SignInFailed("This sign-in was used already, or took too long. Start again.", f"token endpoint: {word}")
    if word == "invalid_client":
        return ProviderFailed("token endpoint: invalid_client (is --oidc-client-secret right?)")
    return ProviderFailed(f"token endpoint: status {answer.status}, {word}")


def _word(error: str) -> str:
    """The provider's word for what is wrong, as far as it is a word: it may be anybody's text."""
    return error if error.replace("_", "").isalnum() and error.isascii() and len(error) <= 64 else "another error"
