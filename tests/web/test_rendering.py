from __future__ import annotations

from aigateway.web import rendering
from aigateway.web.assets import Assets
from aigateway.web.rendering import Renderer
from tests.support.waiting import wait_until


def a_site(compiled):
    environment = Renderer(Assets())._environment
    environment.bytecode_cache = compiled
    return environment


def test_every_page_is_compiled_when_the_first_one_is_opened(monkeypatch):
    compiled = rendering._Compiled()
    environment = a_site(compiled)
    compiled.warm_up(environment)
    pages = environment.list_templates(extensions=["html"])
    wait_until(lambda: len(compiled._codes) == len(pages))
    assert "sessions.html" in pages

    def compile_again(*_args, **_kwargs):
        raise AssertionError("was compiled before")

    other = a_site(compiled)
    monkeypatch.setattr(type(other), "compile", compile_again)
    assert other.get_template("sessions.html")
