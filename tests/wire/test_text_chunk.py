from __future__ import annotations

import json

import pytest

from aigateway.wire.chat import ChatAnswer
from aigateway.wire.facts import ApiFormat
from aigateway.wire.observe import observer_for
from aigateway.wire.text_chunk import chunks_like


def chunk(content="some", *, finish=None, usage=None, padding=None, spaced=False, **delta):
    told = {"id": "chatcmpl-1", "model": "gpt-5", "choices": [{"index": 0, "delta": {"content": content, **delta}}]}
    told["choices"][0]["finish_reason"] = finish
    told["usage"] = usage
    if padding is not None:
        told["obfuscation"] = padding
    return json.dumps(told, separators=None if spaced else (",", ":")).encode()


def event(data):
    return b"data: " + data + b"\n\n"


@pytest.mark.parametrize("spaced", [True, False])
@pytest.mark.parametrize("padding", [None, "abc"])
def test_a_chunk_that_differs_in_its_text_and_padding_alone_is_known(padding, spaced):
    matches = chunks_like(chunk(padding=padding, spaced=spaced))
    for text in ("", "x", " more of it", "\n", "é😀", 'a "quoted" word', '"', "a backslash at the end \\", '\\"'):
        assert matches(event(chunk(text, padding=padding and padding * len(text), spaced=spaced)))


@pytest.mark.parametrize(
    "other",
    [
        chunk(finish="stop"),
        chunk(usage={"prompt_tokens": 1}),
        chunk(reasoning_content="hm"),
        chunk(tool_calls=[{"index": 0, "function": {"name": "f"}}]),
        chunk("x") + b',"usage":{"prompt_tokens":1}}',
        chunk('", "role": "x').replace(b"\\", b""),
        chunk("\\").replace(b"\\\\", b"\\"),
        chunk().replace(b"chatcmpl-1", b"chatcmpl-2"),
        chunk()[:-1],
        b'{"error":{"message":"no"}}',
        b"[DONE]",
    ],
)
def test_any_other_is_not(other):
    assert not chunks_like(chunk())(event(other))


def test_two_events_at_once_are_not_one():
    matches = chunks_like(chunk())
    assert not matches(event(chunk()) + event(chunk()))
    assert not matches(event(chunk())[:-1])


def test_a_chunk_without_a_text_is_no_pattern():
    assert chunks_like(b'{"choices":[{"delta":{"role":"assistant"}}]}') is None


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_a_long_answer_is_read_at_its_ends_alone(monkeypatch, at_once):
    read = []
    monkeypatch.setattr(ChatAnswer, "on_event", _remembering(ChatAnswer.on_event, read))
    observer = observer_for(ApiFormat.CHAT, content_type="text/event-stream", content_encoding="", status=200)
    events = [*(chunk(f" {n}", padding="x" * (n % 7)) for n in range(50)), chunk("", finish="stop"), b"[DONE]"]
    events.insert(-1, b'{"id":"chatcmpl-1","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":50}}')
    observer.feed(event(events.pop(0)))
    for first in range(0, len(events), at_once):
        observer.feed(b"".join(event(data) for data in events[first : first + at_once]))
    facts = observer.facts()
    assert (facts.complete, facts.usage.input_tokens, facts.usage.output_tokens) == (True, 3, 50)
    assert len(read) == 4


def test_what_comes_among_texts_is_kept():
    observer = observer_for(ApiFormat.CHAT, content_type="text/event-stream", content_encoding="", status=200)
    call = {"index": 0, "id": "call_1", "function": {"name": "shell", "arguments": "{}"}}
    for data in (chunk("a"), chunk("b"), chunk("c", reasoning_content="hm"), chunk("d"), chunk("e", tool_calls=[call])):
        observer.feed(event(data))
    observer.feed(event(chunk("f", finish="tool_calls")))
    facts = observer.facts()
    assert [(each.call_id, each.name) for each in facts.tool_calls] == [("call_1", "shell")]
    assert [thought.content for thought in facts.thoughts] == ["hm"]


def _remembering(original, read):
    def on_event(self, name, data):
        read.append(data)
        original(self, name, data)

    return on_event
