from __future__ import annotations

import json

import pytest

from aigateway.cli import users

ADA = {
    "id": "u1",
    "username": "ada",
    "email": "ada@example.com",
    "status": "active",
    "roles": [{"name": "owner", "display_name": "Owner"}],
    "is_service_account": False,
    "created_at": "2026-01-01T00:00:00Z",
}


@pytest.fixture
def gateway(server):
    server.answers["POST", "/api/v2/users"] = (201, ADA)
    server.answers["GET", "/api/v2/users"] = (200, {"users": [ADA], "count": 1})
    server.answers["GET", "/api/v2/users/ada"] = (200, ADA)
    server.answers["PUT", "/api/v2/users/ada/roles"] = (200, ADA)
    for status in ("suspend", "activate"):
        server.answers["PUT", f"/api/v2/users/ada/status/{status}"] = (200, ADA)
    server.answers["DELETE", "/api/v2/users/ada"] = (200, {"message": "Deleted."})
    return server


def test_a_person_is_made_with_a_password_of_ours(signed_in, gateway):
    result = signed_in(users.command, "create", "-u", "ada", "-e", "ada@example.com", "-n", "Ada L.")
    assert result.exit_code == 0, result.output
    sent = gateway.asked[-1][2]
    assert result.stdout == f"Password: {sent['password']}\n"
    assert len(sent.pop("password")) >= 20
    assert sent == {"username": "ada", "name": "Ada L.", "email": "ada@example.com", "login_type": "password"}


def test_a_given_password_is_not_printed(signed_in, gateway):
    result = signed_in(users.command, "create", "-u", "ada", "-e", "ada@example.com", "-p", "her-own-word")
    assert gateway.asked[-1][2]["password"] == "her-own-word"
    assert "her-own-word" not in result.output


def test_a_service_account_has_neither_mail_nor_password(signed_in, gateway):
    assert signed_in(users.command, "create", "-u", "ci", "--service-account").stdout == ""
    assert gateway.asked[-1][2] == {"username": "ci", "service_account": True, "login_type": "none"}
    result = signed_in(users.command, "create", "-u", "ci", "--service-account", "-p", "x")
    assert result.exit_code == 2
    assert "leave -e and -p out" in result.output


def test_list_and_show(signed_in, gateway):
    table = signed_in(users.command, "list").output
    assert table.splitlines()[1].split() == ["ada", "ada@example.com", "active", "owner", "-", "2026-01-01", "00:00:00"]
    assert json.loads(signed_in(users.command, "show", "ada", "-o", "json").output) == ADA
    assert "ada@example.com" in signed_in(users.command, "show", "ada").output


@pytest.mark.parametrize("word", ["suspend", "activate"])
def test_status(signed_in, gateway, word):
    assert signed_in(users.command, word, "ada").exit_code == 0
    assert gateway.asked[-1][:2] == ("PUT", f"/api/v2/users/ada/status/{word}")


def test_roles(signed_in, gateway):
    result = signed_in(users.command, "edit-roles", "ada", "--roles", "owner, auditor")
    assert gateway.asked[-1][2] == {"roles": ["owner", "auditor"]}
    assert "ada has the roles: owner" in result.output


def test_delete(signed_in, gateway):
    assert signed_in(users.command, "delete", "ada").exit_code == 0
    assert gateway.asked[-1][0] == "DELETE"


def test_somebody_gets_a_new_password_which_is_shown_once(signed_in, gateway):
    gateway.answers["PUT", "/api/v2/users/ada/password"] = (204, b"")
    result = signed_in(users.command, "reset-password", "ada")
    assert result.exit_code == 0, result.output
    new = gateway.asked[-1][2]["password"]
    assert result.stdout == f"Password: {new}\n"
    assert "wish" not in signed_in(users.command, "reset-password", "ada", "-p", "wish-word").output
    assert gateway.asked[-1][2] == {"password": "wish-word"}


def test_somebody_who_signs_in_elsewhere_needs_no_password(signed_in, gateway):
    result = signed_in(users.command, "create", "-u", "grace", "-e", "g@example.com", "--login-type", "oidc")
    assert (result.exit_code, result.stdout) == (0, "")
    assert gateway.asked[-1][2] == {"username": "grace", "email": "g@example.com", "login_type": "oidc"}
