"""A small real management server whose answers a test writes down."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner


class ManagementServer:
    """Answers `(method, path)` with what `answers` holds, 404 else; remembers what it was asked."""

    def __init__(self):
        self.answers = {}
        self.asked = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def _serve(self):
                data = self.rfile.read(int(self.headers.get("content-length") or 0))
                body = json.loads(data) if data else None
                owner.asked.append((self.command, self.path, body, self.headers.get("coder-session-token")))
                status, answer = owner.answers.get(
                    (self.command, self.path.partition("?")[0]), (404, {"message": "Resource not found."})
                )
                content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("location", "https://elsewhere.example.com/")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815  # the names that http.server calls

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def server():
    running = ManagementServer()
    yield running
    running.close()


@pytest.fixture
def cli(tmp_path, monkeypatch):
    """Runs a command in a home of its own: `cli(command, *words)`."""
    for name in ("CODER_URL", "CODER_SESSION_TOKEN", "CODER_TOKEN_NAME", "CODER_TOKEN_LIFETIME", "CODER_TOKEN_USER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def run(command, *words, stdin=None):
        return CliRunner().invoke(command, words, input=stdin)

    return run


@pytest.fixture
def signed_in(server, cli, monkeypatch):
    """A person who is signed in to the server by environment."""
    monkeypatch.setenv("CODER_URL", server.url)
    monkeypatch.setenv("CODER_SESSION_TOKEN", "abcdefghij-0123456789012345678901")
    return cli
