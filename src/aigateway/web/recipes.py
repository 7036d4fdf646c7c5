"""How each client is told to use the gateway (control-plane spec 11). Data, with places for what differs.

In the lines `$URL` is where the gateway serves the provider, and `$TOKEN` the token.
"""

from __future__ import annotations

from dataclasses import dataclass

from aigateway.settings.providers import ProviderType

_OPENAI, _ANTHROPIC = ProviderType.OPENAI, ProviderType.ANTHROPIC


@dataclass(frozen=True, slots=True)
class Step:
    """Lines to copy, and where they go."""

    where: str
    lines: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """A client, a kind of provider, and what to do."""

    slug: str
    name: str
    speaks: ProviderType
    steps: tuple[Step, ...]
    note: str = ""

    def filled(self, *, base: str, provider: str, token: str) -> list[Step]:
        """The steps with everything in its place."""
        url = f"{base}/{provider}"
        return [Step(step.where, step.lines.replace("$URL", url).replace("$TOKEN", token)) for step in self.steps]


_SHELL = "In the shell"

RECIPES: tuple[Recipe, ...] = (
    Recipe(
        "claude-code",
        "Claude Code",
        _ANTHROPIC,
        (Step(_SHELL, "export ANTHROPIC_BASE_URL=$URL\nexport ANTHROPIC_AUTH_TOKEN=$TOKEN\nclaude"),),
        "Unset ANTHROPIC_API_KEY if it is set.",
    ),
    Recipe(
        "codex",
        "Codex",
        _OPENAI,
        (
            Step(
                "In ~/.codex/config.toml",
                'model_provider = "aigateway"\n\n[model_providers.aigateway]\nname = "AI Gateway"\n'
                'base_url = "$URL/v1"\nenv_key = "OPENAI_API_KEY"\nwire_api = "responses"',
            ),
            Step(_SHELL, "export OPENAI_API_KEY=$TOKEN\ncodex"),
        ),
    ),
    Recipe(
        "opencode",
        "OpenCode (Anthropic)",
        _ANTHROPIC,
        (
            Step(
                "In opencode.json",
                '{\n  "$schema": "https://opencode.ai/config.json",\n  "provider": {\n    "anthropic": {\n'
                '      "options": { "baseURL": "$URL/v1", "apiKey": "$TOKEN" }\n    }\n  }\n}',
            ),
        ),
    ),
    Recipe(
        "opencode-openai",
        "OpenCode (OpenAI)",
        _OPENAI,
        (
            Step(
                "In opencode.json",
                '{\n  "$schema": "https://opencode.ai/config.json",\n  "provider": {\n    "openai": {\n'
                '      "options": { "baseURL": "$URL/v1", "apiKey": "$TOKEN" }\n    }\n  }\n}',
            ),
        ),
    ),
    Recipe(
        "cline",
        "Cline, Roo Code, Kilo Code",
        _OPENAI,
        (
            Step("API provider", "OpenAI Compatible"),
            Step("Base URL", "$URL/v1"),
            Step("API key", "$TOKEN"),
        ),
    ),
    Recipe(
        "zed",
        "Zed",
        _ANTHROPIC,
        (
            Step(
                "In settings.json",
                '"language_models": {\n  "anthropic": { "api_url": "$URL" }\n}',
            ),
            Step("API key, in the agent panel's settings", "$TOKEN"),
        ),
    ),
    Recipe(
        "copilot-cli",
        "Copilot CLI",
        _OPENAI,
        (
            Step(
                _SHELL,
                "export COPILOT_PROVIDER_BASE_URL=$URL/v1\nexport COPILOT_PROVIDER_TYPE=openai\n"
                "export COPILOT_PROVIDER_API_KEY=$TOKEN\nexport COPILOT_MODEL=gpt-5.5\ncopilot",
            ),
        ),
    ),
    Recipe(
        "goose",
        "Goose",
        _OPENAI,
        (Step(_SHELL, "export OPENAI_HOST=$URL\nexport OPENAI_API_KEY=$TOKEN\ngoose session"),),
    ),
    Recipe(
        "qwen-code",
        "Qwen Code",
        _OPENAI,
        (Step(_SHELL, "export OPENAI_BASE_URL=$URL/v1\nexport OPENAI_API_KEY=$TOKEN\nqwen --auth-type openai"),),
    ),
    Recipe(
        "jetbrains",
        "JetBrains AI Assistant",
        _OPENAI,
        (Step("OpenAI-compatible provider, URL", "$URL/v1"), Step("API key", "$TOKEN")),
    ),
    Recipe(
        "openai-sdk",
        "OpenAI SDK",
        _OPENAI,
        (Step("In Python", 'from openai import OpenAI\n\nclient = OpenAI(base_url="$URL/v1", api_key="$TOKEN")'),),
    ),
    Recipe(
        "anthropic-sdk",
        "Anthropic SDK",
        _ANTHROPIC,
        (
            Step(
                "In Python",
                'from anthropic import Anthropic\n\nclient = Anthropic(base_url="$URL", auth_token="$TOKEN")',
            ),
        ),
    ),
    Recipe(
        "curl",
        "curl (OpenAI)",
        _OPENAI,
        (
            Step(
                _SHELL,
                "curl -N $URL/v1/chat/completions \\\n  -H 'Authorization: Bearer $TOKEN' "
                "-H 'Content-Type: application/json' \\\n"
                '  -d \'{"model": "gpt-5.5", "stream": true, "messages": [{"role": "user", "content": "Hello"}]}\'',
            ),
        ),
    ),
    Recipe(
        "curl-anthropic",
        "curl (Anthropic)",
        _ANTHROPIC,
        (
            Step(
                _SHELL,
                "curl -N $URL/v1/messages \\\n  -H 'X-Api-Key: $TOKEN' -H 'Anthropic-Version: 2023-06-01' "
                "-H 'Content-Type: application/json' \\\n"
                '  -d \'{"model": "claude-sonnet-4-6", "max_tokens": 99, "stream": true, '
                '"messages": [{"role": "user", "content": "Hello"}]}\'',
            ),
        ),
    ),
)
