"""`python -m aigateway` is the command `aigateway`."""

from aigateway.cli.main import run

run()
