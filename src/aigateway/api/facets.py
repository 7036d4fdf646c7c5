"""`/models`, `/clients`, `/providers`: what there is to search for (control-plane spec 3.4)."""

from __future__ import annotations

from fastapi import APIRouter, Response

from aigateway.api import documents, search
from aigateway.api.answers import answer
from aigateway.api.asking import Limit, Offset, Search, SignedIn
from aigateway.api.meaning import visible_to
from aigateway.api.services import Serving
from aigateway.store import facets
from aigateway.store.facets import Facet

_PATHS = {"/models": Facet.MODEL, "/clients": Facet.CLIENT, "/providers": Facet.PROVIDER}


routes = APIRouter(tags=["What there is to search for"])


def _add(path: str, facet: Facet) -> None:
    key = facet.value

    async def list_values(
        services: Serving, actor: SignedIn, q: Search = "", limit: Limit = 100, offset: Offset = 0
    ) -> Response:
        prefix = search.parse(q, keys={key}, default=key).get(key, "")
        found = await services.store.read(
            facets.values, facet, visible_to=visible_to(actor), prefix=prefix, offset=offset, limit=limit
        )
        return answer(found)

    routes.add_api_route(
        path,
        list_values,
        summary=f"List {path[1:]}",
        description=f"The {path[1:]} of ended requests that you may see, ascending. `q` is what they begin with.",
        operation_id=f"list_{path[1:]}",
        responses=documents.of(documents.Names),
    )


for _path, _facet in _PATHS.items():
    _add(_path, _facet)
