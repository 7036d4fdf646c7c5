"""The composition root: settings in, running services out; the only place that knows every room."""

from aigateway.app.serve import serve

__all__ = ["serve"]
