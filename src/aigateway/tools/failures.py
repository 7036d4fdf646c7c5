"""Why a server could not be used."""

from __future__ import annotations

_FORBIDDEN = frozenset({401, 403})


class ServerFailed(Exception):
    """A server did not do what was asked. The sentence may be shown to people and models."""

    def __init__(self, sentence: str, *, status: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        """The HTTP status, where that is why."""

    @property
    def forbids(self) -> bool:
        """Whether the credential is why, so that what was offered before is not to be had any more."""
        return self.status in _FORBIDDEN


class NotLinked(ServerFailed):
    """A person has no account at the server that can be used now."""

    @property
    def forbids(self) -> bool:
        """Nothing is to be had without one."""
        return True
