"""The gateway in a process of its own, spoken to over HTTP."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Self

from aigateway.cli.rest import Client, RestError
from tests.support.embedded import OWNER, move_in
from tests.support.forked import Forked
from tests.support.waiting import wait_until

__all__ = ["OWNER", "CommandProcess", "GatewayProcess", "free_port", "providers"]


class GatewayProcess:
    """`with GatewayProcess(folder, env) as gateway:` starts a server and waits until it can serve.

    `env` is all the environment that it has beside PATH and HOME, so no setting of this machine can leak in. What it
    prints goes to `<folder>/server.log`. There is an owner, `OWNER`, with a token, `token`; when `empty`, nobody.
    """

    def __init__(
        self, folder: Path, env: Mapping[str, str], *args: str, port: int | None = None, empty: bool = False
    ) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.base = f"{self.url}/api/v2/aibridge"
        self.token = ""
        self.seconds_to_ready = 0.0
        """Of the last start."""
        self._args = args
        self._empty = empty
        self._env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "CODER_HTTP_ADDRESS": f"127.0.0.1:{self.port}",
            "CODER_AI_GATEWAY_DATA_DIR": str(folder / "data"),
            "CODER_AI_GATEWAY_ENABLED": "true",
            **env,
        }
        self._process: subprocess.Popen[bytes] | Forked | None = None

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
        data_dir = Path(self._env["CODER_AI_GATEWAY_DATA_DIR"])
        if not (self._empty or data_dir.exists() or "CODER_PG_CONNECTION_URL" in self._env):
            self.token = move_in(data_dir)
        began = time.monotonic()
        self._process = self._begin(self.folder / "server.log")
        wait_until(self._ready, seconds=30)
        self.seconds_to_ready = time.monotonic() - began
        if not (self._empty or self.token):
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

    def _begin(self, log: Path) -> subprocess.Popen[bytes] | Forked:
        return Forked(["server", *self._args], self._env, log)

    def _ready(self) -> bool:
        assert self._process is not None, "not started"
        if self._process.poll() is not None:
            raise RuntimeError(f"the server ended with status {self._process.returncode}:\n{self.log}")
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        with closing(connection), suppress(OSError, HTTPException):
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        return False


class CommandProcess(GatewayProcess):
    """The same, started by its command: for tests of the command itself, and for measuring."""

    def _begin(self, log: Path) -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            return subprocess.Popen(self._command(), env=self._env, stdout=output, stderr=output)

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "aigateway", "server", *self._args]


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
