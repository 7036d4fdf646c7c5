from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigateway.gateway.refusal import Refusal
from aigateway.gateway.route import MANAGEMENT, find, is_data_plane, is_probe, speaks
from aigateway.providers.routes import Intercepted
from aigateway.wire.facts import ApiFormat
from tests.providers.making import provider

PROVIDERS = {
    "openai": provider("openai"),
    "anthropic": provider("anthropic"),
    "ai": provider("openai", name="ai"),
    "copilot": provider("copilot", keys=()),
}


@pytest.mark.parametrize("prefix", ["/api/v2/aibridge", "/api/v2/ai-gateway"])
@pytest.mark.parametrize(
    ("path", "upstream"),
    [
        ("/openai/v1/chat/completions", "/chat/completions"),
        ("/openai/v1/responses", "/responses"),
        ("/ai/v1/responses", "/responses"),
        ("/anthropic/v1/messages", "/v1/messages"),
        ("/copilot/chat/completions", "/chat/completions"),
        ("/anthropic//v1/messages", "/v1/messages"),
        ("/openai/v1/models/ft%3Aa", "/models/ft%3Aa"),
    ],
)
def test_a_known_path_leads_to_its_provider(prefix, path, upstream):
    route = find(PROVIDERS, "POST", f"{prefix}{path}".encode())
    assert route.path == upstream
    assert route.provider is PROVIDERS[path.split("/")[1]]


@pytest.mark.parametrize(
    "path",
    [
        "/nobody/v1/messages",
        "/openai",
        "/openai/v1",
        "/openai/v1/files",
        "/openai/v1/completions",
        "/openai/v2/models",
        "/openai/v1x/models",
        "/openai/v1/models/../files",
        "/openai/v1/models/./x",
        "/openai/v1/models/%2e%2e/files",
        "/openai/v1/models/..%2ffiles",
        "/openai/v1/models%2Fx",
        "/openai/v1/models/a%5cb",
        "/openai/v1/models/a\\b",
        "/openai/v1/models/a%00",
        "/anthropic/v1/messages/",
        "/anthropic/v1/Messages",
        "/OpenAI/v1/models",
    ],
)
def test_everything_else_is_404(path):
    with pytest.raises(Refusal) as refused:
        find(PROVIDERS, "POST", f"/api/v2/aibridge{path}".encode())
    assert refused.value.status == 404
    assert refused.value.message.startswith("AI Gateway: route not supported: POST /api/v2/aibridge/")


def test_a_base_url_without_v1_is_told_what_is_missing():
    with pytest.raises(Refusal, match="Let the client's base URL end in /openai/v1"):
        find(PROVIDERS, "POST", b"/api/v2/aibridge/openai/chat/completions")


@given(st.text(alphabet="/.%2eEfF5cC\\v1models:a", max_size=40))
def test_no_spelling_smuggles_a_path_past_the_list(tail):
    try:
        route = find(PROVIDERS, "GET", f"/api/v2/aibridge/openai/v1/{tail}".encode())
    except Refusal:
        return
    table = route.provider.routes
    assert table.find(route.path) is not None
    assert ".." not in route.path
    assert "//" not in route.path
    assert "%2f" not in route.path.lower()
    assert "%2e" not in route.path.lower()


def test_the_intercepted_paths_know_their_api():
    apis = {}
    for path in ("openai/v1/chat/completions", "openai/v1/responses", "anthropic/v1/messages"):
        kind = find(PROVIDERS, "POST", f"/api/v2/aibridge/{path}".encode()).kind
        assert isinstance(kind, Intercepted)
        apis[path] = kind.api
    assert list(apis.values()) == [ApiFormat.CHAT, ApiFormat.RESPONSES, ApiFormat.MESSAGES]


def test_management_words_are_not_the_data_planes():
    for word in MANAGEMENT:
        assert not is_data_plane(f"/api/v2/aibridge/{word}")
        assert not is_data_plane(f"/api/v2/ai-gateway/{word}/x")
    assert is_data_plane("/api/v2/aibridge/openai/v1/models")
    assert not is_data_plane("/api/v2/users/me")


def test_probes_are_heads_of_the_base_or_of_hello():
    assert is_probe("/api/v2/aibridge/anthropic/api/hello")
    assert is_probe("/api/v2/aibridge/anthropic")
    assert is_probe("/api/v2/aibridge/anthropic/")
    assert not is_probe("/api/v2/aibridge/anthropic/v1/messages")


def test_errors_are_told_in_the_shape_of_the_path_even_where_it_leads_nowhere():
    assert speaks(PROVIDERS, "/api/v2/aibridge/nobody/v1/messages") is ApiFormat.MESSAGES
    assert speaks(PROVIDERS, "/api/v2/aibridge/nobody/v1/responses") is ApiFormat.RESPONSES
    assert speaks(PROVIDERS, "/api/v2/aibridge/anthropic/v1/models") is ApiFormat.MESSAGES
    assert speaks(PROVIDERS, "/api/v2/aibridge/openai/v1/models") is ApiFormat.CHAT
