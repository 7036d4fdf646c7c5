"""What went on in a time, in figures: for the first page that people see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, case, func, select

from aigateway.store import activity_sums
from aigateway.store.activity_sums import FIGURES, HOUR, total
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


@dataclass(slots=True)
class _Tally:
    """What is counted together."""

    figures: list[list[int]]
    """Of each bucket, in the order of `FIGURES`."""
    people: list[set[str]]
    persons: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    clients: Counter[str] = field(default_factory=Counter)

    def by_person(self, place: int, person: str, figures: Sequence[int]) -> None:
        """Count what somebody did in a bucket."""
        self.figures[place] = [before + more for before, more in zip(self.figures[place], figures, strict=True)]
        self.people[place].add(person)
        self.persons[person] += figures[0]

    def by_use(self, model: str, client: str, requests: int) -> None:
        """Count what was used."""
        self.models[model] += requests
        self.clients[client] += requests


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
    tally = _Tally([[0] * len(FIGURES) for _ in range(steps)], [set() for _ in range(steps)])
    _count_sums(connection, tally, visible_to, [since + step * place for place in range(steps + 1)])
    for first, end in _runs(others[:_READ_AT_MOST]):
        for hour, person, model, client, *figures in connection.execute(activity_sums.read(first, end, visible_to)):
            tally.by_person((hour - since) // step, person, figures)
            tally.by_use(model, client, figures[0])
    return Activity(
        buckets=[
            Bucket(since + step * place, people=len(people), **dict(zip(FIGURES, figures, strict=True)))
            for place, (figures, people) in enumerate(zip(tally.figures, tally.people, strict=True))
        ],
        people=len(tally.persons),
        models=_top(tally.models),
        clients=_top(tally.clients),
        persons=_top(_by_username(connection, tally.persons)),
        hours_left_out=len(others[_READ_AT_MOST:]),
    )


def _count_sums(connection: Connection, tally: _Tally, visible_to: str | None, edges: Sequence[datetime]) -> None:
    """Count the hours that are summed up: added up by the database, since Python takes longer over each row."""
    column = activity_figures.c
    meant = [column.hour >= edges[0], column.hour < edges[-1]]
    if visible_to is not None:
        meant.append(column.initiator_id == visible_to)
    of_person = select(_place(edges), column.initiator_id, *(column[name] for name in FIGURES)).where(*meant).subquery()
    key = (of_person.c.place, of_person.c.initiator_id)
    query = select(*key, *(total(of_person.c[name]) for name in FIGURES)).group_by(*key)
    for place, person, *figures in connection.execute(query):
        tally.by_person(place, person, figures)
    used = (column.model, column.client)
    for row in connection.execute(select(*used, total(column.requests)).where(*meant).group_by(*used)):
        tally.by_use(*row)


def _place(edges: Sequence[datetime]) -> ColumnElement[int]:
    """Which bucket an hour is in. Both databases understand it, unlike each other's words for parts of a time."""
    ends = [(activity_figures.c.hour < end, place) for place, end in enumerate(edges[1:-1])]
    last = len(edges) - 2
    return case(*ends, else_=last).label("place") if ends else func.abs(last).label("place")


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
    return [Top(name, requests) for name, requests in ordered[:_SHOWN_AT_THE_TOP]]
