"""An authorization server (OAuth 2.0 with PKCE) in a thread of its own: strict, and bad where a test says so."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

CLIENT_ID, CLIENT_SECRET = "client-1", "hidden-client-secret-canary"


class AuthServer:
    """Consents to everything, gives tokens for codes, and new refresh tokens for old ones, once each."""

    def __init__(self) -> None:
        self.expires_in: int | None = 3600
        self.refresh_tokens = True
        self.asked: list[dict[str, str]] = []
        """What came to the token endpoint."""
        self.questions: list[dict[str, str]] = []
        """What came to the page where people consent."""
        self.answer: tuple[int, bytes] | None = None
        """What the token endpoint says in place of the truth."""
        self.access: set[str] = set()
        """Tokens that are good."""
        self.hold = threading.Event()
        self.hold.set()
        self._codes: dict[str, dict[str, str]] = {}
        self._refresh: set[str] = set()
        self._count = 0
        self._lock = threading.Lock()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                place = owner.consent(self.path)
                self.send_response(302)
                self.send_header("location", place)
                self.end_headers()

            def do_POST(self) -> None:
                sent = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
                status, body = owner.grant({key: values[0] for key, values in parse_qs(sent).items()})
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.hold.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def consent(self, path: str) -> str:
        """The person says yes; where the browser is sent back to."""
        asked = {key: values[0] for key, values in parse_qs(urlsplit(path).query).items()}
        self.questions.append(asked)
        code = self._new("code")
        self._codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def grant(self, asked: dict[str, str]) -> tuple[int, bytes]:
        """The token endpoint."""
        self.hold.wait(10)
        with self._lock:
            self.asked.append(asked)
            if self.answer is not None:
                return self.answer
            if (asked.get("client_id"), asked.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
                return _said(401, error="invalid_client")
            good = self._redeems(asked) if asked["grant_type"] == "authorization_code" else self._refreshes(asked)
            if not good:
                return _said(400, error="invalid_grant")
            given: dict[str, Any] = {"access_token": self._new("access-canary"), "token_type": "bearer"}
            self.access.add(given["access_token"])
            if self.expires_in is not None:
                given["expires_in"] = self.expires_in
            if self.refresh_tokens:
                given["refresh_token"] = self._new("refresh-canary")
                self._refresh.add(given["refresh_token"])
            return _said(200, **given)

    def revoke(self) -> None:
        """Forget everything that was given."""
        self.access.clear()
        self._refresh.clear()

    def _redeems(self, asked: dict[str, str]) -> bool:
        question = self._codes.pop(asked["code"], None)
        if question is None or question["redirect_uri"] != asked["redirect_uri"]:
            return False
        digest = hashlib.sha256(asked.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        return question["code_challenge_method"] == "S256" and question["code_challenge"] == challenge

    def _refreshes(self, asked: dict[str, str]) -> bool:
        if asked["refresh_token"] not in self._refresh:
            return False
        self._refresh.discard(asked["refresh_token"])
        return True

    def _new(self, what: str) -> str:
        self._count += 1
        return f"{what}-{self._count:04}"


def _said(status: int, **said: Any) -> tuple[int, bytes]:
    return status, json.dumps(said).encode()
