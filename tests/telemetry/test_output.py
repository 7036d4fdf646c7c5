import os
import threading

import pytest

from aigateway.telemetry import output as module
from aigateway.telemetry.destination import Destination
from aigateway.telemetry.entry import Entry
from aigateway.telemetry.output import Output
from tests.support.waiting import wait_until


def entry(message="something", **fields):
    return Entry(0, "INFO", message, "a.py:1", "f", ("test",), fields)


class Losses:
    def __init__(self):
        self.told = []

    def __call__(self, output, reason):
        self.told.append((output.lost, reason))


@pytest.fixture
def losses():
    return Losses()


@pytest.fixture
def fifo(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def lines(path):
    return path.read_text().splitlines()


def messages(path):
    return [line.split(": ", 1)[1] for line in lines(path)]


def test_entries_are_written_in_order(tmp_path, losses):
    output = Output(Destination(str(tmp_path / "log")), Entry.as_human, losses)
    for number in range(1000):
        output.put(entry(str(number)))
    output.flush(10)
    assert messages(tmp_path / "log") == [str(number) for number in range(1000)]
    output.close()
    assert (output.lost, output.missing) == (0, 0)


def test_entries_of_several_threads_do_not_mix(tmp_path, losses):
    output = Output(Destination(str(tmp_path / "log")), Entry.as_human, losses)

    def write_often(letter):
        for _ in range(20):
            output.put(entry(letter * 20_000))

    threads = [threading.Thread(target=write_often, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    output.close()
    assert sorted(messages(tmp_path / "log")) == sorted(letter * 20_000 for letter in "abcd" * 20)


def test_closing_writes_what_waits(tmp_path, losses):
    output = Output(Destination(str(tmp_path / "log")), Entry.as_human, losses)
    output.put(entry("last words"))
    output.close()
    assert messages(tmp_path / "log") == ["last words"]
    output.put(entry("too late"))
    assert output.lost == 1


def test_a_pipe_that_nobody_reads_holds_nobody_up_and_every_loss_is_counted_and_told(fifo, losses, monkeypatch):
    monkeypatch.setattr(module, "_MAX_ENTRIES", 100)
    output = Output(Destination(str(fifo)), Entry.as_human, losses)
    total = 5000
    output.put(entry("x" * 200_000))
    wait_until(lambda: not output._waiting)
    for number in range(1, total):
        output.put(entry(f"{number:06} {'x' * 2000}"))
    assert output.congested
    assert losses.told == [(1, "it does not keep up")]
    assert output.lost == total - 1 - 100
    output.flush(0.01)
    assert output.missing == total

    received = []

    def read():
        with fifo.open() as pipe:
            for line in pipe:
                received.append(line)
                if len(received) == total - output.lost + 1:
                    return

    reader = threading.Thread(target=read)
    reader.start()
    reader.join(20)
    output.close()
    (warning,) = [line for line in received if "test: " not in line]
    assert warning.rstrip().endswith(f"[warn]  telemetry: log entries were lost  destination={fifo} lost={output.lost}")
    assert len(received) == total - output.lost + 1
    assert not output.congested


def test_the_queue_is_bounded_by_its_text_but_takes_any_single_entry(fifo, losses, monkeypatch):
    monkeypatch.setattr(module, "_MAX_SIZE", 10_000)
    output = Output(Destination(str(fifo)), Entry.as_human, losses)
    output.put(entry(prompt="x" * 200_000))
    wait_until(lambda: not output._waiting)
    output.put(entry(prompt="y" * 50_000))
    assert (output.lost, output.congested) == (0, True)
    output.put(entry(metadata={"agent": "z" * 50_000}))
    assert output.lost == 1


def test_a_full_disk_is_counted_and_told_once_a_minute(losses):
    output = Output(Destination("/dev/full"), Entry.as_human, losses)
    for number in range(3):
        output.put(entry())
        output.flush(10)
        assert output.lost == number + 1
    assert losses.told == [(1, "No space left on device")]
    output.close()
    assert output.missing == 3


def test_the_warning_comes_when_it_can_be_written_again_and_not_more_often_than_it_should(
    tmp_path, losses, monkeypatch
):
    path = tmp_path / "log"
    path.symlink_to("/dev/full")
    output = Output(Destination(str(path)), Entry.as_human, losses)

    def write_while_full():
        path.unlink()
        path.symlink_to("/dev/full")
        output.destination.reopen()
        output.put(entry("lost"))
        output.flush(10)
        path.unlink()
        path.symlink_to(tmp_path / "file")
        output.destination.reopen()

    write_while_full()
    output.put(entry("back"))
    output.flush(10)
    assert [message.split()[0] for message in messages(tmp_path / "file")] == ["back", "log"]
    write_while_full()
    output.put(entry("again"))
    output.flush(10)
    assert [message.split()[0] for message in messages(tmp_path / "file")] == ["back", "log", "again"]
    monkeypatch.setattr(module, "_PAUSE_SECONDS", 0.01)
    output.put(entry("later"))
    output.flush(10)
    wait_until(lambda: messages(tmp_path / "file")[-1] == f"log entries were lost  destination={path} lost=1")
    output.close()


def test_the_warning_needs_no_further_entry(tmp_path, losses, monkeypatch):
    monkeypatch.setattr(module, "_PAUSE_SECONDS", 0.01)
    path = tmp_path / "log"
    path.symlink_to("/dev/full")
    output = Output(Destination(str(path)), Entry.as_human, losses)
    output.put(entry("lost"))
    output.flush(10)
    path.unlink()
    output.destination.reopen()
    wait_until(lambda: path.read_text() != "")
    assert messages(path) == [f"log entries were lost  destination={path} lost=1"]
    output.close()


def test_a_torn_line_ends_before_the_next_begins(tmp_path, losses, monkeypatch):
    output = Output(Destination(str(tmp_path / "log")), lambda entry: entry.message.encode() + b"\n", losses)
    write = os.write
    room = [7]

    def full_after_some_bytes(fd, data):
        if room[0] == 0:
            raise OSError(28, "No space left on device")
        if room[0] is None:
            return write(fd, data)
        taken = write(fd, data[: room[0]])
        room[0] -= taken
        return taken

    monkeypatch.setattr(os, "write", full_after_some_bytes)
    assert output._append([b"one\n", b"two\n", b"three\n"]) == 2
    room[0] = None
    assert output._append([b"four\n"]) == 0
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\nfour\n"


def test_a_value_that_cannot_be_written_down_loses_one_entry_only(tmp_path, losses):
    class Odd:
        def __str__(self):
            raise ValueError("no words")

    output = Output(Destination(str(tmp_path / "log")), Entry.as_human, losses)
    output.put(entry("odd", value=Odd()))
    output.put(entry("even"))
    output.flush(10)
    assert "even" in messages(tmp_path / "log")
    assert losses.told == [(1, "an entry cannot be written down: no words")]
    output.close()
