"""How records get from a journal into the store, for a running server and for `aigateway journal ship`."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from uuid import UUID

from aigateway.app.datadir import DataDirError
from aigateway.audit.adoption import Adopted, adopt
from aigateway.audit.identity import new_id
from aigateway.audit.journal import Journal
from aigateway.audit.journals import Journals
from aigateway.audit.shipper import Shipper
from aigateway.audit.structured_log import StructuredLog
from aigateway.settings.model import Settings
from aigateway.store.beginnings import beginnings
from aigateway.store.chain import Chain
from aigateway.store.engine import Store
from aigateway.store.ingest import apply
from aigateway.store.records import AnyRecord

_LONGEST_SECONDS = 24 * 3600.0


def journal_folder(data_dir: Path) -> Path:
    """Where the journals of all processes are."""
    return data_dir / "journal"


def own_chain(data_dir: Path) -> Chain:
    """The hash chain of what is shipped from this data directory; its id is kept there, in `chain`.

    Raises:
        DataDirError: it cannot be read or written.

    """
    path = data_dir / "chain"
    try:
        if not path.exists():
            with NamedTemporaryFile("w", dir=data_dir, encoding="ascii") as new:
                new.write(f"{new_id()}\n")
                new.flush()
                with suppress(FileExistsError):  # Another worker was quicker.
                    os.link(new.name, path)
        return Chain(str(UUID(path.read_text("ascii").strip())), socket.gethostname())
    except (OSError, ValueError) as error:
        raise DataDirError(
            f"--data-dir (CODER_AI_GATEWAY_DATA_DIR): {path} holds no id of a hash chain ({error}). "
            "Put it back from a backup, or remove it to begin a new chain."
        ) from error


def shippers(store: Store, chain: Chain, *, logs: bool) -> Callable[[Journal], Shipper]:
    """What makes the shipper of a journal; `logs` is whether records go to the log as well."""

    def into_store(records: Sequence[AnyRecord]) -> Awaitable[None]:
        return store.write(apply, records, chain)

    if not logs:
        return lambda journal: Shipper(journal, into_store)
    # Each journal counts its entries from one, so each has a log that knows how far it is.
    return lambda journal: Shipper(journal, into_store, StructuredLog(lambda ids: store.read(beginnings, ids)).write)


async def ship_all(settings: Settings, store: Store) -> AsyncIterator[Adopted]:
    """Ship each journal that nobody holds; tells of each when it is over.

    Raises:
        JournalUnavailable: the folder of the journals cannot be used.

    """
    make_shipper = shippers(store, own_chain(settings.data_dir), logs=settings.gateway.structured_logging)
    for claim in Journals(journal_folder(settings.data_dir)).orphans():
        yield await adopt(claim, make_shipper, within_seconds=_LONGEST_SECONDS)
