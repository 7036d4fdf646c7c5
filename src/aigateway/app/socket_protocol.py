"""A client's WebSocket under uvicorn: uvicorn's protocol on `websockets`, made to wait for its last turn."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

_FAREWELL_SECONDS = 3.0
"""How long to wait for a client's farewell after ours."""


class SocketProtocol(WebSocketsSansIOProtocol):
    """One client's connection, from its upgrade on."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.close_timeout = _FAREWELL_SECONDS
        # What is in the messages stays out of the log, at any level.
        self.conn.debug = False

    def shutdown(self) -> None:
        """A stopping server leaves an open socket to the application, which closes it after its last turn."""
        if self.close_sent or not self.handshake_initiated:
            super().shutdown()
