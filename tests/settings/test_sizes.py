import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigateway.settings.sizes import format_size, parse_size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("67108864", 2**26),
        ("64MiB", 2**26),
        ("64 mib", 2**26),
        ("10MB", 10**7),
        ("1kB", 1000),
        ("2GiB", 2**31),
        ("5b", 5),
    ],
)
def test_reads(text, expected):
    assert parse_size(text) == expected


@pytest.mark.parametrize("text", ["", "MiB", "-1", "64M", "1.5MiB", "64MiBs", "0x10", "1e6", "٣"])
def test_refuses_what_is_no_size(text):
    with pytest.raises(ValueError, match="not a size; write bytes, or a whole number with KB, MB, GB, KiB"):
        parse_size(text)


@given(st.integers(min_value=0, max_value=2**50))
def test_what_is_written_reads_back_the_same(size):
    assert parse_size(format_size(size)) == size
