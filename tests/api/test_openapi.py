from __future__ import annotations

import base64
import hashlib
import re

import pytest

from aigateway.store.ingest import apply
from tests.api.test_sessions import asked


@pytest.fixture
async def signed_in(world, client):
    ann = await world.user("ann")
    await world.store.write(apply, asked(1, 1, ann, "hello", calls="c"))
    headers = {"Coder-Session-Token": await world.token(ann)}

    async def get(path):
        return await client.get(path, headers=headers)

    return get


async def test_whoever_is_signed_in_reads_what_there_is(signed_in, client):
    document = (await signed_in("/api/v2/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert "/api/v2/ai-gateway/sessions" in document["paths"]
    assert (await client.get("/api/v2/openapi.json")).status_code == 401
    assert (await client.get("/api/v2/docs")).status_code == 401


async def test_every_operation_is_described_with_its_refusals(signed_in):
    document = (await signed_in("/api/v2/openapi.json")).json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            assert {"400", "401", "503"} <= operation["responses"].keys()
            assert "422" not in operation["responses"]


async def test_the_page_needs_nothing_from_elsewhere_and_runs_nothing(signed_in):
    answer = await signed_in("/api/v2/docs")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    [style] = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() in policy
    for banned in ("<script", "http://", "https://", "onclick", "style="):
        assert banned not in answer.text
    assert "/api/v2/ai-gateway/sessions/{session_id}" in answer.text
