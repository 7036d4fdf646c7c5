"""API dumps of requests and answers, made while they pass."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

from aigateway.audit.dumps import naming
from aigateway.audit.dumps.layout import RawHeaders, answer_head, content_encoding, note, request_text
from aigateway.audit.dumps.masking import Masker, secrets_of
from aigateway.audit.dumps.writer import File, Job, Writer

_TOO_FAST = "cut here, dumps could not be written fast enough"


class DumpDirUnusable(Exception):
    """The folder for dumps cannot be used. The sentence says why, and names the option."""


class Pair:
    """What was sent once, and what came back: `.req.txt` with `.resp.txt` or `.req_error.txt`.

    Nothing here waits, fails, or changes what it is given; the methods with an underscore run in the writer's thread.
    """

    __slots__ = ("_error", "_lost", "_masker", "_open", "_request", "_response", "_secrets", "_writer")

    def __init__(self, writer: Writer, stem: Path, method: str, target: str, headers: RawHeaders, body: bytes) -> None:
        self._writer = writer
        self._request, self._response, self._error = (File(Path(f"{stem}{suffix}")) for suffix in naming.SUFFIXES)
        self._secrets: tuple[bytes, ...] = ()
        self._masker: Masker | None = None
        self._lost = False
        self._open = writer.put(partial(self._write_request, method, target, headers, body), len(body))

    def failed(self, reason: str) -> None:
        """No answer came."""
        self._last(partial(self._write_error, reason))

    def answer(self, status: int, headers: RawHeaders) -> None:
        """An answer begins."""
        if self._open:
            self._writer.put(partial(self._write_head, status, headers), 0)

    def piece(self, data: bytes) -> None:
        """The next bytes of its body."""
        if self._open and not self._lost:
            self._lost = not self._writer.put(partial(self._write_piece, data), len(data))

    def end(self) -> None:
        """The answer is whole."""
        self._last(partial(self._write_end, note(_TOO_FAST) if self._lost else b""))

    def broken(self, reason: str) -> None:
        """The answer ends here and is not whole; ignored when it has ended."""
        self._last(partial(self._write_end, note(reason)))

    def _last(self, job: Job) -> None:
        if self._open:
            self._open = False
            self._writer.put(job, 0)

    def _write_request(self, method: str, target: str, headers: RawHeaders, body: bytes) -> tuple[File, bytes]:
        self._secrets = secrets_of((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)
        return self._request, request_text(method, target, headers, body)

    def _write_error(self, reason: str) -> tuple[File, bytes]:
        return self._error, f"{reason}\n".encode("utf-8", "replace")

    def _write_head(self, status: int, headers: RawHeaders) -> tuple[File, bytes]:
        # What is compressed is kept as it came; `dumps show` decodes it, and masks it then.
        self._masker = None if content_encoding(headers) else Masker(self._secrets)
        return self._response, answer_head(status, headers)

    def _write_piece(self, data: bytes) -> tuple[File, bytes]:
        return self._response, self._masker.feed(data) if self._masker else data

    def _write_end(self, last_words: bytes) -> tuple[File, bytes]:
        rest = self._masker.end() if self._masker else b""
        return self._response, rest + last_words


class Series:
    """The dumps of one client's request: a pair for each request that is sent to the provider for it."""

    __slots__ = ("_count", "_stem", "_writer")

    def __init__(self, writer: Writer, stem: Path) -> None:
        self._writer = writer
        self._stem = stem
        self._count = 0

    def request(self, method: str, target: str, headers: RawHeaders, body: bytes) -> Pair:
        """A request is sent; the second has `-2` behind its name, and so on."""
        self._count += 1
        stem = self._stem if self._count == 1 else Path(f"{self._stem}-{self._count}")
        return Pair(self._writer, stem, method, target, headers, body)


class Dumps:
    """The folder of dumps, `--ai-gateway-dump-dir`."""

    def __init__(self, folder: Path, *, max_file_size: int, max_total_size: int) -> None:
        """Take the limits in bytes."""
        self.folder = folder
        self._writer = Writer(folder, max_file_size=max_file_size, max_total_size=max_total_size)

    def start(self) -> None:
        """Make the folder and begin.

        Raises:
            DumpDirUnusable: the folder cannot be made or written.

        """
        try:
            self._writer.start()
        except OSError as error:
            raise DumpDirUnusable(
                f"--ai-gateway-dump-dir (CODER_AI_GATEWAY_DUMP_DIR): cannot write to {self.folder}: {error.strerror}. "
                "Name a folder that this user may write, or nothing for no dumps."
            ) from error

    def intercepted(self, provider: str, model: str, interception_id: str) -> Series | None:
        """The dumps of an intercepted request; None when the folder is full."""
        if self._writer.full:
            return None
        return Series(self._writer, naming.intercepted(self.folder, provider, model, _now_ms(), interception_id))

    def passed_through(self, provider: str, path: str) -> Series | None:
        """The dumps of a request that passes through; None when the folder is full."""
        if self._writer.full:
            return None
        return Series(self._writer, naming.passed_through(self.folder, provider, path, _now_ms()))

    @property
    def lost(self) -> int:
        """How often something was not dumped, or not to its end, for want of time or of a disk that can be written."""
        return self._writer.refused + self._writer.failed

    def count_anew(self) -> None:
        """Look how much the folder holds; old dumps may have been removed."""
        self._writer.count_anew()

    async def close(self) -> None:
        """Write what waits, for a few seconds at most."""
        await self._writer.close()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
