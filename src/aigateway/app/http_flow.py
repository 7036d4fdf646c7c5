"""Back-pressure on a client's connection: uvicorn's, without an event for each that never has to wait."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.flow_control import FlowControl


class Flow(FlowControl):
    """Makes the event that a slow client is waited for with only when there is one."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.read_paused = False
        self.write_paused = False
        self._writable: asyncio.Event | None = None

    async def drain(self) -> None:
        """Wait until more may be written."""
        if self.write_paused:
            if self._writable is None:
                self._writable = asyncio.Event()
            await self._writable.wait()

    def pause_writing(self) -> None:
        """The client does not take what was written."""
        self.write_paused = True

    def resume_writing(self) -> None:
        """It has taken it, or is gone."""
        self.write_paused = False
        waiting, self._writable = self._writable, None
        if waiting is not None:
            waiting.set()
