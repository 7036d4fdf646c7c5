"""What the REST API has registered, whether its document shows it or not."""

from __future__ import annotations

import re

from fastapi.routing import iter_route_contexts

from aigateway.api.app import ROUTES


def registered():
    """Every verb and path, with the names of its parameters."""
    return {
        (verb, re.sub(r":\w+}", "}", route.path))
        for route in iter_route_contexts(ROUTES.routes)
        for verb in route.methods
    }
