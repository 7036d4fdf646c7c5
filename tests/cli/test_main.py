import json
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from aigateway import __version__
from aigateway.cli.main import main

HEAVY = ("uvicorn", "aiohttp", "fastapi", "sqlalchemy", "structlog", "aigateway.app", "aigateway.settings")


@pytest.mark.parametrize("words", [["--help"], ["tokens", "list", "--help"], ["users", "--help"], ["login", "--help"]])
def test_commands_other_than_the_server_do_not_load_it(words):
    program = (
        "import json, sys\n"
        "from aigateway.cli.main import main\n"
        f"main({words!r}, standalone_mode=False)\n"
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout.splitlines()[-1]) == []


def test_the_help_names_every_command_but_the_old_one(cli):
    output = cli(main, "--help").output
    for name in ("server", "login", "logout", "tokens", "users", "ai-gateway"):
        assert f"  {name} " in output
    assert "aibridge" not in output


def test_the_old_name_of_a_command_works(cli):
    assert "Usage: main aibridge" in cli(main, "aibridge", "--help").output


def test_an_unknown_command_is_told(cli):
    result = cli(main, "serve")
    assert result.exit_code == 2
    assert "No such command 'serve'." in result.output


def test_both_console_scripts_are_the_same_program():
    found = entry_points(group="console_scripts", module="aigateway.cli.main")
    scripts = {script.name: script.value for script in found}
    assert scripts == {"aigateway": "aigateway.cli.main:run", "coder": "aigateway.cli.main:run"}


def test_the_package_can_be_run():
    ran = subprocess.run([sys.executable, "-m", "aigateway", "--version"], capture_output=True, text=True, check=True)
    assert ran.stdout == f"aigateway, version {__version__}\n"
