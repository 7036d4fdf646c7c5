"""A Messages client, the gateway, and a Bedrock that checks signatures and speaks the binary event stream."""

from __future__ import annotations

import base64
import gzip
import json
import threading

import pytest

from aigateway.settings.bedrock import DEFAULT_MODEL, DEFAULT_SMALL_FAST_MODEL, AccessKey, BedrockProtocol
from aigateway.settings.secret import Secret
from tests.gateway.stage import MESSAGES, TOKEN
from tests.support.bedrock import PAIR, on_bedrock
from tests.support.fake_bedrock import ACCESS_KEY, BEARER, SECRET, FakeBedrock, Plan

ASKED = MESSAGES | {"model": "claude-sonnet-4-5"}
SONNET = "/model/global.anthropic.claude-sonnet-4-5-20250929-v1%3A0"
HAIKU = "/model/global.anthropic.claude-haiku-4-5-20251001-v1%3A0"
PATH = "anthropic/v1/messages"


@pytest.fixture(scope="module")
def serving():
    with FakeBedrock() as running:
        yield running


@pytest.fixture
def bedrock(serving, stage):
    serving.requests.clear()
    serving.plans.clear()
    stage.providers["anthropic"] = on_bedrock(serving.url)
    return serving


def events(answer):
    parts = [part for part in answer.body.decode().split("\n\n") if "\ndata: " in part]
    return [(part.split("\n")[0], json.loads(part.split("\ndata: ", 1)[1])) for part in parts]


async def test_a_blocking_request(stage, bedrock):
    answer = await stage.ask(PATH, ASKED | {"metadata": {"user_id": "x"}}, query=b"beta=true")
    assert answer.status == 200, answer.body
    assert answer.json()["content"][0]["type"] == "text"
    assert answer.headers["request-id"] == "aws-request-id"
    assert answer.headers["x-ai-gateway-removed"] == "field metadata"
    sent = bedrock.last
    assert sent.path == f"{SONNET}/invoke"
    assert sent.json() == {
        "max_tokens": 99,
        "messages": MESSAGES["messages"],
        "anthropic_version": "bedrock-2023-05-31",
    }
    begun, ended, prompts, usages = await stage.record()
    assert (begun.model, begun.metadata["requested_model"]) == (DEFAULT_MODEL, "claude-sonnet-4-5")
    assert (begun.credential_kind, begun.credential_hint) == ("centralized", "AKIA...MPLE")
    assert (ended.status_code, ended.error_type, len(prompts), len(usages)) == (200, None, 1, 1)
    assert usages[0].output_tokens == answer.json()["usage"]["output_tokens"]


async def test_a_stream_comes_out_as_the_server_sent_events_that_were_asked_for(stage, bedrock):
    answer = await stage.ask(PATH, ASKED | {"stream": True, "model": "claude-3-5-HAIKU-latest"})
    assert bedrock.last.path == f"{HAIKU}/invoke-with-response-stream"
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/event-stream"
    assert "content-length" not in answer.headers
    assert answer.complete
    told = events(answer)
    assert [name for name, _ in told] == [f"event: {data['type']}" for _, data in told]
    assert (told[0][1]["type"], told[-1][1]["type"]) == ("message_start", "message_stop")
    begun, ended, _, usages = await stage.record()
    assert (begun.model, begun.streaming) == (DEFAULT_SMALL_FAST_MODEL, True)
    assert (ended.error_type, ended.response_bytes, len(usages)) == (None, len(answer.body), 1)


async def test_events_reach_the_client_while_the_model_is_still_speaking(stage, bedrock):
    bedrock.plan(Plan(hold=(hold := threading.Event())))

    async def on_piece(client):
        if b"content_block_start" in client.answer.body:
            hold.set()

    answer = await stage.ask(PATH, ASKED | {"stream": True}, on_piece=on_piece)
    assert len(answer.pieces) > 1
    assert events(answer)[-1][1] == {"type": "message_stop"}


async def test_nothing_of_the_clients_credentials_reaches_aws(stage, bedrock):
    headers = {
        "x-api-key": TOKEN,
        "authorization": None,
        "cookie": "a=b",
        "x-amz-date": "20000101T000000Z",
        "X-Amzn-Bedrock-Service-Tier": "priority",
        "anthropic-version": "2023-06-01",
        "accept-encoding": "gzip, br",
    }
    assert (await stage.ask(PATH, ASKED, headers=headers)).status == 200
    sent = bedrock.last
    assert TOKEN not in str(sent)
    assert not {"x-api-key", "cookie", "anthropic-version", "x-amzn-bedrock-service-tier", "accept-encoding"} & {
        *sent.headers
    }
    assert sent.headers["x-amz-date"] > "2025"
    names = sent.headers["authorization"].split("SignedHeaders=")[1].split(",")[0]
    assert names == "content-type;host;x-amz-date"


async def test_a_base_url_may_have_a_path_and_a_model_may_be_a_profiles_arn(stage, bedrock):
    arn = "arn:aws:bedrock:eu-west-3:123456789012:application-inference-profile/abc123def456"
    stage.providers["anthropic"] = on_bedrock(bedrock.url, path="/proxy/aws/", model=arn)
    assert (await stage.ask(PATH, ASKED)).status == 200
    encoded = arn.replace(":", "%3A").replace("/", "%2F")
    assert bedrock.last.path == f"/proxy/aws/model/{encoded}/invoke"
    begun, *_ = await stage.record()
    assert begun.model == arn


async def test_flags_move_into_the_body_and_the_answer_tells_which_did_not(stage, bedrock):
    asked = ASKED | {"context_management": {"edits": []}, "anthropic_beta": ["output-128k-2025-02-19"]}
    flags = "claude-code-20250219, context-management-2025-06-27,interleaved-thinking-2025-05-14"
    answer = await stage.ask(PATH, asked, headers={"anthropic-beta": flags})
    assert answer.headers["x-ai-gateway-removed"] == "beta claude-code-20250219"
    kept = ["context-management-2025-06-27", "interleaved-thinking-2025-05-14", "output-128k-2025-02-19"]
    assert bedrock.last.json()["anthropic_beta"] == kept
    assert bedrock.last.json()["context_management"] == {"edits": []}
    assert "anthropic-beta" not in bedrock.last.headers


async def test_a_compressed_request_is_sent_plain(stage, bedrock):
    body = gzip.compress(json.dumps(ASKED).encode())
    assert (await stage.ask(PATH, body=body, headers={"content-encoding": "gzip"})).status == 200
    assert bedrock.last.json()["max_tokens"] == 99
    assert "content-encoding" not in bedrock.last.headers


ERRORS = [
    (429, "ThrottlingException", "rate_limit_error", "rate_limited"),
    (400, "ValidationException", "invalid_request_error", "bad_request"),
    (403, "AccessDeniedException", "permission_error", "unauthorized"),
    (404, "ResourceNotFoundException", "not_found_error", "bad_request"),
    (408, "ModelTimeoutException", "timeout_error", "timeout"),
    (424, "ModelErrorException", "api_error", "bad_request"),
    (500, "InternalServerException", "api_error", "server_error"),
    (503, "ServiceUnavailableException", "overloaded_error", "overloaded"),
    (418, "TeapotException", "invalid_request_error", "bad_request"),
]


@pytest.mark.parametrize(("status", "name", "kind", "recorded"), ERRORS)
async def test_errors_of_aws_have_anthropics_shape(stage, bedrock, status, name, kind, recorded):
    bedrock.plan(Plan(status, name, "Too bad: ünïcode", headers=(("retry-after", "7"),)))
    answer = await stage.ask(PATH, ASKED | {"stream": True})
    assert answer.status == status
    assert answer.json() == {
        "type": "error",
        "error": {"type": kind, "message": "Too bad: ünïcode"},
        "request_id": "aws-request-id",
    }
    assert (answer.headers["retry-after"], answer.headers["request-id"]) == ("7", "aws-request-id")
    assert int(answer.headers["content-length"]) == len(answer.body)
    _, ended, *_ = await stage.record()
    assert (ended.status_code, ended.error_type, ended.error_message) == (status, recorded, "Too bad: ünïcode")


@pytest.mark.parametrize("body", [b"<html>bad gateway</html>", b"{}", b"[]", b"\xff", b"", b"x" * 3_000_000])
async def test_an_error_that_is_not_awss_is_relayed_as_it_is(stage, bedrock, body):
    bedrock.plan(Plan(502, raw=body, headers=(("content-type", "text/html"),)))
    answer = await stage.ask(PATH, ASKED)
    assert (answer.status, answer.body, answer.headers["content-type"]) == (502, body, "text/html")


EXCEPTIONS = [
    ("throttlingException", "rate_limit_error", "rate_limited"),
    ("serviceUnavailableException", "overloaded_error", "overloaded"),
    ("validationException", "invalid_request_error", "bad_request"),
    ("internalServerException", "api_error", "server_error"),
    ("modelStreamErrorException", "api_error", "server_error"),
    ("modelTimeoutException", "timeout_error", "server_error"),
    ("newException", "api_error", "server_error"),
]


@pytest.mark.parametrize(("name", "kind", "recorded"), EXCEPTIONS)
async def test_an_exception_in_the_stream_is_an_error_event(stage, bedrock, name, kind, recorded):
    bedrock.plan(Plan(exception=name, message="Slow down"))
    told = events(await stage.ask(PATH, ASKED | {"stream": True}))
    assert told[-1] == (
        "event: error",
        {"type": "error", "error": {"type": kind, "message": "Slow down"}, "request_id": ""},
    )
    assert told[0][1]["type"] == "message_start"
    _, ended, *_ = await stage.record()
    assert (ended.status_code, ended.error_type, ended.error_message) == (200, recorded, "Slow down")


async def test_a_stream_that_breaks_off_never_looks_complete(stage, bedrock):
    bedrock.plan(Plan(cut=True))
    told = events(await stage.ask(PATH, ASKED | {"stream": True}))
    assert told[-1][0] == "event: error"
    assert told[-1][1]["error"]["message"].startswith("AI Gateway: the provider ended its stream")
    _, ended, _, usages = await stage.record()
    assert ended.error_type == "upstream_truncated"
    assert usages[0].metadata["partial"] is True


async def test_a_damaged_stream_is_told_to_the_client_and_the_record(stage, bedrock):
    bedrock.plan(Plan(damage=True))
    told = events(await stage.ask(PATH, ASKED | {"stream": True}))
    assert "cannot be read: the checksum" in told[-1][1]["error"]["message"]
    _, ended, *_ = await stage.record()
    assert ended.error_type == "server_error"


async def test_tokens_are_counted_by_the_model_behind_the_profile(stage, bedrock):
    asked = {
        "model": "claude-sonnet-4-5",
        "messages": MESSAGES["messages"],
        "thinking": {"type": "enabled", "budget_tokens": 2048},
    }
    answer = await stage.ask(f"{PATH}/count_tokens", asked, headers={"anthropic-beta": "token-counting-2024-11-01"})
    assert (answer.status, answer.json()) == (200, {"input_tokens": 7})
    assert bedrock.last.path == "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens"
    counted = json.loads(base64.b64decode(bedrock.last.json()["input"]["invokeModel"]["body"]))
    assert (counted["max_tokens"], counted["anthropic_version"], "model" in counted) == (
        2049,
        "bedrock-2023-05-31",
        False,
    )
    assert await stage.records() == []


async def test_a_model_that_counts_no_tokens_is_a_clear_404(stage, bedrock):
    bedrock.plan(Plan(400, "ValidationException", "The provided model doesn't support counting tokens."))
    answer = await stage.ask(f"{PATH}/count_tokens", ASKED)
    assert (answer.status, answer.error["type"]) == (404, "not_found_error")
    assert "counts no tokens for anthropic.claude-sonnet-4-5" in answer.error["message"]
    stage.providers["anthropic"] = on_bedrock(bedrock.url, model="arn:aws:bedrock:x:1:application-inference-profile/y")
    answer = await stage.ask(f"{PATH}/count_tokens", ASKED)
    assert (answer.status, answer.error["type"]) == (404, "not_found_error")
    assert "--ai-gateway-bedrock-models-file" in answer.error["message"]
    assert len(bedrock.requests) == 1


async def test_a_count_that_fails_has_anthropics_shape(stage, bedrock):
    bedrock.plan(Plan(429, "ThrottlingException", "Slow down"))
    answer = await stage.ask(f"{PATH}/count_tokens", ASKED)
    assert (answer.status, answer.error) == (429, {"type": "rate_limit_error", "message": "Slow down"})


async def test_models_are_those_that_are_configured(stage, bedrock):
    answer = await stage.ask("anthropic/v1/models", method="GET", query=b"limit=5")
    listed = answer.json()
    assert [model["id"] for model in listed["data"]] == [DEFAULT_MODEL, DEFAULT_SMALL_FAST_MODEL]
    assert (listed["first_id"], listed["last_id"], listed["has_more"]) == (
        DEFAULT_MODEL,
        DEFAULT_SMALL_FAST_MODEL,
        False,
    )
    for ident in (DEFAULT_MODEL, DEFAULT_MODEL.replace(":", "%3A")):
        one = await stage.ask(f"anthropic/v1/models/{ident}", method="GET")
        assert one.json() == listed["data"][0]
    assert (await stage.ask("anthropic/v1/models", method="HEAD")).body == b""
    assert (await stage.ask("anthropic/v1/models", {}, method="POST")).status == 405
    assert not bedrock.requests


@pytest.mark.parametrize(
    "path", ["v1/models/claude-3-opus", "api/event_logging/batch", "v1/messages/batches", "v1/files"]
)
async def test_nothing_else_leaves_the_gateway(stage, bedrock, path):
    answer = await stage.ask(f"anthropic/{path}", {}, method="POST")
    assert (answer.status, answer.error["type"]) == (404, "not_found_error")
    assert not bedrock.requests


async def test_a_key_of_ones_own_is_refused_and_without_one_the_organisation_pays(stage, bedrock):
    governed = {"x-coder-ai-governance-token": TOKEN, "authorization": None}
    answer = await stage.ask(PATH, ASKED, headers=governed | {"x-api-key": "sk-ant-own"})
    assert (answer.status, answer.error["type"]) == (403, "permission_error")
    assert "takes no key of yours" in answer.error["message"]
    assert not bedrock.requests
    assert (await stage.ask(PATH, ASKED, headers=governed)).status == 200
    assert "sk-ant-own" not in str(bedrock.requests)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"model":"a","messages":[],"model":"b"}', "a key is there twice"),
        (b'{"model":"a","max_tokens":NaN}', "not a JSON object"),
    ],
)
async def test_a_body_that_cannot_be_edited_safely_is_refused(stage, bedrock, body, words):
    answer = await stage.ask(PATH, body=body)
    assert (answer.status, answer.error["type"]) == (400, "invalid_request_error")
    assert answer.error["message"].startswith("AI Gateway:")
    assert not bedrock.requests


async def test_without_credentials_the_client_hears_why(stage, bedrock, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    stage.providers["anthropic"] = on_bedrock(bedrock.url, keys=())
    answer = await stage.ask(PATH, ASKED)
    assert answer.status == 503
    assert "no AWS credentials for Amazon Bedrock" in answer.error["message"]
    assert "BEDROCK_ACCESS_KEY" in answer.error["message"]
    _, ended, *_ = await stage.record()
    assert (ended.status_code, ended.error_type) == (503, "upstream_unreachable")


async def test_a_wrong_secret_is_told_as_aws_tells_it(stage, bedrock):
    stage.providers["anthropic"] = on_bedrock(bedrock.url, keys=(AccessKey(Secret(ACCESS_KEY), Secret(SECRET + "x")),))
    answer = await stage.ask(PATH, ASKED)
    assert (answer.status, answer.error["type"]) == (403, "authentication_error")


async def test_the_next_pair_serves_where_one_is_refused_or_throttled(stage, bedrock):
    gone = AccessKey(Secret("AKIAGONE000000000000"), Secret("gone"))
    stage.providers["anthropic"] = on_bedrock(bedrock.url, keys=(gone, PAIR))
    assert (await stage.ask(PATH, ASKED | {"stream": True})).status == 200
    assert bedrock.last.access_key == ACCESS_KEY
    begun, ended, *_ = await stage.record()
    assert (begun.credential_hint, ended.credential_hint) == ("AKIA...0000", "AKIA...MPLE")


async def test_the_api_key_of_the_environment_is_used_as_awss_sdks_use_it(stage, bedrock, monkeypatch):
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", BEARER)
    stage.providers["anthropic"] = on_bedrock(bedrock.url, keys=())
    assert (await stage.ask(PATH, ASKED)).status == 200
    assert bedrock.last.access_key == "bearer"
    begun, *_ = await stage.record()
    assert begun.credential_hint == "bedr...cdef"


class TestMantle:
    @pytest.fixture(autouse=True)
    def provider(self, stage, bedrock):
        provider = on_bedrock(bedrock.url, path="/anthropic", protocol=BedrockProtocol.MANTLE)
        stage.providers["anthropic"] = provider

    @pytest.mark.parametrize("stream", [False, True])
    async def test_the_body_goes_through_untouched_and_signed(self, stage, bedrock, stream):
        body = json.dumps(
            ASKED | {"model": "anthropic.claude-opus-4-8", "stream": stream, "metadata": {}}, indent=1
        ).encode()
        answer = await stage.ask(PATH, body=body, headers={"anthropic-beta": "x", "x-amz-content-sha256": "y"})
        assert answer.status == 200, answer.body
        assert (bedrock.last.path, bedrock.last.body) == ("/anthropic/v1/messages", body)
        assert bedrock.last.headers["anthropic-beta"] == "x"
        begun, *_ = await stage.record()
        assert (begun.model, "requested_model" in begun.metadata) == ("anthropic.claude-opus-4-8", False)

    async def test_passing_through_is_signed_as_well(self, stage, bedrock):
        assert (await stage.ask(f"{PATH}/count_tokens", ASKED)).json() == {"input_tokens": 11}
        assert (await stage.ask("anthropic/v1/models", method="GET")).json()["data"] == []
        assert bedrock.last.access_key == ACCESS_KEY
        assert (await stage.ask("anthropic/api/event_logging/batch", {})).status == 404
