"""What went on in a time, in figures: for the first page that people see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, select

from aigateway.store import activity_sums
from aigateway.store.activity_sums import FIGURES, HOUR
from aigateway.store.session_index import chunks
from aigateway.store.tables import activity_figures, users

_SHOWN_AT_THE_TOP = 5
_READ_AT_MOST = 26
"""Hours whose requests are read because they are not summed up: a day, and those that are never summed up yet."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A part of the time."""

    start: datetime
    requests: int = 0
    failures: int = 0
    people: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Top:
    """Something that was used, and in how many requests."""

    name: str
    requests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """The figures of a time. Interceptions that have not ended do not count."""

    buckets: list[Bucket]
    """Oldest first, without gaps."""
    people: int
    models: list[Top]
    clients: list[Top]
    persons: list[Top]
    """By username."""
    hours_left_out: int = 0
    """The older hours that are not summed up yet, and too many to be read: nothing of them counts."""

    @property
    def requests(self) -> int:
        """Of all buckets."""
        return sum(bucket.requests for bucket in self.buckets)

    @property
    def failures(self) -> int:
        """Of all buckets."""
        return sum(bucket.failures for bucket in self.buckets)

    @property
    def input_tokens(self) -> int:
        """Of all buckets."""
        return sum(bucket.input_tokens for bucket in self.buckets)

    @property
    def output_tokens(self) -> int:
        """Of all buckets."""
        return sum(bucket.output_tokens for bucket in self.buckets)


class _Row(NamedTuple):
    """What somebody did in a part of the time."""

    hour: datetime
    initiator_id: str
    model: str
    client: str
    requests: int
    failures: int
    input_tokens: int
    output_tokens: int


def activity(
    connection: Connection, *, visible_to: str | None, since: datetime, step: timedelta, steps: int
) -> Activity:
    """The figures of `steps` times `step` from `since` on.

    Past hours come from their sums (`store.activity_sums`), the others are read.

    Args:
        connection: a transaction.
        visible_to: the one user whose interceptions count; None for everybody's.
        since: the start of the first bucket, a full hour.
        step: how long a bucket is: full hours.
        steps: how many there are.
    """
    until = since + step * steps
    summed = set(activity_sums.known(connection, since, until))
    others = [hour for back in range(1, (until - since) // HOUR + 1) if (hour := until - HOUR * back) not in summed]
    counts, people = [Counter[str]() for _ in range(steps)], [set[str]() for _ in range(steps)]
    models, clients, persons = Counter[str](), Counter[str](), Counter[str]()
    for row in _rows(connection, visible_to, since, until, others[:_READ_AT_MOST]):
        place = (row.hour - since) // step
        for name in FIGURES:
            counts[place][name] += int(getattr(row, name))
        people[place].add(row.initiator_id)
        models[row.model] += row.requests
        clients[row.client] += row.requests
        persons[row.initiator_id] += row.requests
    return Activity(
        buckets=[
            Bucket(since + step * place, people=len(people[place]), **{name: counts[place][name] for name in FIGURES})
            for place in range(steps)
        ],
        people=len(persons),
        models=_top(models),
        clients=_top(clients),
        persons=_top(_by_username(connection, persons)),
        hours_left_out=len(others[_READ_AT_MOST:]),
    )


def _rows(
    connection: Connection, visible_to: str | None, since: datetime, until: datetime, others: list[datetime]
) -> Iterator[_Row]:
    """What the sums say, and what is read of the `others` (newest first)."""
    column = activity_figures.c
    query = select(activity_figures).where(column.hour >= since, column.hour < until)
    if visible_to is not None:
        query = query.where(column.initiator_id == visible_to)
    yield from map(_Row._make, connection.execute(query))
    for first, end in _runs(others):
        yield from map(_Row._make, connection.execute(activity_sums.read(first, end, visible_to)))


def _runs(hours: Iterable[datetime]) -> list[tuple[datetime, datetime]]:
    """The times that these hours, newest first, make up: one each for those that follow each other."""
    runs: list[tuple[datetime, datetime]] = []
    for hour in hours:
        if runs and runs[-1][0] == hour + HOUR:
            runs[-1] = (hour, runs[-1][1])
        else:
            runs.append((hour, hour + HOUR))
    return runs


def _by_username(connection: Connection, persons: Mapping[str, int]) -> Counter[str]:
    found = Counter[str]()
    for some in chunks(list(persons)):
        for row in connection.execute(select(users.c.id, users.c.username).where(users.c.id.in_(some))):
            found[row.username] += persons[row.id]
    return found


def _top(counted: Mapping[str, int]) -> list[Top]:
    ordered = sorted(counted.items(), key=lambda one: (-one[1], one[0]))
    return [Top(name, int(requests)) for name, requests in ordered[:_SHOWN_AT_THE_TOP]]
