from pathlib import Path

import pytest

from aigateway.settings.errors import ConfigurationError
from aigateway.settings.load import load
from aigateway.settings.model import Settings

HOME = {"HOME": "/home/operator", "XDG_DATA_HOME": "/data"}


class Operator:
    """Writes a configuration, and reads what becomes of it."""

    def __init__(self, folder: Path) -> None:
        self._config = folder / "coder.yaml"

    def loads(self, *, flags=None, env=None, yaml=None):
        flags = {flag: [value] if isinstance(value, str) else value for flag, value in (flags or {}).items()}
        if yaml is not None:
            self._config.write_text(yaml, encoding="utf-8")
            flags["--config"] = [str(self._config)]
        return load(flags, HOME | (env or {}))

    def sets(self, **sources) -> Settings:
        loaded = self.loads(**sources)
        assert loaded.warnings == ()
        return loaded.settings

    def hears(self, **sources) -> list[str]:
        """The lines of the refusal, which must come."""
        with pytest.raises(ConfigurationError) as caught:
            self.loads(**sources)
        assert str(caught.value).splitlines() == [str(problem) for problem in caught.value.problems]
        return str(caught.value).splitlines()


@pytest.fixture
def operator(tmp_path):
    return Operator(tmp_path)
