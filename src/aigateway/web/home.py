"""The first page: what went on, and what needs attention."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aigateway.accounts import roles
from aigateway.accounts.roles import Permission
from aigateway.store.activity import Activity, activity
from aigateway.store.times import rfc3339
from aigateway.web import wording
from aigateway.web.rendering import Renderer
from aigateway.web.site import Notice, Site


@dataclass(frozen=True, slots=True)
class _Span:
    """A time that the page can show."""

    label: str
    step: timedelta
    steps: int


_SPANS = {
    "24h": _Span("24 hours", timedelta(hours=1), 24),
    "7d": _Span("7 days", timedelta(hours=6), 28),
    "30d": _Span("30 days", timedelta(days=1), 30),
}


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a chart, in parts of a hundred of its height."""

    x: float
    width: float
    height: float
    start: datetime
    value: int


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure, and how it went."""

    title: str
    total: int
    said: str
    """The same in words."""
    bars: list[Bar]
    bad: bool = False
    """Whether more of it is worse."""


def routes(site: Site, renderer: Renderer) -> list[Route]:
    """The pages."""

    async def show(request: Request) -> Response:
        actor = request.state.actor
        asked = request.query_params.get("range", "24h")
        span_name = asked if asked in _SPANS else "24h"
        span = _SPANS[span_name]
        sees_all = roles.allows(actor.roles, Permission.READ_ALL_INTERCEPTIONS)
        found = await site.store.read(
            activity,
            visible_to=None if sees_all else actor.user_id,
            since=_start(renderer.clock(), span),
            step=span.step,
            steps=span.steps,
        )
        watches = roles.allows(actor.roles, Permission.READ_SERVER_STATE)
        notices = await site.notices() if watches else []
        return renderer.answer(
            request,
            "home",
            lambda: _twin(found, notices),
            activity=found,
            charts=_charts(found),
            notices=notices,
            watches=watches,
            sees_all=sees_all,
            spans=_SPANS,
            span_name=span_name,
            step=span.step,
        )

    return [Route("/", show, methods=["GET"])]


def _start(now: datetime, span: _Span) -> datetime:
    """So that the last bucket is the running one, and each begins at a round time."""
    step = int(span.step.total_seconds())
    running = int(now.timestamp()) // step * step
    return datetime.fromtimestamp(running, now.tzinfo) - span.step * (span.steps - 1)


def _charts(found: Activity) -> list[Chart]:
    buckets = found.buckets
    tokens = [bucket.input_tokens + bucket.output_tokens for bucket in buckets]
    starts = [bucket.start for bucket in buckets]
    return [
        _chart("Requests", found.requests, starts, [bucket.requests for bucket in buckets]),
        _chart("Tokens", sum(tokens), starts, tokens),
        _chart("People", found.people, starts, [bucket.people for bucket in buckets]),
        _chart("Failures", found.failures, starts, [bucket.failures for bucket in buckets], bad=True),
    ]


def _chart(title: str, total: int, starts: list[datetime], values: list[int], *, bad: bool = False) -> Chart:
    most = max(values)
    peak = f", most of them from {wording.moment(starts[values.index(most)])} on: {most:,}" if most else ""
    return Chart(title, total, f"{title}: {total:,}{peak}", _bars(starts, values), bad)


def _bars(starts: list[datetime], values: list[int]) -> list[Bar]:
    highest = max(values, default=0) or 1
    width = 100 / len(values)
    # What is not nothing is seen: a bar has at least two parts of a hundred.
    heights = [max(value / highest * 100, 2) if value else 0 for value in values]
    return [
        Bar(round(place * width, 2), round(width * 0.8, 2), round(height, 2), start, value)
        for place, (start, value, height) in enumerate(zip(starts, values, heights, strict=True))
    ]


def _twin(found: Activity, notices: list[Notice]) -> dict[str, Any]:
    buckets = [asdict(bucket) | {"start": rfc3339(bucket.start)} for bucket in found.buckets]
    tops = {name: [asdict(top) for top in getattr(found, name)] for name in ("models", "clients", "persons")}
    totals = {
        name: getattr(found, name)
        for name in ("requests", "failures", "people", "input_tokens", "output_tokens", "hours_left_out")
    }
    return {**totals, "buckets": buckets, **tops, "notices": [asdict(notice) for notice in notices]}
