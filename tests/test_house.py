"""Rules of the house that no linter knows."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
LONGEST_MODULE = 400


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_no_module_grows_beyond_what_a_reader_holds(path):
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST_MODULE


def test_every_room_says_what_it_is_for():
    rooms = [path for path in (ROOT / "src" / "aigateway").iterdir() if path.is_dir() and path.name != "__pycache__"]
    for room in rooms:
        assert (room / "__init__.py").read_text("utf-8").startswith('"""'), room


def test_the_lock_file_has_hashes_and_no_addresses():
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    requirements = re.findall(r"^[a-z0-9][^=\n]*==\S+", lock, re.MULTILINE)
    assert requirements
    assert lock.count("--hash=sha256:") >= len(requirements)
    assert "://" not in lock
    assert "--index-url" not in lock
    assert "--find-links" not in lock


def test_the_readmes_two_commands_are_the_makefiles():
    readme = (ROOT / "README.md").read_text("utf-8")
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for command in ("run", "test"):
        assert f"make {command}" in readme
        assert f"\n{command}:" in makefile


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="asks git which files are kept, and this is no checkout")
def test_no_file_speaks_of_one_machine():
    kept = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    machine = re.compile(r"/(?:wor" r"k|roo" r"t|far" r"m)/\w")
    found = []
    for name in kept.split("\0"):
        path = ROOT / name
        if name and path.is_file() and path.suffix in {".py", ".md", ".toml", ".yml", ".yaml", ".json", ".txt", ""}:
            text = path.read_text("utf-8", "replace")
            found += [f"{name}: {match.group()}" for match in machine.finditer(text)]
    assert found == []
