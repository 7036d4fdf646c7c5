"""Real requests of real clients, where they are at hand. The expectations are ours; no vendor text is here."""

import json
import os
from pathlib import Path
from typing import NamedTuple

import pytest

from aigateway.wire.clients import identify
from aigateway.wire.facts import ApiFormat
from aigateway.wire.request import read_request

CAPTURES = Path(os.environ.get("AIGATEWAY_CAPTURES") or Path(__file__).parents[3] / "shared" / "captures")
CODEX, CLAUDE, COPILOT = "Codex", "Claude Code", "GitHub Copilot (CLI)"


class Expected(NamedTuple):
    client: str
    session: str | None
    prompt: str | None
    answers: str | None
    purpose: str | None


EXPECTED = {
    "claude-code/01-plain.json": Expected(
        CLAUDE, "7907b60c-2839-4397-820f-67aa17615e84", "What does a.py do?", None, None
    ),
    "claude-code/02-tool-loop-1.json": Expected(
        CLAUDE, "46bbc98a-67f6-400c-977f-6aab8b6a0401", "Show me the file a.py.", None, None
    ),
    "claude-code/03-tool-loop-2.json": Expected(
        CLAUDE, "46bbc98a-67f6-400c-977f-6aab8b6a0401", None, "toolu_b2f0bed3bcfd407092c23ffb", None
    ),
    "claude-code/04-thinking-enabled-model.json": Expected(
        CLAUDE, "9d6f4107-8214-46c2-9c81-1ac578d91234", "Why is the second run faster?", None, None
    ),
    "claude-code/05-haiku-alias.json": Expected(CLAUDE, "75e447ce-750e-422a-8772-a946f1a6ff5b", "Say ok.", None, None),
    "claude-code/08-fallback-to-non-stream-1.json": Expected(
        CLAUDE, "550e77fa-c8a9-4662-9081-247b978d1d15", "Summarise the project.", None, None
    ),
    "claude-code/09-fallback-to-non-stream-2.json": Expected(
        CLAUDE, "550e77fa-c8a9-4662-9081-247b978d1d15", "Summarise the project.", None, None
    ),
    "claude-code/10-beta-stripping-retries-after-400-1.json": Expected(
        CLAUDE, "d1b24321-8bb9-4d57-9098-638c9df1c725", "Summarise the project.", None, None
    ),
    "claude-code/11-beta-stripping-retries-after-400-2.json": Expected(
        CLAUDE, "d1b24321-8bb9-4d57-9098-638c9df1c725", "Summarise the project.", None, None
    ),
    "claude-code/12-auth-api-key.json": Expected(CLAUDE, "977e1534-684f-48b6-abf8-96e25d24758a", "Say ok.", None, None),
    "claude-code/13-auth-byok.json": Expected(CLAUDE, "0e19867e-72e5-4dcf-a82d-32e0933d2552", "Say ok.", None, None),
    "claude-code/15-interactive-title-request.json": Expected(
        CLAUDE, "2de18598-5e77-4dc9-9a03-e2ee2b0bc2fc", None, None, "title"
    ),
    "claude-code/16-interactive-tool-loop-1.json": Expected(
        CLAUDE, "2de18598-5e77-4dc9-9a03-e2ee2b0bc2fc", "please run it", None, None
    ),
    "claude-code/17-old-version-tool-loop-1.json": Expected(
        CLAUDE, "dbf21204-43fc-4bf5-a5ce-30330a180597", "Show me the file a.py.", None, None
    ),
    "claude-code/18-old-version-tool-loop-2.json": Expected(
        CLAUDE, "dbf21204-43fc-4bf5-a5ce-30330a180597", None, None, "helper"
    ),
    "claude-code/19-old-version-tool-loop-3.json": Expected(
        CLAUDE, "dbf21204-43fc-4bf5-a5ce-30330a180597", None, None, "helper"
    ),
    "claude-code/20-old-version-tool-loop-4.json": Expected(
        CLAUDE, "dbf21204-43fc-4bf5-a5ce-30330a180597", None, "toolu_9f6bc7bb25914f74a1c998d5", None
    ),
    "cline/01-chat-plain.json": Expected("Unknown", None, "go", None, None),
    "codex/01-plain.json": Expected(CODEX, "01a20825-849e-7453-b0c5-acfbeda70d9f", "What is this project?", None, None),
    "codex/02-tool-loop-1.json": Expected(CODEX, "01a20825-89df-7500-a4bd-971b23a9c2ae", "List the files.", None, None),
    "codex/03-tool-loop-2.json": Expected(
        CODEX, "01a20825-89df-7500-a4bd-971b23a9c2ae", None, "call_b62a0d735d1548f68c2d418e", None
    ),
    "codex/04-custom-tool-apply-patch-1.json": Expected(
        CODEX, "01a20825-92f2-7143-a056-16f219b0dd26", "Add a file patched.txt.", None, None
    ),
    "codex/05-custom-tool-apply-patch-2.json": Expected(
        CODEX, "01a20825-92f2-7143-a056-16f219b0dd26", None, "call_b18a788d24aa4b9282a3df81", None
    ),
    "codex/06-image-input.json": Expected(
        CODEX, "01a20825-95b6-7ef0-8355-2a76379865da", "What colour is this?", None, None
    ),
    "codex/07-unknown-model-tool-loop-1.json": Expected(
        CODEX, "01a20825-9855-7460-ad5a-0c7003c914aa", "List the files.", None, None
    ),
    "codex/08-unknown-model-tool-loop-2.json": Expected(
        CODEX, "01a20825-9855-7460-ad5a-0c7003c914aa", None, "call_8dbce188e9b04068b5721d9a", None
    ),
    "codex/09-code-mode-tool-loop-1.json": Expected(
        CODEX, "01a20825-9b10-7d01-9e86-826cb788025c", "List the files.", None, None
    ),
    "codex/10-code-mode-tool-loop-2.json": Expected(
        CODEX, "01a20825-9b10-7d01-9e86-826cb788025c", None, "call_3d75353ef7c94248885b7216", None
    ),
    "codex/11-auth-byok.json": Expected(CODEX, "01a20825-a327-7ec2-af4a-2ea9fd0836b1", "Say ok.", None, None),
    "codex/13-websocket-tool-loop-2.json": Expected(
        CODEX, "01a20825-aeb4-7443-a989-027900e4afed", None, None, "warmup"
    ),
    "codex/14-websocket-tool-loop-3.json": Expected(
        CODEX, "01a20825-aeb4-7443-a989-027900e4afed", "List the files.", None, None
    ),
    "codex/15-websocket-tool-loop-4.json": Expected(
        CODEX, "01a20825-aeb4-7443-a989-027900e4afed", None, "call_8a19503cd9044995bf07c574", None
    ),
    "codex/16-zstd-compressed-request.json": Expected(CODEX, "01a20803-b7e4-7d53-93bd-c0a59a140f1c", "run", None, None),
    "copilot-cli/01-chat-tool-loop-1.json": Expected(COPILOT, None, "List the files.", None, None),
    "copilot-cli/02-chat-tool-loop-2.json": Expected(COPILOT, None, None, "call_ee1d989a92364112a746b6a3", None),
    "copilot-cli/03-responses-tool-loop-1.json": Expected(
        COPILOT, "13da306c0ef7ba89aa1ac826cb5dd902", "List the files.", None, None
    ),
    "copilot-cli/04-responses-tool-loop-2.json": Expected(
        COPILOT, "13da306c0ef7ba89aa1ac826cb5dd902", None, "call_08159e808c08422883377159", None
    ),
    "copilot-cli/05-anthropic-tool-loop-1.json": Expected(COPILOT, None, "List the files.", None, None),
    "copilot-cli/06-anthropic-tool-loop-2.json": Expected(COPILOT, None, None, "toolu_c8b92f69653a4b388af37dd7", None),
    "kilo-code/01-chat-plain.json": Expected("Kilo Code", "ses_df7e4226effeatjIlbM31zzt8p", '"go"', None, None),
    "kilo-code/02-chat-tool-result.json": Expected(
        "Kilo Code", "ses_df7e4226effeatjIlbM31zzt8p", None, "call_eee032b8d008432e8a1c50c8", None
    ),
    "kilo-code/03-chat-title-request.json": Expected(
        "Kilo Code", "ses_df7e4226effeatjIlbM31zzt8p", None, None, "title"
    ),
    "kilo-code/04-anthropic-plain.json": Expected("Kilo Code", "ses_df7e3e919ffeQHx5l7mJy0we0c", '"go"', None, None),
    "opencode/01-anthropic-tool-loop-1.json": Expected(
        "OpenCode", "ses_df7da4613ffeoEwEN4G6c1D4t9", None, None, "title"
    ),
    "opencode/02-anthropic-tool-loop-2.json": Expected(
        "OpenCode", "ses_df7da4613ffeoEwEN4G6c1D4t9", '"List the files."', None, None
    ),
    "opencode/03-anthropic-tool-loop-3.json": Expected(
        "OpenCode", "ses_df7da4613ffeoEwEN4G6c1D4t9", None, "toolu_362516c939e54a02ab0779cc", None
    ),
    "opencode/04-responses-tool-loop-1.json": Expected(
        "OpenCode", "ses_df7da3840ffeYBWIRWPjvlNNri", None, None, "title"
    ),
    "opencode/05-responses-tool-loop-2.json": Expected(
        "OpenCode", "ses_df7da3840ffeYBWIRWPjvlNNri", '"List the files."', None, None
    ),
    "opencode/06-responses-tool-loop-3.json": Expected(
        "OpenCode", "ses_df7da3840ffeYBWIRWPjvlNNri", None, "call_c23244f56a5d4eddbca3d839", None
    ),
    "opencode/07-chat-tool-loop-1.json": Expected("OpenCode", "ses_df7da1cc0ffe66ephLcBbrzqNC", None, None, "title"),
    "opencode/08-chat-tool-loop-2.json": Expected(
        "OpenCode", "ses_df7da1cc0ffe66ephLcBbrzqNC", '"List the files."', None, None
    ),
    "opencode/09-chat-tool-loop-3.json": Expected(
        "OpenCode", "ses_df7da1cc0ffe66ephLcBbrzqNC", None, "call_df0c603009eb458588c859f2", None
    ),
    "pi/01-anthropic-plain.json": Expected("Unknown", None, "go", None, None),
    "pi/02-anthropic-tool-result.json": Expected("Unknown", None, None, "toolu_60f72b866e304b419767f620", None),
    "pi/03-responses-plain.json": Expected("Unknown", "01a20809-4c60-72af-8a23-6e7e4cd72ff5", "go", None, None),
    "pi/04-chat-plain.json": Expected("Unknown", None, "go", None, None),
    "qwen-code/01-chat-plain.json": Expected("Qwen Code", None, "go", None, None),
    "sdk-js/01-openai-chat-stream.json": Expected("Unknown", None, "Hello there.", None, None),
    "sdk-js/02-anthropic-messages-stream.json": Expected("Unknown", None, "Hello there.", None, None),
    "sdk-js/03-ai-sdk-openai-responses.json": Expected("Unknown", None, "Hello there.", None, None),
    "sdk-python/01-openai-chat-stream-include-usage.json": Expected("Unknown", None, "Hello there.", None, None),
    "sdk-python/02-openai-responses-tools.json": Expected("Unknown", None, "Hello there.", None, None),
    "sdk-python/04-anthropic-messages-stream-thinking-tools.json": Expected(
        "Unknown", None, "Hello there.", None, None
    ),
    "sdk-python/07-langchain-anthropic.json": Expected("Unknown", None, "Hello there.", None, None),
}


def api_of(path):
    if "/v1/messages" in path:
        return ApiFormat.MESSAGES
    return ApiFormat.CHAT if path.endswith("/chat/completions") else ApiFormat.RESPONSES


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="no captures of real clients; set AIGATEWAY_CAPTURES to their folder")
@pytest.mark.parametrize("name", EXPECTED)
def test_a_captured_request_is_understood(name):
    if not (CAPTURES / name).is_file():
        pytest.skip(f"the captures have no {name}")
    request = json.loads((CAPTURES / name).read_text("utf-8"))["request"]
    facts = read_request(api_of(request["path"]), json.dumps(request["body"]).encode())
    client = identify({key.lower(): value for key, value in request["headers"]}, facts)

    found = Expected(client.client, client.session_id, facts.prompt, facts.correlating_tool_call_id, facts.purpose)

    assert found == EXPECTED[name]
    assert facts.model == request["body"]["model"]
    assert facts.streaming is request["body"].get("stream", False)
    assert not client.sub_agent
