import pytest

from aigateway.settings.header_names import read_header_name

DEFAULT = "X-AI-Bridge-Actor-ID"
RESERVED = [
    "Authorization",
    "X-Api-Key",
    "Cookie",
    "Set-Cookie",
    "Host",
    "User-Agent",
    "Content-Length",
    "Content-Type",
    "Content-Encoding",
    "Accept-Encoding",
    "Connection",
    "Keep-Alive",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "Proxy-Authorization",
    "Proxy-Authenticate",
    "Forwarded",
    "X-Forwarded-For",
    "X-FORWARDED-Proto",
    "Coder-Session-Token",
    "X-Coder-Ai-Governance-Token",
    "X-Coder-Ai-Governance-Request-Id",
    "X-AI-Bridge-Actor",
    "X-AI-Bridge-Actor-Metadata-Username",
]


@pytest.mark.parametrize("name", ["X-Who", "x_who!", DEFAULT, DEFAULT.lower(), "X-Coder-User", "X-Content"])
def test_a_header_of_ones_own(name):
    assert read_header_name(f" {name} ", DEFAULT) == name


def test_an_empty_name_is_none():
    assert read_header_name(" ", DEFAULT) is None


@pytest.mark.parametrize("name", RESERVED)
def test_a_header_that_means_something_else(name):
    with pytest.raises(ValueError, match="has a meaning of its own; choose another name, for example X-AI-Bridge"):
        read_header_name(name, DEFAULT)


@pytest.mark.parametrize("name", ["X Who", "X-Who:", "X-Whö", "X-Who\r\nX-Evil", "(x)", "x" * 129])
def test_what_is_no_header(name):
    with pytest.raises(ValueError, match="not the name of a header"):
        read_header_name(name, DEFAULT)
