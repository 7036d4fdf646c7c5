from __future__ import annotations

import socket

import click
import pytest

from aigateway.cli.rest import Client, RestError, connect, normal_url
from aigateway.cli.stored_login import StoredLogin, save


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("https://gateway.example.com/", "https://gateway.example.com"),
        ("gateway.example.com", "https://gateway.example.com"),
        ("localhost:3000", "http://localhost:3000"),
        ("127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        (" https://h/base ", "https://h/base"),
    ],
)
def test_a_url_is_made_whole(given, normal):
    assert normal_url(given) == normal


@pytest.mark.parametrize(
    "given",
    ["", "ftp://host", "file:///etc/passwd", "https://", "https://u:p@host", "https://h/?q=1", "http://h:99999"],
)
def test_what_is_no_url_is_refused(given):
    with pytest.raises(click.ClickException, match="not the URL of a gateway"):
        normal_url(given)


def test_the_servers_words_reach_the_person(server):
    refusal = {"message": "Invalid.", "detail": "Twice.", "validations": [{"field": "email", "detail": "is missing"}]}
    server.answers["GET", "/api/v2/users/me"] = (400, refusal)
    with pytest.raises(RestError) as caught:
        Client(server.url).get("users", "me")
    assert caught.value.message == "Invalid.\nTwice.\nemail: is missing"
    assert caught.value.status == 400


def test_a_dead_server_is_one_sentence():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(RestError, match=r"cannot be reached: .*Is the server running"):
            Client(url).get("users")


def test_html_is_not_taken_for_an_answer(server):
    server.answers["GET", "/api/v2/users"] = (200, b"<html>")
    with pytest.raises(RestError, match="did not answer with JSON"):
        Client(server.url).get("users")
    server.answers["GET", "/api/v2/users"] = (502, b"<html>")
    with pytest.raises(RestError, match="answered 502"):
        Client(server.url).get("users")


def test_a_redirect_never_carries_the_token_away(server):
    server.answers["GET", "/api/v2/users"] = (302, b"")
    with pytest.raises(RestError, match="redirects to https://elsewhere"):
        Client(server.url, "t").get("users")


def test_segments_are_quoted(server):
    server.answers["GET", "/api/v2/users/..%2F%3Fx%20y"] = (200, {})
    assert Client(server.url).get("users", "../?x y", q="a b&c") == {}
    assert server.asked[-1][1] == "/api/v2/users/..%2F%3Fx%20y?q=a+b%26c"


def test_nobody_is_connected_without_a_login(cli):
    with pytest.raises(click.ClickException, match=r"not signed in. Run `aigateway login"):
        connect()


def test_a_stored_token_goes_to_its_own_gateway_only(cli, monkeypatch):
    save(StoredLogin("https://one.example.com", "token-of-one"))
    assert connect().url == "https://one.example.com"
    monkeypatch.setenv("CODER_URL", "https://two.example.com")
    with pytest.raises(click.ClickException, match="not signed in to https://two"):
        connect()
