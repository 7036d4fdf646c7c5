"""Which declared edit a request gets: its provider decides."""

from __future__ import annotations

from aigateway.gateway.refusal import Refusal
from aigateway.gateway.request import Request
from aigateway.providers.edit import Edit, NotServed
from aigateway.wire.facts import RequestFacts


def edit_for(request: Request, facts: RequestFacts | None) -> Edit | None:
    """The edit of a request, None for most; `facts` are None where it passes through.

    Raises:
        Refusal: the provider cannot serve this request.

    """
    decide = request.route.provider.edit_for
    if decide is None:
        return None
    try:
        return decide(request.route.path, facts)
    except NotServed as reason:
        raise Refusal(reason.status, str(reason)) from reason
