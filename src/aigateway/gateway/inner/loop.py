"""Where the way of a request that has tools of the gateway's parts from that of the others."""

from __future__ import annotations

import time
from collections.abc import Callable

from aigateway.audit.recorder import Interception
from aigateway.gateway.exchange import Exchange
from aigateway.gateway.inner.calling import Caller
from aigateway.gateway.inner.ledger import Ledger
from aigateway.gateway.inner.limits import Limits
from aigateway.gateway.inner.memory import Memory
from aigateway.gateway.inner.offering import REFUSES, Injected, Offering
from aigateway.gateway.inner.reached import Call, Reached
from aigateway.gateway.inner.telling import Conversation, Telling
from aigateway.gateway.patience import Patience
from aigateway.gateway.request import Request, Send
from aigateway.tools.offer import Toolbox
from aigateway.wire.facts import ApiFormat, RequestFacts
from aigateway.wire.inner.turns import turn_for


class InnerLoop:
    """Adds tools to requests, and makes the calls of the model that are for them."""

    def __init__(
        self, toolbox: Toolbox, limits: Limits | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._toolbox = toolbox
        self._limits = limits or Limits()
        self._memory = Memory(clock=clock)
        self._offering = Offering(toolbox, self._memory, clock=clock)

    async def inject(self, request: Request, api: ApiFormat, facts: RequestFacts) -> Injected | None:
        """What the request is to be sent with; None where it goes as it is."""
        return await self._offering.inject(request, api, facts)

    async def reach(self, request: Request, facts: RequestFacts, injected: Injected, call: Call) -> Reached:
        """Send it: with the tools, or as the client sent it where its provider refuses them.

        Raises:
            Refusal: see `Upstream.call`.

        """
        reached = await call(injected.body)
        if reached.answer.status not in REFUSES:
            return reached
        reached.answer.close()
        plain = await call(request.body)
        if plain.answer.status < 400 and injected.tools:
            self._offering.refused(request, facts)
        return plain

    async def tell(
        self,
        request: Request,
        api: ApiFormat,
        injected: Injected,
        reached: Reached,
        *,
        interception: Interception,
        served_by: str | None,
        call: Call,
        send: Send,
        exchange: Exchange,
        patience: Patience,
    ) -> None:
        """Tell the client the turn that an answer begins.

        Raises:
            Refusal: nothing was sent yet.

        """
        conversation = Conversation(
            api=api,
            turn=turn_for(api, injected.tools.keys(), streams=reached.streams),
            ledger=Ledger(interception, injected.tools.keys(), served_by),
            caller=Caller(
                self._toolbox,
                self._limits,
                actor=request.actor,
                api=api,
                tools=injected.tools,
                interception=interception,
            ),
            limits=self._limits,
            memory=self._memory,
            user_id=request.actor.user_id,
            call=call,
            send=send,
            exchange=exchange,
            patience=patience,
        )
        await Telling(conversation, reached, injected.body).run()
