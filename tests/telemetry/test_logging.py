import json
import logging
import re
import warnings

import aiosqlite
import pytest

from aigateway.settings.secret import Secret
from aigateway.telemetry.logging import configure, get_logger


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
        return self.human_path.read_text().splitlines()

    @property
    def json(self):
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


async def test_debug_entries_never_repeat_what_is_stored(log, tmp_path):
    log.configure(debug=[".*"])
    async with aiosqlite.connect(tmp_path / "database") as database:
        await database.execute("select ?", ("a prompt",))
    assert "a prompt" not in log.human_path.read_text()


def test_libraries_go_the_same_way(log):
    log.configure()
    logging.getLogger("uvicorn.error").info("Started %s", "server\nforged")
    logging.getLogger("uvicorn.error").warning("wrong format %d", "x")
    first, second = log.json
    assert first["msg"] == "Started server\nforged"
    assert first["logger_names"] == ["uvicorn", "error"]
    assert first["func"] == "test_libraries_go_the_same_way"
    assert (second["msg"], second["level"]) == ("wrong format %d", "WARN")
    assert log.human[0].endswith(r"[info]  uvicorn.error: Started server\nforged")


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
