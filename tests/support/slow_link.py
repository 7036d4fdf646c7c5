"""A network between two programs that is slow, as a test wants it."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import Self


class SlowLink:
    """`with SlowLink(port) as link:` relays connections to `link.port` to a port of this machine.

    What clients send arrives `link.delay` seconds later, in order; answers come at once.
    """

    def __init__(self, target: int, delay: float = 0.0) -> None:
        self.delay = delay
        self.port = 0
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _open(self) -> int:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def _close(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _relay(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.CancelledError):
            server, to_server = await asyncio.open_connection("127.0.0.1", self._target)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pipe(client, to_server, slow=True))
                both.create_task(self._pipe(server, to_client, slow=False))
        to_client.close()

    async def _pipe(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, slow: bool) -> None:
        with suppress(OSError):
            while piece := await source.read(1 << 16):
                if slow:
                    await asyncio.sleep(self.delay)
                sink.write(piece)
                await sink.drain()
        sink.close()
