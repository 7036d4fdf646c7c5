"""All that pages, the API and the way of a request need of MCP servers, whether there are any or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aigateway.tools.box import Servers
from aigateway.tools.linked import Account, LinkedAccounts
from aigateway.tools.status import ServerStatus


@dataclass(frozen=True, slots=True)
class MyServer:
    """A server as one person finds it."""

    name: str
    needs_account: bool
    account: Account | None
    problem: str
    """Why the person has no tools from it, the end of a sentence about it; empty when nothing is known to be wrong."""

    @property
    def unlinked(self) -> bool:
        """Whether the person has no tools from it for want of an account that can be used."""
        return self.needs_account and (self.account is None or bool(self.account.problem))


@dataclass(frozen=True, slots=True)
class ToolService:
    """What runs; both are None where no server is configured."""

    servers: Servers | None = None
    accounts: LinkedAccounts | None = None

    def statuses(self) -> Sequence[ServerStatus]:
        """How the servers do now, in the process that answers."""
        return self.servers.statuses.statuses() if self.servers else ()

    async def of(self, user_id: str) -> list[MyServer]:
        """The servers as one person finds them."""
        if self.servers is None or self.accounts is None:
            return []
        linked, failures = await self.accounts.of(user_id), self.servers.failures(user_id)
        found = []
        for status in self.statuses():
            account = linked.get(status.name)
            problem = failures.get(status.name, "")
            if status.needs_account:
                problem = account.problem or problem if account else "no account is linked"
            found.append(MyServer(status.name, status.needs_account, account, problem))
        return found
