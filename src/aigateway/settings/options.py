"""The one table of options. A new setting is a new row, a field in `model.py`, and nothing else."""

from __future__ import annotations

from aigateway.settings.gateway_options import GATEWAY_OPTIONS
from aigateway.settings.option import Option
from aigateway.settings.server_options import SERVER_OPTIONS
from aigateway.settings.sign_in_options import SIGN_IN_OPTIONS
from aigateway.settings.tool_options import TOOL_OPTIONS

OPTIONS: tuple[Option, ...] = SERVER_OPTIONS + SIGN_IN_OPTIONS + GATEWAY_OPTIONS + TOOL_OPTIONS
