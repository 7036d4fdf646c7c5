"""Amazon Bedrock as its clients see it: checks signatures with botocore's own signer, answers in real event-stream
frames, and tells what is wrong in AWS's words."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
import threading
import zlib
from collections import deque
from dataclasses import dataclass
from typing import Self

from aiohttp import web
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from yarl import URL

from aigateway.simulator import messages, script
from aigateway.simulator.scenario import Scenario
from tests.support.web import WebThread

ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
REGION = "eu-west-3"
VERSIONS = ("bedrock-2023-05-31", "2026-10-21")
"""All models take the first, models from 4.7 on the second as well, which Anthropic's SDKs send by now."""
BEARER = "bedrock-api-key-0123456789abcdef"


@dataclass(frozen=True)
class Received:
    """A request as it came."""

    method: str
    path: str
    """As it was encoded, with its query."""
    headers: dict[str, str]
    body: bytes
    access_key: str

    def json(self):
        return json.loads(self.body)


@dataclass(frozen=True)
class Plan:
    """What the next answer is to be, instead of a good one."""

    status: int = 0
    name: str = ""
    message: str = ""
    raw: bytes | None = None
    """An error's body as it is."""
    exception: str = ""
    """In a stream, after `after` events."""
    after: int = 2
    cut: bool = False
    damage: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    hold: threading.Event | None = None
    """Waited for after `after` events of a stream."""


class Refused(Exception):
    """The signature does not do."""


def frame(payload: bytes, **headers: str) -> bytes:
    """One message of an event stream."""
    head = b""
    for name, value in headers.items():
        key = b":" + name.replace("_", "-").encode()
        head += bytes([len(key)]) + key + b"\x07" + struct.pack(">H", len(value.encode())) + value.encode()
    lengths = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    message = lengths + struct.pack(">I", zlib.crc32(lengths)) + head + payload
    return message + struct.pack(">I", zlib.crc32(message))


def chunk(event: bytes) -> bytes:
    """An event of Anthropic's in its frame."""
    payload = json.dumps({"bytes": base64.b64encode(event).decode(), "p": "abcdefgh"}).encode()
    return frame(payload, event_type="chunk", content_type="application/json", message_type="event")


class FakeBedrock:
    """`with FakeBedrock() as bedrock:`; both interfaces, below any path."""

    def __init__(self, region: str = REGION) -> None:
        self.region = region
        self.known: dict[str, tuple[str, str | None]] = {ACCESS_KEY: (SECRET, None)}
        """Secrets and session tokens by access key."""
        self.requests: deque[Received] = deque(maxlen=64)
        self.plans: deque[Plan] = deque()
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._server = WebThread(app)

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def last(self) -> Received:
        return self.requests[-1]

    def plan(self, *plans: Plan) -> None:
        self.plans.extend(plans)

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *details: object) -> None:
        self._server.__exit__(*details)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        path = request.raw_path
        mantle = "/anthropic/" in path
        try:
            access_key = self._check(request, body, "bedrock-mantle" if mantle else "bedrock")
        except Refused as refused:
            name, _, message = str(refused).partition(": ")
            return _error(403, name, message)
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append(Received(request.method, path, headers, body, access_key))
        plan = self.plans.popleft() if self.plans else Plan()
        if plan.raw is not None:
            return web.Response(status=plan.status, body=plan.raw, headers=dict(plan.headers))
        if plan.status:
            return _error(plan.status, plan.name, plan.message, *plan.headers)
        if mantle:
            return await _mantle(request, body)
        *_, model, operation = path.split("/")
        if operation == "count-tokens":
            return _count(model, json.loads(body))
        return await _invoke(request, model, operation, body, plan)

    def _check(self, request: web.Request, body: bytes, service: str) -> str:
        """The access key, when the signature is right. Raises Refused."""
        authorization = request.headers.get("authorization", "")
        if authorization == f"Bearer {BEARER}":
            return "bearer"
        if not authorization.startswith("AWS4-HMAC-SHA256 "):
            raise Refused("MissingAuthenticationTokenException: Missing Authentication Token")
        parts = dict(part.strip().split("=", 1) for part in authorization[17:].split(","))
        access_key, _, region, scoped, _ = parts["Credential"].split("/")
        if access_key not in self.known:
            raise Refused("UnrecognizedClientException: The security token included in the request is invalid.")
        if (region, scoped) != (self.region, service):
            raise Refused(f"InvalidSignatureException: Credential should be scoped to {self.region}, {service}.")
        secret, token = self.known[access_key]
        if request.headers.get("x-amz-security-token") != token:
            raise Refused("UnrecognizedClientException: The security token included in the request is invalid.")
        names = parts["SignedHeaders"].split(";")
        signed = AWSRequest(
            request.method,
            f"http://{request.headers['host']}{request.raw_path}",
            {name: request.headers[name] for name in names},
            body,
        )
        signed.context["timestamp"] = request.headers["x-amz-date"]
        auth = SigV4Auth(Credentials(access_key, secret), service, region)
        text = auth.string_to_sign(signed, auth.canonical_request(signed))
        if auth.signature(text, signed) != parts["Signature"]:
            raise Refused("InvalidSignatureException: The request signature we calculated does not match.")
        return access_key


def _error(status: int, name: str, message: str, *headers: tuple[str, str]) -> web.Response:
    about = {"x-amzn-errortype": f"{name}:http://internal.amazon.com/coral/", "x-amzn-requestid": "aws-request-id"}
    return web.json_response({"message": message}, status=status, headers={**about, **dict(headers)})


def _count(model: str, body: dict) -> web.Response:
    if not URL(f"/{model}", encoded=True).path.startswith("/anthropic."):
        return _error(400, "ValidationException", "The provided model doesn't support counting tokens.")
    counted = json.loads(base64.b64decode(body["input"]["invokeModel"]["body"]))
    wrong = _wrong(counted)
    if wrong:
        return _error(400, "ValidationException", wrong)
    return web.json_response({"inputTokens": 7 * len(counted["messages"])}, headers={"x-amzn-requestid": "aws-count"})


def _wrong(body: dict) -> str:
    """What Bedrock says to a body that is none of its own."""
    if body.get("anthropic_version") not in VERSIONS:
        return "anthropic_version: Field required"
    if "max_tokens" not in body:
        return "max_tokens: Field required"
    for name in ("model", "stream", "metadata", "service_tier", "container"):
        if name in body:
            return f"{name}: Extra inputs are not permitted"
    return ""


async def _invoke(request: web.Request, model: str, operation: str, body: bytes, plan: Plan) -> web.StreamResponse:
    asked = json.loads(body)
    if wrong := _wrong(asked):
        return _error(400, "ValidationException", wrong)
    streaming = operation == "invoke-with-response-stream"
    assert streaming or operation == "invoke"
    named = URL(f"/{model}", encoded=True).path.removeprefix("/")
    basis = json.dumps(asked | {"anthropic_version": ""}, sort_keys=True).encode()
    answer = script.write(messages.read(asked | {"model": named, "stream": streaming}), Scenario(), basis)
    about = {"x-amzn-requestid": "aws-request-id", "x-amzn-bedrock-input-token-count": str(answer.usage.fresh)}
    if not streaming:
        return web.json_response(messages.whole(answer, asked), headers=about)
    response = web.StreamResponse(headers={"content-type": "application/vnd.amazon.eventstream", **about})
    await response.prepare(request)
    for number, event in enumerate(messages.events(answer, asked)):
        if number == plan.after:
            if plan.hold:
                assert await asyncio.to_thread(plan.hold.wait, 10)
            if plan.exception:
                payload = json.dumps({"message": plan.message}).encode()
                names = {"exception_type": plan.exception, "message_type": "exception"}
                await response.write(frame(payload, content_type="application/json", **names))
                break
            if plan.cut:
                await response.write(chunk(b'{"type":"ping"}')[:-5])
                break
            if plan.damage:
                await response.write(b"x" * 64)
                break
        await response.write(chunk(event.split(b"data: ", 1)[1].rstrip(b"\n")))
    await response.write_eof()
    return response


async def _mantle(request: web.Request, body: bytes) -> web.StreamResponse:
    if request.method == "GET":
        return web.json_response({"data": [], "has_more": False})
    asked = json.loads(body)
    if request.path.endswith("/count_tokens"):
        return web.json_response({"input_tokens": 11})
    answer = script.write(messages.read(asked), Scenario(), body)
    if not asked.get("stream"):
        return web.json_response(messages.whole(answer, asked), headers={"request-id": "req_mantle"})
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    for event in messages.events(answer, asked):
        await response.write(event)
    await response.write_eof()
    return response
