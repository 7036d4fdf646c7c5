"""How records get from a journal into the store, for a running server and for `aigateway journal ship`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

from aigateway.audit.adoption import Adopted, adopt
from aigateway.audit.journal import Journal
from aigateway.audit.journals import Journals
from aigateway.audit.shipper import Shipper
from aigateway.audit.structured_log import StructuredLog
from aigateway.settings.model import Settings
from aigateway.store.beginnings import beginnings
from aigateway.store.engine import Store
from aigateway.store.ingest import apply
from aigateway.store.records import AnyRecord

_LONGEST_SECONDS = 24 * 3600.0


def journal_folder(data_dir: Path) -> Path:
    """Where the journals of all processes are."""
    return data_dir / "journal"


def shippers(store: Store, *, logs: bool) -> Callable[[Journal], Shipper]:
    """What makes the shipper of a journal; `logs` is whether records go to the log as well."""

    def into_store(records: Sequence[AnyRecord]) -> Awaitable[None]:
        return store.write(apply, records)

    if not logs:
        return lambda journal: Shipper(journal, into_store)
    # Each journal counts its entries from one, so each has a log that knows how far it is.
    return lambda journal: Shipper(journal, into_store, StructuredLog(lambda ids: store.read(beginnings, ids)).write)


async def ship_all(settings: Settings, store: Store) -> AsyncIterator[Adopted]:
    """Ship each journal that nobody holds; tells of each when it is over.

    Raises:
        JournalUnavailable: the folder of the journals cannot be used.

    """
    make_shipper = shippers(store, logs=settings.gateway.structured_logging)
    for claim in Journals(journal_folder(settings.data_dir)).orphans():
        yield await adopt(claim, make_shipper, within_seconds=_LONGEST_SECONDS)
