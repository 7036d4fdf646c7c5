"""The login that `aigateway login` keeps: two files that only their owner can read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import click


@dataclass(frozen=True, slots=True)
class StoredLogin:
    """A gateway and the token for it."""

    url: str
    token: str


def folder() -> Path:
    """`$XDG_CONFIG_HOME/aigateway`, or `~/.config/aigateway`."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "aigateway"


def load() -> StoredLogin | None:
    """The kept login; None when there is none."""
    try:
        url, token = ((folder() / name).read_text("utf-8").strip() for name in ("url", "session"))
    except (OSError, UnicodeDecodeError):
        return None
    return StoredLogin(url, token) if url and token else None


def save(login: StoredLogin) -> None:
    """Keep a login, in place of the one before.

    Raises:
        click.ClickException: the files cannot be written.
    """
    try:
        folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(folder() / "session", login.token)
        _write(folder() / "url", login.url)
    except OSError as error:
        raise click.ClickException(
            f"The login cannot be kept in {folder()}: {error.strerror}. "
            "Set XDG_CONFIG_HOME to a folder that you can write to."
        ) from None


def forget() -> None:
    """Remove the kept login, if there is one."""
    for name in ("session", "url"):
        (folder() / name).unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    """Replace a file at once, so that a crash leaves the old or the new one and no other can read either."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(f"{text}\n")
    fresh.replace(path)
