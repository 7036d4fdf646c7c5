"""The gateway as its users run it: a process of its own, spoken to over HTTP."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from aigateway.cli.rest import Client, RestError
from tests.support.waiting import wait_until

OWNER = {"username": "ada", "email": "ada@example.com", "password": "correct horse battery staple"}


class GatewayProcess:
    """`with GatewayProcess(folder, env) as gateway:` starts `aigateway server` and waits until it can serve.

    `env` is all the environment that it has beside PATH and HOME, so no setting of this machine can leak in. What it
    prints goes to `<folder>/server.log`. The first start makes an owner, `OWNER`, and a token for them, `token`.
    """

    def __init__(self, folder: Path, env: Mapping[str, str], *args: str, port: int | None = None) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.base = f"{self.url}/api/v2/aibridge"
        self.token = ""
        self._args = args
        self._env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "CODER_HTTP_ADDRESS": f"127.0.0.1:{self.port}",
            "CODER_AI_GATEWAY_DATA_DIR": str(folder / "data"),
            "CODER_AI_GATEWAY_ENABLED": "true",
            **env,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def env(self) -> dict[str, str]:
        """The environment of the process, for other commands over the same data."""
        return dict(self._env)

    @property
    def log(self) -> str:
        """What the server has printed so far."""
        return (self.folder / "server.log").read_text("utf-8", "replace")

    @property
    def api(self) -> Client:
        """The management API, as the owner."""
        return Client(self.url, self.token)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.stop()

    def start(self) -> None:
        """Start, or start again over the same data, and wait until `/readyz` says yes."""
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(self._command(), env=self._env, stdout=log, stderr=log)
        wait_until(self._ready, seconds=30)
        if not self.token:
            self.token = self.sign_up()

    def stop(self) -> int:
        """Ask it to stop, wait, and return its exit status."""
        assert self._process is not None, "not started"
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=45)

    def kill(self) -> None:
        """`kill -9`."""
        assert self._process is not None, "not started"
        self._process.kill()
        self._process.wait(timeout=10)

    def sign_up(self) -> str:
        """Make the first user if there is none, and a token for them."""
        nobody = Client(self.url)
        try:
            nobody.call("POST", "users", "first", body=OWNER)
        except RestError as error:
            if error.status != 409:
                raise
        sent = {"email": OWNER["email"], "password": OWNER["password"]}
        session = nobody.call("POST", "users", "login", body=sent)["session_token"]
        return self.mint("me", token=session)

    def mint(self, user: str, *, token: str | None = None, **body: Any) -> str:
        """A new token of a user."""
        return str(
            Client(self.url, token or self.token).call("POST", "users", user, "keys", "tokens", body=body)["key"]
        )

    def interceptions(self, search: str | None = None) -> list[dict[str, Any]]:
        """What is on record now (ended ones), newest first."""
        return list(self.api.get("aibridge", "interceptions", q=search, limit=1000)["results"])

    def interception(self, ident: str | None = None, *, prompt: str | None = None) -> dict[str, Any]:
        """The one with this id, or with this text in its prompt, as soon as it is on record."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            found[:] = [
                row
                for row in self.interceptions()
                if row["id"] == ident or (prompt and any(prompt in told["prompt"] for told in row["user_prompts"]))
            ]
            return bool(found)

        wait_until(look)
        assert len(found) == 1, [row["id"] for row in found]
        return found[0]

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "aigateway", "server", *self._args]

    def _ready(self) -> bool:
        assert self._process is not None, "not started"
        if self._process.poll() is not None:
            raise RuntimeError(f"the server ended with status {self._process.returncode}:\n{self.log}")
        try:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(f"{self.url}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def providers(*configured: Mapping[str, str]) -> dict[str, str]:
    """`CODER_AI_GATEWAY_PROVIDER_<N>_…` for each of them, whose keys are TYPE, NAME, KEY, BASE_URL."""
    return {
        f"CODER_AI_GATEWAY_PROVIDER_{number}_{key}": value
        for number, provider in enumerate(configured)
        for key, value in provider.items()
    }
