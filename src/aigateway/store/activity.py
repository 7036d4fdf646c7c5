"""What went on in a time, in figures: for the first page that people see."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, case, func, literal, null, select, union_all

from aigateway.store import activity_sums
from aigateway.store.activity_sums import FIGURES, HOUR, total
from aigateway.store.tables import activity_figures, users
from aigateway.store.types import Uuid36

_SHOWN_AT_THE_TOP = 5
_LOOKED_UP = 100
"""Of those who asked most: some may not be known any more."""
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
    people: list[int]
    """How many there were in each bucket, apart from those in `others`."""
    others: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Those of buckets whose hours are not all summed up: they are met in several hours."""
    persons: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    clients: Counter[str] = field(default_factory=Counter)

    def in_bucket(self, place: int, figures: Sequence[int]) -> None:
        """Count what was done in a bucket."""
        self.figures[place] = [before + more for before, more in zip(self.figures[place], figures, strict=True)]

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
    read = others[:_READ_AT_MOST]
    tally = _Tally([[0] * len(FIGURES) for _ in range(steps)], [0] * steps)
    edges = [since + step * place for place in range(steps + 1)]
    _count_sums(connection, tally, visible_to, edges, {(hour - since) // step for hour in read})
    for first, end in _runs(read):
        for hour, person, model, client, *figures in connection.execute(activity_sums.read(first, end, visible_to)):
            place = (hour - since) // step
            tally.in_bucket(place, figures)
            tally.others[place].add(person)
            tally.persons[person] += figures[0]
            tally.by_use(model, client, figures[0])
    return Activity(
        buckets=[
            Bucket(start, people=people + len(tally.others[place]), **dict(zip(FIGURES, figures, strict=True)))
            for place, (start, figures, people) in enumerate(zip(edges, tally.figures, tally.people, strict=False))
        ],
        people=len(tally.persons),
        models=_top(tally.models),
        clients=_top(tally.clients),
        persons=_top(_by_username(connection, tally.persons)),
        hours_left_out=len(others) - len(read),
    )


def _count_sums(
    connection: Connection, tally: _Tally, visible_to: str | None, edges: Sequence[datetime], mixed: Collection[int]
) -> None:
    """Count the hours that are summed up: added up by the database, since Python takes longer over each row.

    Args:
        connection: a transaction.
        tally: takes the figures.
        visible_to: as in `activity`.
        edges: where the buckets begin, and the end of the last.
        mixed: buckets of which other hours are read besides, so that who was in them has to be known.
    """
    column = activity_figures.c
    meant = [column.hour >= edges[0], column.hour < edges[-1]]
    if visible_to is not None:
        meant.append(column.initiator_id == visible_to)
    placed = select(_place(edges), column.initiator_id, *(column[name] for name in FIGURES)).where(*meant).subquery()
    key = (placed.c.place, placed.c.initiator_id)
    of_person = (
        select(*key, *(total(placed.c[name]).label(name) for name in FIGURES)).group_by(*key).cte("of_person")
    ).c
    nobody, nowhere = null().cast(Uuid36), literal(-1)
    figures = [total(of_person[name]) for name in FIGURES]
    # One statement, so that each row is placed once.
    query = union_all(
        select(of_person.place, nobody, func.count(), *figures).group_by(of_person.place),
        select(nowhere, of_person.initiator_id, func.count(), *figures).group_by(of_person.initiator_id),
        select(of_person.place, of_person.initiator_id, literal(0), *(literal(0) for _ in FIGURES)).where(
            of_person.place.in_(sorted(mixed))
        ),
    )
    for place, person, people, *counted in connection.execute(query).all():
        if person is None:
            tally.in_bucket(place, counted)
            tally.people[place] = 0 if place in mixed else people
        elif place < 0:
            tally.persons[person] += counted[0]
        else:
            tally.others[place].add(person)
    used = (column.model, column.client)
    for row in connection.execute(select(*used, total(column.requests)).where(*meant).group_by(*used)):
        tally.by_use(*row)


def _place(edges: Sequence[datetime]) -> ColumnElement[int]:
    """Which bucket an hour is in. Both databases understand it, unlike each other's words for parts of a time."""

    def among(first: int, end: int) -> ColumnElement[int]:
        if end - first == 1:
            return literal(first)
        middle = (first + end) // 2
        return case((activity_figures.c.hour < edges[middle], among(first, middle)), else_=among(middle, end))

    return among(0, len(edges) - 1).label("place")


def _runs(hours: Iterable[datetime]) -> list[tuple[datetime, datetime]]:
    """The times that these hours, newest first, make up: one each for those that follow each other."""
    runs: list[tuple[datetime, datetime]] = []
    for hour in hours:
        if runs and runs[-1][0] == hour + HOUR:
            runs[-1] = (hour, runs[-1][1])
        else:
            runs.append((hour, hour + HOUR))
    return runs


def _by_username(connection: Connection, persons: Counter[str]) -> Counter[str]:
    """Those who asked most, by name; whom nobody knows any more is left out."""
    found = Counter[str]()
    most = dict(persons.most_common(_LOOKED_UP))
    for row in connection.execute(select(users.c.id, users.c.username).where(users.c.id.in_(most))):
        found[row.username] += most[row.id]
    return found


def _top(counted: Mapping[str, int]) -> list[Top]:
    ordered = sorted(counted.items(), key=lambda one: (-one[1], one[0]))
    return [Top(name, requests) for name, requests in ordered[:_SHOWN_AT_THE_TOP]]
