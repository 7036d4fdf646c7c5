"""What happened, in the order in which it did, for reading in a terminal."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Mapping
from typing import Any

import click

from aigateway.cli.output import moment, printable

_NARROW, _WIDE = 40, 120
_INDENT = "          "


def print_session(found: Mapping[str, Any]) -> None:
    """A session with its threads, as REST tells them."""
    tokens = found["token_usage_summary"]
    click.secho(f"Session {printable(found['id'])}", bold=True)
    _fact("who", f"{found['initiator']['username']}, with {found['client']}")
    _fact("when", f"{moment(found['started_at'])} to {moment(found['ended_at'])} (UTC)")
    _fact("what", f"{', '.join(found['models'])} of {', '.join(found['provider_names'])}")
    _fact("requests", f"{found['interceptions']} in {found['thread_count']} threads, {found['failures']} failed")
    _fact("tokens", _tokens(tokens))
    for thread in found["threads"]:
        click.echo()
        click.secho(f"── {moment(thread['started_at'])}  {printable(thread['model'])}  {thread['id']}", fg="cyan")
        _text(thread["prompt"] if "prompt" in thread else _unasked(thread), indent="", bold="prompt" in thread)
        for step in sorted(thread["agentic_actions"] + thread["answers"], key=lambda step: str(step["started_at"])):
            _step(step)


def print_interception(found: Mapping[str, Any]) -> None:
    """A request whole, as REST tells it."""
    click.secho(f"Request {found['id']}", bold=True)
    _fact("who", f"{found['initiator']['username']}, with {found['client']}, token {found['api_key_id'] or 'unknown'}")
    ended = f"to {moment(found['ended_at'])}" if found["ended_at"] else "and still under way"
    _fact("when", f"{moment(found['started_at'])} {ended} (UTC)")
    hint = f" {found['credential_hint']}" if found["credential_hint"] else ""
    _fact("what", f"{found['model']} of {found['provider_name']}, {found['credential_kind']} credential{hint}")
    _fact("session", str(found["session_id"]))
    if found["thread_root_id"]:
        _fact("thread", f"{found['thread_root_id']}, answers {found['thread_parent_id']}")
    _fact("bytes", f"{found['request_bytes']:,} in, {found['response_bytes']:,} out")
    click.echo()
    for prompt in found["user_prompts"]:
        _text(prompt["prompt"], indent="", bold=True)
    usages = found["token_usages"]
    names = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_write_input_tokens")
    _step(
        {
            **found,
            "token_usage": {name: sum(usage[name] for usage in usages) for name in names},
            "thinking": [{"text": thought["content"]} for thought in found["model_thoughts"]],
            "tool_calls": found["tool_usages"],
        }
    )


def _step(step: Mapping[str, Any]) -> None:
    """One request: what the model thought and called, how long it took, and how it failed."""
    clock = moment(step["started_at"])[-8:]
    for number, thought in enumerate(step["thinking"]):
        _line(clock if not number else "", "thought", fg="yellow")
        _text(thought["text"])
    for call in step["tool_calls"]:
        where = f" at {call['server_url']}" if call["server_url"] else ""
        executor = (call["metadata"] or {}).get("executor")
        _line(
            clock, f"tool {call['tool']}{where}{', run by the provider' if executor == 'provider' else ''}", fg="green"
        )
        _text(_pretty(call["input"]))
        if call["invocation_error"]:
            _text(f"failed: {call['invocation_error']}", fg="red")
    if not step["tool_calls"] and not step.get("error_type"):
        _line(clock, "answered")
    if step.get("error_type"):
        _line(clock, f"failed: {step['error_type']}, {step.get('status_code') or 'no status'}", fg="red")
        _text(step.get("error_message") or "", fg="red")
    _text(f"{_took(step)}{_tokens(step['token_usage'])}", dim=True)


def _took(step: Mapping[str, Any]) -> str:
    duration, first = step.get("duration_ms"), step.get("time_to_first_byte_ms")
    if duration is None:
        return ""
    told = f"{duration / 1000:.1f} s"
    return f"{told} (first byte {first / 1000:.1f} s), " if first is not None else f"{told}, "


def _tokens(usage: Mapping[str, Any]) -> str:
    told = f"tokens {usage['input_tokens']:,} in, {usage['output_tokens']:,} out"
    for name, word in (("cache_read_input_tokens", "from cache"), ("cache_write_input_tokens", "to cache")):
        if usage[name]:
            told += f", {usage[name]:,} {word}"
    return told


def _unasked(thread: Mapping[str, Any]) -> str:
    metadata = thread["metadata"]
    if purpose := metadata.get("purpose"):
        return f"(side request: {purpose})"
    agent = metadata.get("agent_id") or metadata.get("subagent") or metadata.get("parent_thread_id")
    return f"(sub-agent {agent})" if agent else "(no prompt of a person)"


def _pretty(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _fact(name: str, text: str) -> None:
    click.echo(f"{name:>9}: {printable(text)}")


def _line(clock: str, text: str, **style: Any) -> None:
    click.echo(f"{clock:8}  {click.style(printable(text), **style)}")


def _text(text: str, *, indent: str = _INDENT, **style: Any) -> None:
    """Text of any length, wrapped to the terminal; its own line ends stay."""
    width = min(_WIDE, max(_NARROW, shutil.get_terminal_size().columns)) - len(indent)
    for line in text.splitlines():
        wrapped = textwrap.wrap(printable(line), width, drop_whitespace=False, break_on_hyphens=False) or [""]
        for piece in wrapped:
            click.echo(f"{indent}{click.style(piece.rstrip(), **style)}")
