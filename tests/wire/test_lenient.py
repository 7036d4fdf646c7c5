import msgspec
import pytest

from aigateway.wire.lenient import Reader, any_value, string


class Inner(msgspec.Struct):
    name: str = "?"


class Outer(msgspec.Struct):
    text: str = ""
    number: int | None = None
    inner: Inner | None = None
    several: list[Inner] = []
    raw: msgspec.Raw = msgspec.Raw()


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b'{"text":"x","number":1}', Outer("x", 1)),
        (b'{"text":7,"number":1}', Outer("", 1)),
        (b'{"text":"x","number":"1","inner":{"name":2}}', Outer("x", None, Inner())),
        (b'{"inner":7,"several":[1,{"name":"a"},{"name":[]},null]}', Outer("", None, None, [Inner("a"), Inner()])),
        (b'{"several":"x","text":"y"}', Outer("y")),
        (rb'{"text":"\ud83d","number":[]}', Outer("\ufffd")),
    ],
)
def test_what_is_readable_is_read(raw, found):
    assert Reader(Outer).read(raw) == found


@pytest.mark.parametrize("raw", [b"", b"[]", b"7", b"null", b"{", b"\xff", b"{" * 9999])
def test_what_is_no_object_is_none(raw):
    assert Reader(Outer).read(raw) is None


def test_only_a_string_is_a_string():
    assert string(b'"a"') == "a"
    assert string(b"7") is None
    assert string(b"") is None


@pytest.mark.parametrize("raw", [b"", b"x", b"\xff", b'{"a":1e999}', b"[" * 99_999])
def test_an_unreadable_value_is_none(raw):
    assert any_value(raw) is None
