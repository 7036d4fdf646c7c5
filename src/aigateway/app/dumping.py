"""API dumps for as long as the server runs, where the operator wants them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aigateway.audit.dumps.dumps import Dumps
from aigateway.settings.model import GatewaySettings
from aigateway.telemetry.logging import get_logger

_log = get_logger("dumps")


@asynccontextmanager
async def dumping(settings: GatewaySettings) -> AsyncIterator[Dumps | None]:
    """The folder of dumps, open; None without `--ai-gateway-dump-dir`.

    Raises:
        DumpDirUnusable: the folder cannot be made or written.

    """
    if settings.dump_dir is None:
        yield None
        return
    dumps = Dumps(
        settings.dump_dir, max_file_size=settings.dump_max_file_size, max_total_size=settings.dump_max_total_size
    )
    dumps.start()
    _log.warning("every request and answer is dumped: prompts and answers are on the disk", folder=str(dumps.folder))
    try:
        yield dumps
    finally:
        await dumps.close()
