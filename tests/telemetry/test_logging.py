import json
import logging
import os
import re
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from aigateway.settings.secret import Secret
from aigateway.telemetry.logging import configure, flush, get_logger, lost, reopen


@pytest.fixture
def log(tmp_path):
    """Both forms in files; what was set before is restored."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield Log(tmp_path)
    configure(human="/dev/stderr", json="")
    logging.captureWarnings(capture=False)
    root.handlers[:], root.level = before


class Log:
    def __init__(self, folder):
        self.human_path, self.json_path = folder / "human", folder / "json"

    def configure(self, *, human=True, json=True, debug=()):
        patterns = [re.compile(pattern) for pattern in debug]
        configure(human=str(self.human_path) if human else "", json=str(self.json_path) if json else "", debug=patterns)

    @property
    def human(self):
        flush()
        return self.human_path.read_text().splitlines()

    @property
    def json(self):
        flush()
        return [json.loads(line) for line in self.json_path.read_text().splitlines()]


def test_both_forms_at_once(log):
    log.configure()
    get_logger("gateway.upstream").warning("key cools down", provider="openai", status=429)
    (line,) = log.json
    assert {key: line[key] for key in ("level", "msg", "func", "logger_names", "fields")} == {
        "level": "WARN",
        "msg": "key cools down",
        "func": "test_both_forms_at_once",
        "logger_names": ["gateway", "upstream"],
        "fields": {"provider": "openai", "status": 429},
    }
    assert re.fullmatch(r"telemetry/test_logging\.py:\d+", line["caller"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", line["ts"])
    assert len(log.human) == 1
    assert log.human[0].endswith("[warn]  gateway.upstream: key cools down  provider=openai status=429")


def test_both_forms_at_one_destination_do_not_mix(log):
    configure(human=str(log.human_path), json=str(log.human_path))
    for number in range(200):
        get_logger("a").info("long", number=number, text="x" * 10_000)
    lines = log.human
    assert [json.loads(line)["fields"]["number"] for line in lines[1::2]] == list(range(200))
    assert all("] " in line and line.endswith("x") for line in lines[::2])


def test_either_form_alone(log):
    log.configure(human=False)
    get_logger("a").info("x")
    assert (len(log.json), log.human_path.exists()) == (1, False)
    log.configure(json=False)
    get_logger("a").info("y")
    assert (len(log.json), len(log.human)) == (1, 1)


def test_a_logger_made_before_the_settings_are_known_follows_them(log):
    early = get_logger("early")
    log.configure()
    early.info("first")
    log.configure(human=False)
    early.info("second")
    assert [line["msg"] for line in log.json] == ["first", "second"]
    assert len(log.human) == 1


def test_debug_entries_are_written_when_the_filter_selects_them(log):
    log.configure(debug=["^gateway: cut", "audit"])
    get_logger("gateway").debug("cut short")
    get_logger("gateway").debug("other")
    get_logger("audit.journal").debug("commit")
    logging.getLogger("audit.library").debug("from a library")
    logging.getLogger("library").debug("not selected")
    assert [line["msg"] for line in log.json] == ["cut short", "commit", "from a library"]
    assert {line["level"] for line in log.json} == {"DEBUG"}


def test_without_a_filter_there_are_no_debug_entries(log):
    log.configure()
    get_logger("a").debug("no")
    logging.getLogger("b").debug("no")
    get_logger("a").info("yes")
    assert [line["msg"] for line in log.json] == ["yes"]


def test_debug_entries_never_repeat_what_is_stored(log):
    log.configure(debug=[".*"])
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        connection.execute(text("select :prompt"), {"prompt": "a prompt"})
    engine.dispose()
    flush()
    assert "a prompt" not in log.human_path.read_text()


def test_libraries_go_the_same_way(log):
    log.configure()
    logging.getLogger("some.library").info("Started %s", "server\nforged")
    logging.getLogger("some.library").warning("wrong format %d", "x")
    first, second = log.json
    assert first["msg"] == "Started server\nforged"
    assert first["logger_names"] == ["some", "library"]
    assert first["func"] == "test_libraries_go_the_same_way"
    assert (second["msg"], second["level"]) == ("wrong format %d", "WARN")
    assert log.human[0].endswith(r"[info]  some.library: Started server\nforged")


def test_python_warnings_are_logged(log):
    log.configure()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        log.configure()
        warnings.warn("old thing", DeprecationWarning, stacklevel=1)
        logging.captureWarnings(capture=False)
    assert "DeprecationWarning: old thing" in log.json[0]["msg"]


def test_an_exception_is_told_with_its_stack(log):
    log.configure()
    try:
        int("it\nbroke")
    except ValueError:
        get_logger("a").exception("failed", id=1)
        logging.getLogger("b").exception("failed too")
    ours, theirs = log.json
    assert ours["level"] == "ERROR"
    assert ours["fields"]["id"] == 1
    assert ours["fields"]["error"] == theirs["fields"]["error"]
    assert ours["fields"]["error"].startswith("ValueError: invalid literal")
    assert ours["fields"]["stack"].startswith("Traceback (most recent call last):\n")
    assert all(line.startswith(("  ", "20")) for line in log.human)


def test_a_secret_is_never_written(log):
    log.configure()
    get_logger("a").info(
        "start", key=Secret("sk-very-secret-value-indeed"), keys=[Secret("sk-very-secret-value-indeed")]
    )
    flush()
    written = log.human_path.read_text() + log.json_path.read_text()
    assert "sk-v...deed" in written
    assert "very-secret" not in written


def test_a_destination_that_cannot_be_opened_leaves_the_log_as_it_was(log, tmp_path):
    log.configure()
    with pytest.raises(FileNotFoundError) as caught:
        configure(human="", json=str(tmp_path / "none" / "log"))
    assert caught.value.filename == str(tmp_path / "none" / "log")
    get_logger("a").info("still here")
    assert [line["msg"] for line in log.json] == ["still here"]


def test_google_clouds_form(log, tmp_path):
    path = tmp_path / "stackdriver"
    configure(human="", json="", stackdriver=str(path))
    get_logger("a.b").warning("key cools down", severity="DEBUG", message="forged")
    flush()
    line = json.loads(path.read_text())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", line.pop("time"))
    place = line.pop("logging.googleapis.com/sourceLocation")
    assert (place["file"], place["function"]) == ("telemetry/test_logging.py", "test_google_clouds_form")
    assert line == {
        "severity": "WARNING",
        "message": "key cools down",
        "logger_names": ["a", "b"],
        "fields": {"severity": "DEBUG", "message": "forged"},
    }


def test_libraries_that_tell_no_news_are_heard_when_they_warn_or_are_asked_for(log):
    log.configure()
    logging.getLogger("uvicorn.error").info("no")
    logging.getLogger("alembic.runtime.plugins").info("no")
    logging.getLogger("uvicorn.error").warning("yes")
    log.configure(debug=["nothing"])
    logging.getLogger("uvicorn.error").info("asked for")
    assert [line["msg"] for line in log.json] == ["yes", "asked for"]


def test_files_are_opened_again_by_their_names(log):
    log.configure()
    get_logger("a").info("before")
    flush()
    for path in (log.human_path, log.json_path):
        path.rename(f"{path}.1")
    reopen()
    get_logger("a").info("after")
    assert [line["msg"] for line in log.json] == ["after"]
    assert len(log.human) == 1


def test_a_file_that_cannot_be_opened_again_is_kept_and_told(log, tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    configure(human=str(log.human_path), json=str(folder / "json"))
    folder.rename(tmp_path / "moved")
    reopen()
    flush()
    line = json.loads((tmp_path / "moved" / "json").read_text())
    assert (line["level"], line["fields"]["error"]) == ("ERROR", "No such file or directory")
    assert log.human[0].endswith(f'destination={folder / "json"} error="No such file or directory"')


def test_losses_are_counted_and_told_to_the_other_destinations(log):
    before = lost()
    configure(human=str(log.human_path), json="/dev/full")
    get_logger("a").info("lost in one of two")
    flush()
    assert lost() == before + 1
    assert log.human[1].endswith(
        'log entries are being lost  destination=/dev/full lost=1 reason="No space left on device"'
    )
    configure(human="", json="")
    assert lost() > before


LAST_WORDS = """
import sys
from aigateway.telemetry.logging import configure, get_logger
configure(human=sys.argv[1], json=sys.argv[2])
for number in range(int(sys.argv[3])):
    get_logger("a").error("last words " + "x" * 1000)
sys.exit(3)
"""


def run(*words):
    started = time.monotonic()
    ran = subprocess.run([sys.executable, "-c", LAST_WORDS, *words], capture_output=True, text=True, check=False)
    return ran, time.monotonic() - started


def test_what_was_logged_before_the_end_appears():
    ran, _ = run("/dev/stderr", "", "100")
    assert ran.returncode == 3
    assert ran.stderr.count("a: last words") == 100


def test_a_destination_that_hangs_keeps_no_program_from_its_end_and_says_what_is_missing(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    ran, seconds = run("", str(fifo), "1000")
    assert ran.returncode == 3
    assert re.fullmatch(rf"aigateway: \d+ log entries could not be written to {fifo}\n", ran.stderr)
    assert seconds < 10


def test_a_full_standard_error_ends_no_program():
    with Path("/dev/full").open("wb") as full:
        ran = subprocess.run(
            [sys.executable, "-c", LAST_WORDS, "/dev/stderr", "", "10"],
            stdout=subprocess.PIPE,
            stderr=full,
            check=False,
        )
    assert ran.returncode == 3
