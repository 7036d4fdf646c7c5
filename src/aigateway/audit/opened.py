"""Which interceptions have begun and not ended: what is left of them after a crash was interrupted."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from aigateway.store.records import AnyRecord, InterceptionEnd, InterceptionStart

_START, _END = (kind.__struct_config__.tag for kind in (InterceptionStart, InterceptionEnd))


class _Bound(msgspec.Struct):
    """As much of a record as is needed here."""

    record_type: str
    interception_id: str
    started_at: str = ""


_decode_bounds = msgspec.json.Decoder(list[_Bound]).decode
_decode_ids = msgspec.json.Decoder(dict[str, str]).decode
_encode = msgspec.json.Encoder().encode


class Opened:
    """The open interceptions, each with its start."""

    def __init__(self) -> None:
        self.ids: dict[str, str] = {}

    def note(self, records: Sequence[AnyRecord]) -> None:
        """Take notice of an entry's rows: a start is the first of them, an end the last."""
        first, last = records[0], records[-1]
        if type(first) is InterceptionStart:
            self.ids[first.interception_id] = first.started_at
        if type(last) is InterceptionEnd:
            self.ids.pop(last.interception_id, None)

    def note_encoded(self, body: bytes) -> None:
        """The same, of rows as they are on disk. Those that cannot be read are the business of whoever ships them."""
        try:
            bounds = _decode_bounds(body)
        except msgspec.DecodeError:
            return
        for bound in bounds:
            if bound.record_type == _START:
                self.ids[bound.interception_id] = bound.started_at
            elif bound.record_type == _END:
                self.ids.pop(bound.interception_id, None)

    def encoded(self) -> bytes:
        """All of them, for `take_over`."""
        return _encode(self.ids)

    def take_over(self, encoded: bytes) -> None:
        """Forget what was noted, and go on from what is encoded here."""
        try:
            self.ids = _decode_ids(encoded)
        except msgspec.DecodeError:
            return
