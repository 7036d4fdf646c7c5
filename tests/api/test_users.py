from __future__ import annotations

import pytest

from aigateway import __version__

FIRST = {"email": "ann@example.com", "username": "ann", "password": "correct horse"}


@pytest.fixture
async def owner(world, client):
    """Headers of an owner."""
    return {"Coder-Session-Token": await world.token(await world.user("owner", "owner"))}


async def test_setting_up_signing_in_and_out(client):
    assert (await client.get("/api/v2/users/first")).status_code == 404
    made = await client.post("/api/v2/users/first", json=FIRST)
    assert made.status_code == 201
    assert set(made.json()) == {"user_id", "organization_id"}
    assert (await client.get("/api/v2/users/first")).status_code == 200
    assert (await client.post("/api/v2/users/first", json=FIRST | {"username": "eve"})).status_code == 409

    signed_in = await client.post("/api/v2/users/login", json={"email": "ann@example.com", "password": "correct horse"})
    assert signed_in.status_code == 201
    headers = {"Coder-Session-Token": signed_in.json()["session_token"]}
    me = (await client.get("/api/v2/users/me", headers=headers)).json()
    assert me["id"] == made.json()["user_id"]
    assert me["roles"] == [{"name": "owner", "display_name": "Owner"}]
    assert (me["status"], me["login_type"], me["is_service_account"]) == ("active", "password", False)
    assert me["created_at"].endswith("Z")
    assert me["organization_ids"] == [made.json()["organization_id"]]

    assert (await client.post("/api/v2/users/logout", headers=headers)).status_code == 200
    assert (await client.get("/api/v2/users/me", headers=headers)).status_code == 401


async def test_guessing_passwords_gets_slow(client):
    guess = {"email": "Ann@example.com", "password": "wrong horse"}
    statuses = [(await client.post("/api/v2/users/login", json=guess)).status_code for _ in range(7)]
    assert statuses[:5] == [401] * 5
    assert 429 in statuses[5:]
    slow = await client.post("/api/v2/users/login", json=guess | {"email": "ann@example.com"})
    assert slow.status_code == 429
    assert 1 <= int(slow.headers["retry-after"]) <= 60
    other = await client.post("/api/v2/users/login", json=guess | {"email": "bob@example.com"})
    assert other.status_code == 401


async def test_users_from_making_to_deleting(client, owner):
    made = await client.post(
        "/api/v2/users", headers=owner, json=FIRST | {"name": "Ann A.", "roles": ["auditor"], "login_type": "password"}
    )
    assert made.status_code == 201
    ann = made.json()
    assert (ann["username"], ann["status"], ann["name"]) == ("ann", "dormant", "Ann A.")
    for ref in ("ann", "ANN", ann["id"], ann["id"].upper()):
        assert (await client.get(f"/api/v2/users/{ref}", headers=owner)).json() == ann
    listed = (await client.get("/api/v2/users", params={"q": "ann", "limit": 1}, headers=owner)).json()
    assert listed == {"users": [ann], "count": 1}
    assert (await client.put("/api/v2/users/ann/status/activate", headers=owner)).json()["status"] == "active"
    assert (await client.put("/api/v2/users/ann/status/suspend", headers=owner)).json()["status"] == "suspended"
    changed = await client.put("/api/v2/users/ann/roles", headers=owner, json={"roles": ["user-admin"]})
    assert changed.json()["roles"] == [{"name": "user-admin", "display_name": "User Admin"}]
    gone = await client.delete("/api/v2/users/ann", headers=owner)
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await client.get("/api/v2/users/ann", headers=owner)).status_code == 404


async def test_a_service_account_has_a_token_and_no_sign_in(client, owner):
    made = await client.post("/api/v2/users", headers=owner, json={"username": "ci", "service_account": True})
    assert made.status_code == 201
    assert (made.json()["login_type"], made.json()["is_service_account"]) == ("none", True)
    month = 720 * 3600 * 10**9
    key = await client.post(
        "/api/v2/users/ci/keys/tokens", headers=owner, json={"token_name": "runner", "lifetime": month}
    )
    headers = {"Coder-Session-Token": key.json()["key"]}
    assert (await client.get("/api/v2/users/me", headers=headers)).json()["username"] == "ci"


async def test_tokens_from_making_to_removing(client, owner):
    path = "/api/v2/users/me/keys/tokens"
    made = await client.post(path, headers=owner, json={"token_name": "laptop", "lifetime": 3600 * 10**9})
    assert made.status_code == 201
    token = made.json()["key"]
    [listed] = [one for one in (await client.get(path, headers=owner)).json() if one["token_name"] == "laptop"]
    assert (listed["id"], listed["lifetime_seconds"], listed["login_type"]) == (token[:10], 3600, "token")
    assert (listed["scope"], listed["username"], listed["last_used"]) == ("all", "owner", None)
    assert token[11:] not in str(listed)
    assert (await client.post(path, headers=owner, json={"token_name": "laptop"})).status_code == 409
    everybodys = await client.get(path, headers=owner, params={"include_all": "true", "include_expired": "true"})
    assert len(everybodys.json()) == 2
    removed = await client.delete("/api/v2/users/me/keys/laptop", headers=owner)
    assert removed.status_code == 204
    assert (await client.get("/api/v2/users/me", headers={"Coder-Session-Token": token})).status_code == 401
    assert (await client.delete("/api/v2/users/me/keys/laptop", headers=owner)).status_code == 404


async def test_a_session_key_can_be_made_besides(client, owner):
    key = (await client.post("/api/v2/users/me/keys", headers=owner)).json()["key"]
    assert (await client.get("/api/v2/users/me", headers={"Coder-Session-Token": key})).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "sent", "field"),
    [
        ("POST", "/api/v2/users", {"json": {}}, "username"),
        ("POST", "/api/v2/users", {"json": {"username": 7}}, "username"),
        ("POST", "/api/v2/users", {"json": FIRST | {"username": "a b"}}, "username"),
        ("POST", "/api/v2/users", {"json": FIRST | {"roles": ["root"]}}, "roles"),
        ("POST", "/api/v2/users", {"json": FIRST | {"login_type": "github"}}, "login_type"),
        ("POST", "/api/v2/users/me/keys/tokens", {"json": {"lifetime": -1}}, "lifetime"),
        ("POST", "/api/v2/users/me/keys/tokens", {"json": {"lifetime": 10**30}}, "lifetime"),
        ("POST", "/api/v2/users/me/keys/tokens", {"json": {"lifetime": 2**62}}, "lifetime"),
        ("GET", "/api/v2/users?limit=0", {}, "limit"),
        ("GET", "/api/v2/users?limit=1001", {}, "limit"),
        ("GET", "/api/v2/users?offset=-1", {}, "offset"),
        ("GET", "/api/v2/users?offset=99999999999999999999", {}, "offset"),
        ("GET", "/api/v2/users?after_id=x", {}, "after_id"),
        ("GET", "/api/v2/users/me/keys/tokens?include_expired=perhaps", {}, "include_expired"),
    ],
)
async def test_what_cannot_be_used_is_told_by_field(client, owner, method, path, sent, field):
    answer = await client.request(method, path, headers=owner, **sent)
    assert answer.status_code == 400, answer.text
    assert answer.json()["message"]
    assert [one["field"] for one in answer.json()["validations"]][:1] == [field] or field == "username"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"null", 400),
        (b"[]", 400),
        (b'"x"', 400),
        (b"\xff\xfe", 400),
        (b"[" * 100_000, 400),
        (rb'{"email": "a@b", "password": "\ud800"}', 400),
        (b'{"email": "a@b", "password": "' + b"x" * (1 << 21) + b'"}', 413),
    ],
)
async def test_a_body_that_is_nonsense_is_refused_politely(client, body, status):
    answer = await client.post("/api/v2/users/login", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert answer.json()["message"]


async def test_what_is_not_there_and_what_is_not_done(client, owner):
    assert (await client.get("/api/v2/nothing", headers=owner)).json() == {"message": "Not Found."}
    assert (await client.patch("/api/v2/users/me", headers=owner)).status_code == 405
    assert (await client.get("/api/v2/users/nobody", headers=owner)).status_code == 404
    assert (await client.get("/api/v2/users/%00", headers=owner)).status_code == 404


async def test_anyone_may_know_the_version(client):
    assert (await client.get("/api/v2/buildinfo")).json() == {"version": __version__}


async def test_passwords_are_changed_by_those_who_may(client, world, owner):
    await client.post("/api/v2/users", headers=owner, json=FIRST)
    signed_in = await client.post("/api/v2/users/login", json={"email": "ann@example.com", "password": "correct horse"})
    ann = {"Coder-Session-Token": signed_in.json()["session_token"]}
    for body, status in (
        ({"password": "battery staple"}, 400),
        ({"password": "short", "old_password": "correct horse"}, 400),
        ({"password": "battery staple", "old_password": "correct horse"}, 204),
    ):
        assert (await client.put("/api/v2/users/me/password", headers=ann, json=body)).status_code == status
    assert (
        await client.put("/api/v2/users/owner/password", headers=ann, json={"password": "battery staple"})
    ).status_code == 404
    reset = await client.put("/api/v2/users/ann/password", headers=owner, json={"password": "staple battery"})
    assert reset.status_code == 204
    assert (await client.get("/api/v2/users/me", headers=ann)).status_code == 401
    guesses = [
        (
            await client.put(
                "/api/v2/users/me/password", headers=owner, json={"password": "x" * 9, "old_password": "guess"}
            )
        ).status_code
        for _ in range(7)
    ]
    assert guesses[:5] == [400] * 5
    assert 429 in guesses[5:]


async def test_accounts_for_openid_connect_await_their_people(client, owner):
    body = {"username": "grace", "email": "grace@example.com", "login_type": "oidc"}
    made = await client.post("/api/v2/users", headers=owner, json=body)
    assert (made.status_code, made.json()["login_type"], made.json()["status"]) == (201, "oidc", "dormant")
    for wrong in ({"password": "correct horse"}, {"service_account": True}, {"login_type": "github"}):
        other = body | {"username": "other", "email": "other@example.com"} | wrong
        assert (await client.post("/api/v2/users", headers=owner, json=other)).status_code == 400


async def test_everybody_may_ask_how_to_sign_in(client):
    answer = await client.get("/api/v2/users/authmethods")
    assert answer.json() == {
        "password": {"enabled": True},
        "github": {"enabled": False},
        "oidc": {"enabled": False, "signInText": "", "iconUrl": ""},
    }
