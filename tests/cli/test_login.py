from __future__ import annotations

import stat

import pytest

from aigateway.cli import login, logout, stored_login

TOKEN = "abcdefghij-0123456789012345678901"


@pytest.fixture
def gateway(server):
    server.answers["GET", "/api/v2/users/first"] = (200, {"message": "There is one."})
    server.answers["POST", "/api/v2/users/login"] = (201, {"session_token": TOKEN})
    server.answers["GET", "/api/v2/users/me"] = (200, {"username": "ada"})
    return server


def test_a_person_signs_in_and_only_they_can_read_the_session(cli, gateway):
    result = cli(login.command, gateway.url, stdin="ada@example.com\nsecret word\n")
    assert result.exit_code == 0, result.output
    assert "signed in to" in result.stderr
    assert (
        "POST",
        "/api/v2/users/login",
        {"email": "ada@example.com", "password": "secret word"},
        None,
    ) in gateway.asked
    files = {path.name: path for path in stored_login.folder().iterdir()}
    assert set(files) == {"url", "session"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files.values()} == {0o600}
    assert stat.S_IMODE(stored_login.folder().stat().st_mode) == 0o700
    assert cli(login.command, "token").stdout == f"{TOKEN}\n"


def test_the_password_can_come_from_a_pipe(cli, gateway):
    result = cli(login.command, gateway.url, "--email", "a@example.com", "--password-stdin", stdin="pipe word\n")
    assert result.exit_code == 0, result.output
    assert gateway.asked[1][2] == {"email": "a@example.com", "password": "pipe word"}
    assert "pipe word" not in result.output


def test_a_token_is_tried_before_it_is_kept(cli, gateway):
    gateway.answers["GET", "/api/v2/users/me"] = (401, {"message": "The token is not valid."})
    result = cli(login.command, gateway.url, "--token", TOKEN)
    assert result.exit_code == 1
    assert "The token is not valid." in result.output
    assert stored_login.load() is None
    gateway.answers["GET", "/api/v2/users/me"] = (200, {"username": "ada"})
    assert cli(login.command, gateway.url, "--token", TOKEN).exit_code == 0
    assert stored_login.load().token == TOKEN


def test_a_new_server_gets_its_first_user(cli, gateway):
    gateway.answers["GET", "/api/v2/users/first"] = (404, {"message": "There is no user."})
    gateway.answers["POST", "/api/v2/users/first"] = (201, {"user_id": "1", "organization_id": "2"})
    flags = ("--first-user-username", "ada", "--first-user-email", "a@example.com", "--first-user-password", "p-w")
    result = cli(login.command, gateway.url, *flags)
    assert result.exit_code == 0, result.output
    created = {"username": "ada", "email": "a@example.com", "password": "p-w"}
    assert ("POST", "/api/v2/users/first", created, None) in gateway.asked
    assert stored_login.load().token == TOKEN


def test_signing_out_ends_the_session_on_both_sides(cli, gateway):
    cli(login.command, gateway.url, "--token", TOKEN)
    gateway.answers["POST", "/api/v2/users/logout"] = (200, {"message": "Logged out!"})
    assert cli(logout.command).exit_code == 0
    assert gateway.asked[-1][3] == TOKEN
    assert stored_login.load() is None
    assert "not signed in" in cli(logout.command).output
    assert "not signed in" in cli(login.command, "token").output


def test_without_a_url_it_says_what_to_type(cli):
    result = cli(login.command)
    assert result.exit_code == 2
    assert "aigateway login https://" in result.output


def test_where_people_sign_in_by_openid_connect_a_page_makes_the_session(cli, gateway):
    methods = {"password": {"enabled": True}, "oidc": {"enabled": True, "signInText": "Corp", "iconUrl": ""}}
    gateway.answers["GET", "/api/v2/users/authmethods"] = (200, methods)
    result = cli(login.command, gateway.url, stdin=f"{TOKEN}\n")
    assert result.exit_code == 0, result.output
    assert f"{gateway.url}/cli-auth" in result.stderr
    assert TOKEN not in result.output
    assert stored_login.load().token == TOKEN
    assert not any(path == "/api/v2/users/login" for _, path, _, _ in gateway.asked)


def test_a_password_still_does_it_where_it_is_asked_for(cli, gateway):
    gateway.answers["GET", "/api/v2/users/authmethods"] = (200, {"oidc": {"enabled": True}})
    result = cli(login.command, gateway.url, "--email", "a@example.com", stdin="secret word\n")
    assert result.exit_code == 0, result.output
    assert stored_login.load().token == TOKEN
