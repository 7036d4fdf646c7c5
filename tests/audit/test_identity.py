from __future__ import annotations

import os
import time
from uuid import RFC_4122, UUID

from aigateway.audit import clock, identity
from aigateway.audit.identity import new_id


def test_ids_are_uuids_of_version_7_and_all_different():
    made = [new_id() for _ in range(20_000)]
    assert len(set(made)) == len(made)
    for one in made[:500]:
        assert str(UUID(one)) == one
        assert (UUID(one).version, UUID(one).variant) == (7, RFC_4122)


def test_a_forked_process_makes_other_ids():
    """Both went on with the same random part and the same number."""
    new_id()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, "".join(new_id() for _ in range(100)).encode())
        os._exit(0)
    mine = {new_id() for _ in range(100)}
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading, "r") as pipe:
        text = pipe.read()
    theirs = {text[at : at + 36] for at in range(0, len(text), 36)}
    assert len(theirs) == 100
    assert not mine & theirs


def test_ids_of_one_moment_differ_and_ids_of_later_moments_sort_behind(monkeypatch):
    class Stopped:
        milliseconds = 1_700_000_000_000

        def time_ns(self):
            return self.milliseconds * 1_000_000

    stopped = Stopped()
    monkeypatch.setattr(identity, "time", stopped)
    early = [new_id() for _ in range(1000)]
    assert len(set(early)) == 1000
    stopped.milliseconds += 1
    assert max(early) < new_id()
    assert UUID(early[0]).int >> 80 == 1_700_000_000_000


def test_the_time_of_day_is_text_of_one_width(monkeypatch):
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_000_001_999)
    assert clock.now() == "2023-11-14T22:13:20.000001Z"
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_001_999_999_999)
    assert clock.now() == "2023-11-14T22:13:21.999999Z"
