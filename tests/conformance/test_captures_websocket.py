"""Sockets as real clients use them, replayed: each message reaches the provider as it was sent, and is on record."""

from __future__ import annotations

import asyncio
import hashlib
import json
from itertools import groupby

import aiohttp
import pytest

from tests.conformance.test_captures import SOCKETS, assert_headers, expected_of, headers_of
from tests.support.waiting import eventually

HANDSHAKE = {"upgrade", "sec-websocket-version", "sec-websocket-key", "sec-websocket-extensions"}
CONVERSATIONS = {folder.name: list(paths) for folder, paths in groupby(SOCKETS, lambda path: path.parent)}


@pytest.mark.parametrize("paths", CONVERSATIONS.values(), ids=CONVERSATIONS)
async def test_replay(gateway, simulator, paths):
    opening, *messages = [json.loads(path.read_text("utf-8")) for path in paths]
    known = {row["id"] for row in gateway.interceptions()}
    capture = opening["request"]
    headers = [(name, value) for name, value in headers_of(capture, gateway.token) if name.lower() not in HANDSHAKE]
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(gateway.url + capture["path"], headers=headers, compress=15, max_msg_size=0) as socket,
    ):
        capture["headers"] = [[name, value] for name, value in capture["headers"] if name.lower() not in HANDSHAKE]
        assert_headers(capture, simulator.requests[-1])
        for message in messages:
            body = json.dumps(message["request"]["body"], ensure_ascii=False, separators=(", ", ":"))
            await socket.send_str(body)
            async with asyncio.timeout(10):
                while (await socket.receive_json())["type"] != "response.completed":
                    pass
            assert simulator.requests[-1].sha256 == hashlib.sha256(body.encode()).hexdigest()

    def turns():
        return sorted((row for row in gateway.interceptions() if row["id"] not in known), key=_begun)

    await eventually(lambda: len(turns()) == len(messages))
    for path, message, row in zip(paths[1:], messages, turns(), strict=True):
        client, session, prompt = expected_of(path, message)
        body = message["request"]["body"]
        assert (row["client"], row["session_id"]) == (client, session)
        assert [told["prompt"] for told in row["user_prompts"]] == ([prompt] if prompt else [])
        assert (row["status_code"], row["error_type"], row["streaming"]) == (200, None, True)
        assert len(row["token_usages"]) == 1
        assert row["metadata"]["transport"] == "websocket"
        assert row["metadata"].get("purpose") == ("warmup" if body.get("generate") is False else None)
        assert row["metadata"].get("previous_response_id") == body.get("previous_response_id")


def _begun(row):
    return row["started_at"]
