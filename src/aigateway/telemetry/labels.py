"""Label values made of what strangers send: short, printable, and never more than a fixed number of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

OTHER = "other"
"""Stands for every value, and every combination of values, beyond the limit. Sums stay right."""

LONGEST_VALUE = 128
"""Characters."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_Child = TypeVar("_Child")


def printable(value: str) -> str:
    """Give the value cut to `LONGEST_VALUE`, with `U+FFFD` for what is not printable (line ends, half surrogates)."""
    value = value[:LONGEST_VALUE]
    if value.isprintable():
        return value
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in value)


def method_label(method: str) -> str:
    """Give the HTTP method, if it is one that is in use."""
    return method if method in _METHODS else OTHER


class Values:
    """The values of one label: the first `most` distinct ones keep their name, the rest share `OTHER`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._labels: dict[str, str] = {}

    def label(self, value: str) -> str:
        """Give the label for a value of any length and content."""
        value = value[:LONGEST_VALUE]
        label = self._labels.get(value)
        if label is None:
            if len(self._labels) >= self._most:
                return OTHER
            label = self._labels[value] = printable(value)
        return label


class Children(Generic[_Child]):
    """The children of a metric, made once per combination of label values.

    Beyond `most` combinations, new ones share the child whose `folded` labels (by position) are `OTHER`.
    """

    def __init__(self, make: Callable[..., _Child], *, most: int, folded: frozenset[int]) -> None:
        self._make = make
        self._most = most
        self._folded = folded
        self._children: dict[tuple[str, ...], _Child] = {}

    def __len__(self) -> int:
        return len(self._children)

    def items(self) -> tuple[tuple[tuple[str, ...], _Child], ...]:
        """Give every child with its labels, as they are now; from any thread."""
        return tuple(self._children.items())

    def of(self, *labels: str) -> _Child:
        """Give the child for label values that are labels already."""
        child = self._children.get(labels)
        return self._add(labels) if child is None else child

    def _add(self, labels: tuple[str, ...]) -> _Child:
        if len(self._children) >= self._most:
            labels = tuple(OTHER if place in self._folded else label for place, label in enumerate(labels))
            if (child := self._children.get(labels)) is not None:
                return child
        child = self._children[labels] = self._make(*labels)
        return child
