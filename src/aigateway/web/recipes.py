"""How each client is told to use the gateway (control-plane spec 11), from the data in `recipes.toml`."""

from __future__ import annotations

from functools import cache
from importlib import resources

import msgspec


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Lines to copy, and where they go."""

    where: str
    lines: str


class Way(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a client is told for providers of one kind."""

    speaks: str
    steps: tuple[Step, ...]
    note: str = ""
    own: tuple[Step, ...] = ()
    """For people with a key or a login of their own; empty where the client cannot."""
    own_note: str = ""

    def filled(self, *, base: str, provider: str, token: str, own: bool) -> list[Step]:
        """The steps with everything in its place."""
        url = f"{base}/{provider}"
        chosen = self.own if own else self.steps
        return [Step(step.where, step.lines.replace("$URL", url).replace("$TOKEN", token)) for step in chosen]


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A client."""

    slug: str
    name: str
    kind: str
    """Where it runs."""
    way: tuple[Way, ...]

    def way_to(self, kind: str) -> Way | None:
        """What it is told for a kind of provider; None when it does not speak as that does."""
        return next((way for way in self.way if way.speaks == kind), None)


class Unreachable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Clients that cannot use the gateway."""

    names: str
    why: str


class Book(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of them."""

    client: tuple[Recipe, ...]
    unreachable: tuple[Unreachable, ...]


@cache
def book() -> Book:
    """What `recipes.toml` says."""
    text = resources.files("aigateway.web").joinpath("recipes.toml").read_bytes()
    return msgspec.toml.decode(text, type=Book)
