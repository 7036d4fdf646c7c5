"""An OpenID provider that does as a test says, rightly or wrongly."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlencode

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.support.waiting import eventually

CLIENT_ID, CLIENT_SECRET = "gateway", "s3cret+/=%:value"


class OpenIdProvider:
    """`app` is to be served at `url`, which is set once it is known. Everything is to be changed by tests."""

    def __init__(self) -> None:
        self.url = ""
        self.key = _first_key()
        self.published = [self.key]
        self.published_as: str | None = "RS256"
        self.claims: dict[str, Any] = {}
        """Over those of the person; None leaves one out."""
        self.person = {
            "sub": "248289761001",
            "email": "grace@example.com",
            "email_verified": True,
            "preferred_username": "grace",
            "name": "Grace Hopper",
        }
        self.userinfo: dict[str, Any] = {}
        """Over what the endpoint says of the person."""
        self.metadata: dict[str, Any] = {}
        """Over the document of discovery; None leaves one out."""
        self.callback: dict[str, str] | None = None
        """What the browser brings back in place of a code."""
        self.token_answer: web.Response | None = None
        """What the token endpoint says instead of tokens."""
        self.header: dict[str, Any] = {}
        """Over that of the ID token."""
        self.signed_by: Any = None
        """A key to sign with that is not published."""
        self.slow = False
        """The token endpoint never answers."""
        self.calls: list[str] = []
        self.down = False
        self._codes: dict[str, dict[str, str]] = {}
        self.app = web.Application(middlewares=[self._noted])
        self.app.router.add_get("/.well-known/openid-configuration", self._discovery)
        self.app.router.add_get("/authorize", self._authorize)
        self.app.router.add_post("/token", self._token)
        self.app.router.add_get("/keys", self._keys)
        self.app.router.add_get("/userinfo", self._userinfo)

    def authorize(self, query: str) -> str:
        """What the provider's page does when the person agrees: the address to go back to."""
        asked = dict(parse_qsl(query))
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT_ID
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(8)
        self._codes[code] = asked
        back = {"code": code} if self.callback is None else self.callback
        return f"{asked['redirect_uri']}?{urlencode({'state': asked['state'], **back})}"

    def id_token(self, nonce: str, access_token: str) -> str:
        now = int(time.time())
        digest = hashlib.sha256(access_token.encode()).digest()
        claims = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
            "at_hash": base64.urlsafe_b64encode(digest[:16]).decode().rstrip("="),
            **self.person,
            **self.claims,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": "RS256", "kid": self.key.kid, **self.header}
        header = {name: value for name, value in header.items() if value is not None}
        if header["alg"] == "none":
            parts = (header, claims)
            return ".".join(_encoded(part) for part in parts) + "."
        if header["alg"] == "HS256":
            return self.signed_with_the_public_key(header, claims)
        return jwt.encode(header, claims, self.signed_by or self.key, algorithms=[header["alg"]])

    def signed_with_the_public_key(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        """What whoever knows the published key can sign, for those who take its text for a secret."""
        signed = f"{_encoded(header)}.{_encoded(claims)}"
        digest = hmac.digest(self.key.as_pem(private=False), signed.encode(), "sha256")
        return f"{signed}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"

    @web.middleware
    async def _noted(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.calls.append(request.path)
        if self.down:
            return web.Response(status=503, text="<html>down</html>", content_type="text/html")
        return await handler(request)

    async def _discovery(self, _request: web.Request) -> web.Response:
        document = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            **self.metadata,
        }
        return web.json_response({name: value for name, value in document.items() if value is not None})

    async def _authorize(self, request: web.Request) -> web.Response:
        raise web.HTTPSeeOther(self.authorize(request.query_string))

    async def _token(self, request: web.Request) -> web.Response:
        if self.slow:
            await eventually(lambda: request.transport is None, seconds=30)
        if self.token_answer is not None:
            return self.token_answer
        form = await request.post()
        if not self._is_client(request, form):
            return web.json_response({"error": "invalid_client"}, status=401)
        asked = self._codes.pop(str(form["code"]), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(str(form["code_verifier"]).encode()).digest())
        if (
            asked is None
            or asked["redirect_uri"] != form["redirect_uri"]
            or asked["code_challenge"] != challenge.decode().rstrip("=")
        ):
            return web.json_response({"error": "invalid_grant", "error_description": "used <b>before</b>"}, status=400)
        access_token = secrets.token_urlsafe(16)
        tokens = {"access_token": access_token, "token_type": "Bearer"}
        return web.json_response(tokens | {"id_token": self.id_token(asked["nonce"], access_token)})

    def _is_client(self, request: web.Request, form: Any) -> bool:
        if "client_secret" in form:
            return bool(form["client_id"] == CLIENT_ID and form["client_secret"] == CLIENT_SECRET)
        encoded = request.headers.get("Authorization", "").removeprefix("Basic ")
        name, _, secret = base64.b64decode(encoded).decode().partition(":")
        decoded = dict(parse_qsl(f"name={name}&secret={secret}"))
        return decoded == {"name": CLIENT_ID, "secret": CLIENT_SECRET}

    async def _keys(self, _request: web.Request) -> web.Response:
        listed = [key.as_dict(private=False, use="sig") | self._algorithm() for key in self.published]
        return web.json_response({"keys": [{"kty": "new-kind"}, *listed]})

    def _algorithm(self) -> dict[str, str]:
        return {"alg": self.published_as} if self.published_as else {}

    async def _userinfo(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"].startswith("Bearer ")
        return web.json_response({**self.person, **self.userinfo})


def _encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


@cache
def _first_key() -> RSAKey:
    """The same for every provider, for primes are slow to find."""
    return RSAKey.generate_key(2048, {"kid": "first"})
