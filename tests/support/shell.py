"""Shell blocks of documentation, run as they are printed: `coder` and `aigateway` are the installed scripts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.support.server import CommandProcess

SCRIPTS = Path(sys.executable).parent
BASH = shutil.which("bash") or "bash"
_BLOCK = re.compile(r"(?:<!-- test: (?P<test>[\w ,.:'-]+) -->\n)?```sh\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A block of a page, and what the page tells the test about it."""

    test: str
    """The comment above the block; empty for none."""
    text: str


def blocks(page: Path) -> list[Block]:
    """Every shell block of a Markdown page, in order."""
    return [Block(found["test"] or "", found["text"]) for found in _BLOCK.finditer(page.read_text("utf-8"))]


def environment(home: Path, env: Mapping[str, str] | None = None) -> dict[str, str]:
    """All that a block sees of this machine: the scripts, a home of its own, and `env`."""
    return {"PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}", "HOME": str(home), **(env or {})}


def run(
    block: str, home: Path, env: Mapping[str, str] | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a block to its end."""
    done = subprocess.run(
        [BASH, "-euc", block],
        env=environment(home, env),
        cwd=home,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


class PrintedServer(CommandProcess):
    """A server that a block starts with its last command, `coder server …` or `aigateway server …`.

    Beside what the block exports, it gets a port and a folder of its own; nothing else, unless in `env`.
    """

    def __init__(
        self,
        block: str,
        folder: Path,
        env: Mapping[str, str] | None = None,
        *,
        port: int | None = None,
        empty: bool = False,
    ) -> None:
        super().__init__(folder, env or {}, port=port, empty=empty)
        self._block = block
        self._env |= environment(folder)
        if "CODER_AI_GATEWAY_ENABLED" not in (env or {}):
            del self._env["CODER_AI_GATEWAY_ENABLED"]

    def _command(self) -> list[str]:
        # The shell becomes the server, so that signals reach it.
        become = f'coder() {{ exec "{SCRIPTS}/coder" "$@"; }}; aigateway() {{ exec "{SCRIPTS}/aigateway" "$@"; }}\n'
        return [BASH, "-euc", become + self._block]
