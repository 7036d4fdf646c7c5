"""Whatever the OpenAPI document lets programs send is answered as it says, and never by a mistake of ours."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack

import httpx2
import pytest

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")

from hypothesis import HealthCheck, given, settings  # noqa: E402  # after the check that schemathesis is there
from schemathesis.checks import not_a_server_error  # noqa: E402
from schemathesis.specs.openapi.checks import (  # noqa: E402
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from aigateway.api.app import ROUTES, create_api  # noqa: E402
from aigateway.api.services import Services  # noqa: E402
from aigateway.store.ingest import apply  # noqa: E402
from tests.api.test_sessions import asked  # noqa: E402
from tests.support import people  # noqa: E402
from tests.support.examples import examples  # noqa: E402

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("role", ["owner", "member"])
def test_nothing_that_the_document_allows_breaks_the_api(sqlite_url, role):
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            document, send = runner.run(served(stack, sqlite_url, role))
            statuses = set()
            for found in schemathesis.openapi.from_dict(document).get_all_operations():
                statuses |= exercise(found.ok(), lambda request: runner.run(send(request)))
            assert statuses >= {200, 400, 404}
        finally:
            runner.run(stack.aclose())


async def served(stack, url, role):
    """The document of the API with a little on record, and what sends a request as somebody who is signed in."""
    world = await stack.enter_async_context(people.world(url))
    ann = await world.user("ann", *([] if role == "member" else [role]))
    await world.store.write(apply, [*asked(1, 1, ann, "hello", calls="c"), *asked(2, 2, ann, answers="c")])
    document = json.loads(json.dumps(ROUTES.openapi()))
    services = Services(accounts=world.accounts, store=world.store, statuses=list)
    transport = httpx2.ASGITransport(create_api(services, world.authenticator))
    client = await stack.enter_async_context(httpx2.AsyncClient(transport=transport, base_url="http://gateway.test"))

    async def send(request):
        token = await world.token(ann)  # Each time another one, since some requests remove it.
        return await client.request(**request, headers={"Coder-Session-Token": token})

    return document, send


def exercise(operation, send):
    """Send an operation what its part of the document allows, and tell the statuses that came back."""
    statuses = set()

    @settings(max_examples=examples(6), deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy())
    def attempt(case):
        wanted = case.as_transport_kwargs(base_url="http://gateway.test")
        names = ("method", "url", "params", "json")
        answer = send({name: wanted[name] for name in names if wanted.get(name) is not None})
        statuses.add(answer.status_code)
        case.validate_response(answer, checks=CHECKS)

    attempt()
    return statuses
