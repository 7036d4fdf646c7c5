import os
import stat
import threading

import pytest

from aigateway.telemetry.destination import Destination


def test_appends_to_a_file_that_only_its_owner_reads(tmp_path):
    path = tmp_path / "log"
    for text in (b"one\n", b"two\n"):
        destination = Destination(str(path))
        destination.write(text)
        destination.close()
    assert path.read_bytes() == b"one\ntwo\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(("path", "stream"), [("/dev/stdout", "out"), ("/dev/stderr", "err")])
def test_standard_streams_are_used_as_they_are_and_left_open(path, stream, capfd):
    destination = Destination(path)
    destination.write(b"line\n")
    destination.close()
    Destination(path).write(b"again\n")
    assert getattr(capfd.readouterr(), stream) == "line\nagain\n"


def test_a_file_that_cannot_be_opened(tmp_path):
    with pytest.raises(FileNotFoundError):
        Destination(str(tmp_path / "none" / "log"))


def test_a_full_disk_stops_nobody_and_is_counted():
    destination = Destination("/dev/full")
    destination.write(b"lost\n")
    assert destination.lost == 1
    destination.close()


def test_entries_of_several_threads_do_not_mix(tmp_path):
    path = tmp_path / "log"
    destination = Destination(str(path))
    lines = [bytes([letter]) * 20_000 + b"\n" for letter in b"abcd"]

    def write_often(line):
        for _ in range(20):
            destination.write(line)

    threads = [threading.Thread(target=write_often, args=(line,)) for line in lines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    destination.close()
    assert sorted(path.read_bytes().splitlines(keepends=True)) == sorted(lines * 20)


def test_a_slow_reader_gets_whole_entries(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    received = []
    reader = threading.Thread(target=lambda: received.append(fifo.read_bytes()))
    reader.start()
    destination = Destination(str(fifo))
    destination.write(b"x" * 300_000 + b"\n")
    destination.close()
    reader.join()
    assert received == [b"x" * 300_000 + b"\n"]
