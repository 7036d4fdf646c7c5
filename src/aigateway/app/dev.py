"""`server --dev`: everything that a person needs to try the gateway, with no key and no network."""

from __future__ import annotations

import os
import secrets
from datetime import timedelta
from pathlib import Path

import msgspec

from aigateway.accounts.bootstrap import create_admin, create_token
from aigateway.accounts.errors import Conflict
from aigateway.app.services import Services
from aigateway.settings.model import Settings
from aigateway.settings.providers import ProviderSettings, ProviderType
from aigateway.store import users

EVENT_INTERVAL_SECONDS = 0.02
"""Between two events of a simulated stream: slow enough to be seen streaming."""

_USERNAME = "admin"
_EMAIL = "admin@example.com"
_TOKEN_LIFETIME = timedelta(days=30)


class DevAccount(msgspec.Struct):
    """The account of a trial, as `dev.json` keeps it, so that the pasted lines still work after a restart."""

    username: str
    token: str
    email: str = _EMAIL
    password: str = ""
    """Empty when the account was there before the file."""


def providers(simulator_url: str) -> tuple[ProviderSettings, ...]:
    """The simulated providers."""
    sources = dict.fromkeys(("type", "name", "base_url"), "--dev")
    return (
        ProviderSettings(type=ProviderType.OPENAI, name="sim-openai", base_url=f"{simulator_url}/v1", sources=sources),
        ProviderSettings(type=ProviderType.ANTHROPIC, name="sim-anthropic", base_url=simulator_url, sources=sources),
    )


async def welcome(settings: Settings, services: Services, url: str) -> str:
    """Make the account on the first start, and say how to use it."""
    account = await _account(settings.data_dir / "dev.json", services)
    base = f"{url}/api/v2/aibridge"
    password = account.password or "(as it was when the account was made)"
    return f"""
AI Gateway is running at {url} with simulated providers (--dev: for trying out, not for work).

  sign in     {account.username} / {account.email} / {password}
  token       {account.token}

Paste one of these; the answer streams at once:

  curl -N {base}/sim-openai/v1/chat/completions \\
    -H 'Authorization: Bearer {account.token}' -H 'Content-Type: application/json' \\
    -d '{{"model": "sim", "stream": true, "messages": [{{"role": "user", "content": "Hello there"}}]}}'

  curl -N {base}/sim-openai/v1/responses \\
    -H 'Authorization: Bearer {account.token}' -H 'Content-Type: application/json' \\
    -d '{{"model": "sim", "stream": true, "input": "Hello there"}}'

  curl -N {base}/sim-anthropic/v1/messages \\
    -H 'X-Api-Key: {account.token}' -H 'Anthropic-Version: 2023-06-01' \\
    -H 'Content-Type: application/json' -d '{{"model": "sim", "max_tokens": 99, "stream": true,
      "messages": [{{"role": "user", "content": "Hello there"}}]}}'

See what was recorded:

  aigateway login {url} --token {account.token}
  aigateway ai-gateway interceptions list -o table

Claude Code:

  ANTHROPIC_BASE_URL={base}/sim-anthropic ANTHROPIC_AUTH_TOKEN={account.token} claude

Codex, in ~/.codex/config.toml, then OPENAI_API_KEY={account.token} codex:

  model_provider = "aigateway"
  [model_providers.aigateway]
  name = "AI Gateway"
  base_url = "{base}/sim-openai/v1"
  env_key = "OPENAI_API_KEY"
  wire_api = "responses"
"""


async def _account(path: Path, services: Services) -> DevAccount:
    saved = _read(path)
    if saved is not None and await services.authenticator.authenticate(saved.token) is not None:
        return saved
    password = secrets.token_urlsafe(12)
    try:
        user = await create_admin(services.store, username=_USERNAME, email=_EMAIL, password=password)
    except Conflict:
        found = await services.store.read(users.by_username, _USERNAME)
        if found is None:
            raise
        user, password = found, saved.password if saved else ""
    token = await create_token(services.store, user, name="", lifetime=_TOKEN_LIFETIME)
    account = DevAccount(username=user.username, token=token, email=user.email, password=password)
    _write(path, account)
    return account


def _read(path: Path) -> DevAccount | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=DevAccount)
    except (OSError, msgspec.DecodeError):
        return None


def _write(path: Path, account: DevAccount) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(account), indent=2) + b"\n")
