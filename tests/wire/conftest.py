"""The official SDKs, answered with bytes of our choice."""

import anthropic
import httpx2
import openai
import pytest


def _http(body, status, content_type):
    headers = {"content-type": content_type}
    return httpx2.Client(
        transport=httpx2.MockTransport(lambda _: httpx2.Response(status, headers=headers, content=body))
    )


@pytest.fixture
def openai_answered():
    """Give an OpenAI client that is answered with a body (by default an event stream)."""

    def make(body, status=200, content_type="text/event-stream"):
        http = _http(body, status, content_type)
        return openai.OpenAI(api_key="k", base_url="http://provider/v1", http_client=http, max_retries=0)

    return make


@pytest.fixture
def anthropic_answered():
    """Give an Anthropic client that is answered with a body (by default an event stream)."""

    def make(body, status=200, content_type="text/event-stream"):
        http = _http(body, status, content_type)
        return anthropic.Anthropic(api_key="k", base_url="http://provider", http_client=http, max_retries=0)

    return make
