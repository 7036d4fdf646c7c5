"""The kinds of values that only the options of sign-in take."""

from __future__ import annotations

import json
import re

from aigateway.settings.kinds import Kind

ROLES = ("owner", "auditor", "user-admin", "member")
"""What a person may be (`accounts.roles`), for options to be checked before the server starts."""

_DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")


def _word(text: str) -> str:
    word = text.strip()
    if not word or not word.isascii() or not word.isprintable() or " " in word:
        raise ValueError("not a word; write words without blanks, with commas between them")
    return word


def _name(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty; write the text, or leave the option out")
    return text.strip()


def _domain(text: str) -> str:
    domain = text.strip().lower().removeprefix("@")
    if not _DOMAIN.fullmatch(domain):
        raise ValueError("not a domain; write for example example.com")
    return domain


def _role(text: str) -> str:
    if text.strip() not in ROLES:
        raise ValueError(f"not a role; write {', '.join(ROLES[:-1])} or {ROLES[-1]}")
    return text.strip()


def _role_mapping(text: str) -> dict[str, tuple[str, ...]]:
    """What a claim may say, and the roles that it gives."""
    mapping = {}
    for value, roles in _json_object(text, '{"gateway-admins": ["owner"]}').items():
        listed = [roles] if isinstance(roles, str) else roles
        if not isinstance(listed, list) or not all(isinstance(role, str) for role in listed):
            raise ValueError(f'gives {json.dumps(value)} no list of roles; write for example {{"admins": ["owner"]}}')
        mapping[value] = tuple(map(_role, listed))
    return mapping


def _parameters(text: str) -> dict[str, str]:
    example = '{"prompt": "select_account"}'
    written = _json_object(text, example)
    parameters = {name: value for name, value in written.items() if isinstance(value, str)}
    if len(parameters) < len(written):
        raise ValueError(f"has values that are no texts; write for example {example}")
    return parameters


def _json_object(text: str, example: str) -> dict[str, object]:
    if not text.strip():
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict):
        return value
    raise ValueError(f"not an object in JSON; write for example {example}")


WORDS = Kind("words", _word, is_list=True)
NAMES = Kind("names", _name, is_list=True)
NAME = Kind("text", _name)
DOMAINS = Kind("domains", _domain, is_list=True)
ROLE_LIST = Kind("roles", _role, is_list=True)
ROLE_MAPPING = Kind("json", _role_mapping)
PARAMETERS = Kind("json", _parameters)
