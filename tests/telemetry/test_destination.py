import os
import stat
import threading
from pathlib import Path

import pytest

from aigateway.telemetry.destination import Destination


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_appends_to_a_file_that_only_its_owner_reads(tmp_path):
    path = tmp_path / "log"
    for text in (b"one\n", b"two\n"):
        destination = Destination(str(path))
        assert destination.write(text) == 4
        destination.close()
    assert path.read_bytes() == b"one\ntwo\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(("path", "stream"), [("/dev/stdout", "out"), ("/dev/stderr", "err")])
def test_standard_streams_are_used_as_they_are_and_left_open(path, stream, capfd):
    destination = Destination(path)
    destination.write(b"line\n")
    destination.reopen()
    destination.write(b"more\n")
    destination.close()
    Destination(path).write(b"again\n")
    assert getattr(capfd.readouterr(), stream) == "line\nmore\nagain\n"


def test_a_file_that_cannot_be_opened(tmp_path):
    with pytest.raises(FileNotFoundError):
        Destination(str(tmp_path / "none" / "log"))


def test_a_full_disk_is_told():
    destination = Destination("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        destination.write(b"lost\n")
    destination.close()


def test_a_file_that_was_moved_away_is_opened_again_by_its_name(tmp_path):
    path = tmp_path / "log"
    destination = Destination(str(path))
    destination.write(b"old\n")
    path.rename(tmp_path / "log.1")
    destination.write(b"still old\n")
    destination.reopen()
    destination.reopen()
    destination.write(b"new\n")
    destination.close()
    assert (tmp_path / "log.1").read_bytes() == b"old\nstill old\n"
    assert path.read_bytes() == b"new\n"


def test_a_file_that_cannot_be_opened_again_is_kept(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    destination = Destination(str(folder / "log"))
    folder.rename(tmp_path / "moved")
    with pytest.raises(FileNotFoundError):
        destination.reopen()
    destination.write(b"kept\n")
    destination.close()
    assert (tmp_path / "moved" / "log").read_bytes() == b"kept\n"


def test_opening_again_leaks_no_descriptor(tmp_path):
    before = descriptors()
    destination = Destination(str(tmp_path / "log"))
    for _ in range(5):
        destination.reopen()
    destination.close()
    assert descriptors() == before


def test_a_pipe_that_nobody_reads_is_opened_at_once(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    destination = Destination(str(path))
    destination.write(b"early\n")
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    assert os.read(reader, 100) == b"early\n"
    os.close(reader)
    destination.write(b"and on, without its reader\n")
    destination.close()


def test_a_stream_that_another_process_made_non_blocking_is_waited_for(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    destination = Destination(str(path))
    os.set_blocking(destination._fd, False)
    received = []
    with path.open("rb") as pipe:
        reader = threading.Thread(target=lambda: received.append(pipe.read(300_000)))
        reader.start()
        assert destination.write(b"x" * 300_000) == 300_000
        reader.join()
    destination.close()
    assert received == [b"x" * 300_000]
