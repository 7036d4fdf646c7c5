"""Where AWS's SDKs find credentials, on loopback: instance metadata, a container's endpoint, and STS."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Self
from urllib.parse import parse_qs

from aiohttp import web

from tests.support.web import WebThread

INSTANCE_ROLE = "instance-role"


class FakeAws:
    """`with FakeAws() as aws:`; what it gives out has access keys that tell where they are from, and a number."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        """How often each place gave credentials out."""
        self.forms: list[dict[str, str]] = []
        """What STS was asked."""
        self.lifetime = timedelta(hours=6)
        self.broken = False
        app = web.Application()
        base = "/latest/meta-data/iam/security-credentials/"
        app.router.add_put("/latest/api/token", self._token)
        app.router.add_get(base, self._role)
        app.router.add_get(base + INSTANCE_ROLE, self._instance)
        app.router.add_get("/container", self._container)
        app.router.add_post("/", self._sts)
        self._server = WebThread(app)

    @property
    def url(self) -> str:
        return self._server.url

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *details: object) -> None:
        self._server.__exit__(*details)

    def _given(self, place: str) -> dict[str, str]:
        if self.broken:
            raise web.HTTPInternalServerError
        self.asked[place] += 1
        number = self.asked[place]
        expires = datetime.now(UTC) + self.lifetime
        return {
            "AccessKeyId": f"ASIA{place.upper()}{number}EXAMPLE",
            "SecretAccessKey": f"secret-{place}-{number}",
            "Token": f"token-{place}-{number}",
            "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    async def _token(self, _: web.Request) -> web.Response:
        return web.Response(text="imds-token")

    async def _role(self, request: web.Request) -> web.Response:
        assert request.headers["x-aws-ec2-metadata-token"] == "imds-token"
        return web.Response(text=INSTANCE_ROLE)

    async def _instance(self, _: web.Request) -> web.Response:
        return web.json_response({"Code": "Success", "Type": "AWS-HMAC"} | self._given("instance"))

    async def _container(self, request: web.Request) -> web.Response:
        self.forms.append({"authorization": request.headers.get("authorization", "")})
        return web.json_response(self._given("container"))

    async def _sts(self, request: web.Request) -> web.Response:
        form = {name: values[0] for name, values in parse_qs((await request.read()).decode()).items()}
        self.forms.append(form | {"authorization": request.headers.get("authorization", "")})
        action = form["Action"]
        given = self._given("role" if action == "AssumeRole" else "web")
        names = {"Token": "SessionToken"}
        fields = "".join(f"<{names.get(name, name)}>{value}</{names.get(name, name)}>" for name, value in given.items())
        user = "<AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/s</Arn></AssumedRoleUser>"
        body = (
            f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result>'
            f"<Credentials>{fields}</Credentials>{user}</{action}Result></{action}Response>"
        )
        return web.Response(text=body, content_type="text/xml")
