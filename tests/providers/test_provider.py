from __future__ import annotations

import pytest

from tests.providers.making import provider


@pytest.mark.parametrize(
    ("base_url", "path", "query", "url"),
    [
        ("https://api.openai.com/v1/", "/chat/completions", "", "https://api.openai.com/v1/chat/completions"),
        ("https://api.openai.com/v1", "/responses", "", "https://api.openai.com/v1/responses"),
        ("https://gw.example", "/chat/completions", "", "https://gw.example/chat/completions"),
        ("https://gw.example/", "/chat/completions", "", "https://gw.example/chat/completions"),
        ("http://[::1]:8080/api", "/v1/messages", "beta=true", "http://[::1]:8080/api/v1/messages?beta=true"),
        ("https://h/x", "/models/ft%3Aa", "a=%20b&c", "https://h/x/models/ft%3Aa?a=%20b&c"),
    ],
)
def test_the_path_is_joined_to_the_base_and_the_query_kept_as_it_is(base_url, path, query, url):
    assert provider(base_url=base_url).url(path, query) == url


@pytest.mark.parametrize(
    ("type_", "path", "kind"),
    [
        ("openai", "/chat/completions", "Intercepted"),
        ("openai", "/responses", "Intercepted"),
        ("openai", "/responses/compact", "Intercepted"),
        ("openai", "/responses/", "Passthrough"),
        ("openai", "/models", "Passthrough"),
        ("openai", "/models/gpt-5", "Passthrough"),
        ("openai", "/conversations", "Passthrough"),
        ("openai", "/conversations/c/items", "Passthrough"),
        ("openai", "/chat/completions/", None),
        ("openai", "/completions", None),
        ("openai", "/embeddings", None),
        ("openai", "/files", None),
        ("openai", "/modelsx", None),
        ("anthropic", "/v1/messages", "Intercepted"),
        ("anthropic", "/v1/messages/count_tokens", "Passthrough"),
        ("anthropic", "/v1/models", "Passthrough"),
        ("anthropic", "/v1/models/claude", "Passthrough"),
        ("anthropic", "/api/event_logging/batch", "Passthrough"),
        ("anthropic", "/v1/messages/batches", None),
        ("anthropic", "/v1/complete", None),
        ("copilot", "/chat/completions", "Intercepted"),
        ("copilot", "/responses", "Intercepted"),
        ("copilot", "/v1/messages", "Intercepted"),
        ("copilot", "/models", "Passthrough"),
        ("copilot", "/agents/x", "Passthrough"),
        ("copilot", "/mcp/x", "Passthrough"),
        ("copilot", "/.well-known/x", "Passthrough"),
        ("copilot", "/responses/compact", "Intercepted"),
        ("copilot", "/v1/chat/completions", "Intercepted"),
        ("copilot", "/user", "Passthrough"),
        ("copilot", "/v1/engines/x/completions", "Passthrough"),
        ("copilot", "/chat/completions/", None),
        ("copilot", "/chat/complet%69ons", None),
        ("copilot", "/Chat/Completions;x=1", None),
    ],
)
def test_the_routes_of_each_type(type_, path, kind):
    found = provider(type_).routes.find(path)
    assert (type(found).__name__ if found else None) == kind
