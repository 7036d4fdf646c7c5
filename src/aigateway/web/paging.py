"""Numbered pages of long lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from starlette.requests import Request

_LAST_PAGE = 1_000_000


@dataclass(frozen=True, slots=True)
class Pages:
    """What a list says below itself."""

    first: int
    """The number of the first row shown, from 1; 0 when there is none."""
    last: int
    count: int
    """How many rows there are in all."""
    before: str
    """Where the page before is; empty for none."""
    behind: str


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a list that is asked for by `?page=`, which counts from 1."""

    page: int
    size: int

    @classmethod
    def of(cls, request: Request, size: int) -> Self:
        """The one that a request asks for; the first for what is no number."""
        asked = request.query_params.get("page", "")
        number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 8 else 1
        return cls(min(max(number, 1), _LAST_PAGE), size)

    @property
    def offset(self) -> int:
        """How many rows come before."""
        return (self.page - 1) * self.size

    def pages(self, request: Request, count: int) -> Pages:
        """Where it is among all, with the ways to its neighbours."""
        last = min(self.offset + self.size, count)
        return Pages(
            first=min(self.offset + 1, count),
            last=last,
            count=count,
            before=self._url(request, self.page - 1) if self.page > 1 else "",
            behind=self._url(request, self.page + 1) if last < count else "",
        )

    def _url(self, request: Request, page: int) -> str:
        return "?" + str(request.url.include_query_params(page=page).query)
