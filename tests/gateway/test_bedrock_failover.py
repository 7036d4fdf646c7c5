"""Several identities on Bedrock stand in for each other, as keys do elsewhere."""

from __future__ import annotations

import pytest

from aigateway.settings.bedrock import AccessKey
from aigateway.settings.secret import Secret
from tests.gateway.stage import MESSAGES
from tests.support.bedrock import PAIR, on_bedrock
from tests.support.fake_bedrock import ACCESS_KEY, FakeBedrock, Plan

OTHER = AccessKey(Secret("AKIAOTHEROTHEROTHER1"), Secret("another-secret-0123456789"))
PATH = "anthropic/v1/messages"
THROTTLED = Plan(status=429, name="ThrottlingException", message="Too many requests")


@pytest.fixture
def bedrock(stage):
    with FakeBedrock() as serving:
        serving.known[OTHER.id.reveal()] = (OTHER.secret.reveal(), None)
        stage.providers["anthropic"] = on_bedrock(serving.url, keys=(PAIR, OTHER))
        yield serving


@pytest.mark.parametrize("stream", [False, True])
async def test_a_throttled_pair_is_replaced_and_signed_anew(stage, bedrock, stream):
    bedrock.plan(THROTTLED)
    answer = await stage.ask(PATH, MESSAGES | {"stream": stream})
    assert answer.status == 200
    assert [request.access_key for request in bedrock.requests] == [ACCESS_KEY, OTHER.id.reveal()]
    assert bedrock.requests[0].body == bedrock.requests[1].body
    begun, ended, _, usages = await stage.record()
    assert (begun.credential_hint, ended.credential_hint) == ("AKIA...MPLE", "AKIA...HER1")
    assert len(usages) == 1


async def test_a_pair_that_aws_does_not_know_is_replaced(stage, bedrock):
    del bedrock.known[ACCESS_KEY]
    assert (await stage.ask(PATH, MESSAGES)).status == 200
    assert [request.access_key for request in bedrock.requests] == [OTHER.id.reveal()]


async def test_what_a_pair_may_not_do_is_no_reason_to_try_another(stage, bedrock):
    bedrock.plan(Plan(status=403, name="AccessDeniedException", message="no access to this model"))
    answer = await stage.ask(PATH, MESSAGES)
    assert answer.status == 403
    assert len(bedrock.requests) == 1


async def test_all_throttled_is_429_in_the_shape_of_the_api(stage, bedrock):
    bedrock.plan(THROTTLED, THROTTLED)
    answer = await stage.ask(PATH, MESSAGES)
    assert (answer.status, answer.headers["retry-after"]) == (429, "60")
    assert answer.error["type"] == "rate_limit_error"


async def test_one_throttled_pair_speaks_for_itself(stage, bedrock):
    stage.providers["anthropic"] = on_bedrock(bedrock.url)
    bedrock.plan(THROTTLED)
    answer = await stage.ask(PATH, MESSAGES)
    assert (answer.status, answer.error["type"]) == (429, "rate_limit_error")
    assert "Too many requests" in answer.error["message"]
