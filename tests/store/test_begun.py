"""When sessions began, in steps of time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from aigateway.store import sessions
from aigateway.store.ingest import apply
from aigateway.store.interceptions import InterceptionFilter
from aigateway.store.records import InterceptionEnd, InterceptionStart
from aigateway.store.times import rfc3339

ANN, BOB = (f"00000000-0000-0000-0000-00000000000{number}" for number in (1, 2))
HOUR = timedelta(hours=1)


def session(number, user, moment, model="sim"):
    ident = f"10000000-0000-0000-0000-00000000000{number}"
    yield InterceptionStart(
        interception_id=ident,
        initiator_id=user,
        provider="openai",
        provider_name="openai",
        model=model,
        client="Codex",
        client_session_id=f"s-{number}",
        credential_kind="centralized",
        credential_hint="",
        streaming=False,
        request_bytes=1,
        started_at=rfc3339(moment),
    )
    yield InterceptionEnd(interception_id=ident, ended_at=rfc3339(moment + timedelta(seconds=1)), status_code=200)


async def test_sessions_are_counted_by_the_step_they_began_in(store):
    noon = datetime(2026, 1, 2, 12, tzinfo=UTC)
    told = [(ANN, 0), (ANN, 59.99), (ANN, 60), (BOB, 61), (ANN, 600)]
    rows = [
        row
        for number, (user, minutes) in enumerate(told, 1)
        for row in session(number, user, noon + timedelta(minutes=minutes), "other" if number == 5 else "sim")
    ]
    await store.write(apply, rows)

    async def begun(step=HOUR, **wanted):
        return await store.read(sessions.begun, InterceptionFilter(**{"visible_to": None} | wanted), step)

    assert await begun() == {noon: 2, noon + HOUR: 2, noon + 10 * HOUR: 1}
    assert await begun(visible_to=BOB) == {noon + HOUR: 1}
    assert await begun(model="sim") == {noon: 2, noon + HOUR: 2}
    assert await begun(started_after=noon + HOUR) == {noon + HOUR: 2, noon + 10 * HOUR: 1}
    assert await begun(timedelta(days=1)) == {noon.replace(hour=0): 5}
    assert await begun(visible_to="00000000-0000-0000-0000-000000000009") == {}
