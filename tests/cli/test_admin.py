from __future__ import annotations

import sqlite3

import pytest

from aigateway.cli import admin

ADA = ("--username", "ada", "--email", "ada@example.com", "--password", "correct horse battery")


@pytest.fixture
def data_dir(tmp_path):
    return tmp_path / "data"


def test_an_admin_is_made_without_a_server(cli, data_dir):
    result = cli(admin.create_admin_user, *ADA, "--data-dir", str(data_dir))
    assert result.exit_code == 0, result.output
    assert "ada is an owner now" in result.output
    with sqlite3.connect(data_dir / "aigateway.sqlite3") as database:
        row = database.execute("select email, status, rbac_roles from users").fetchone()
    database.close()
    assert row[:2] == ("ada@example.com", "active")
    assert "owner" in row[2]


def test_what_is_missing_is_asked_for(cli, data_dir, monkeypatch):
    monkeypatch.setenv("CODER_AI_GATEWAY_DATA_DIR", str(data_dir))
    result = cli(admin.create_admin_user, stdin="ada\nada@example.com\ncorrect horse battery\ncorrect horse battery\n")
    assert result.exit_code == 0, result.output
    assert "correct horse" not in result.output


def test_a_name_that_is_taken_is_one_sentence(cli, data_dir):
    cli(admin.create_admin_user, *ADA, "--data-dir", str(data_dir))
    result = cli(admin.create_admin_user, *ADA, "--data-dir", str(data_dir))
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: No account was made in {data_dir}: ")


def test_a_folder_that_cannot_be_used_names_the_option(cli, tmp_path):
    (tmp_path / "file").write_text("")
    result = cli(admin.create_admin_user, *ADA, "--data-dir", str(tmp_path / "file"))
    assert result.exit_code == 1
    assert "--data-dir (CODER_AI_GATEWAY_DATA_DIR): cannot use" in result.output
    assert "Traceback" not in result.output


def test_a_database_of_a_newer_version_is_left_alone(cli, data_dir):
    cli(admin.create_admin_user, *ADA, "--data-dir", str(data_dir))
    with sqlite3.connect(data_dir / "aigateway.sqlite3") as database:
        database.execute("update alembic_version set version_num = '9999'")
    database.close()
    result = cli(admin.create_admin_user, *ADA, "--data-dir", str(data_dir))
    assert result.exit_code == 1
    assert "9999" in result.output
