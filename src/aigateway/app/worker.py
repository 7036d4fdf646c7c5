"""One of several processes that serve (`--workers`), as the supervisor starts it."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading

from aigateway.app.places import Places
from aigateway.app.serve import CANNOT_START, prepare, run, say_why
from aigateway.app.supervisor import Order
from aigateway.telemetry import logging

_STDIN = 0


def main() -> None:
    """Read the order, serve, and end with status 0, or 1 when the server cannot start."""
    prepare()
    order = _read_order()
    log = order.settings.logging
    logging.configure(human=log.human, json=log.json, stackdriver=log.stackdriver, debug=log.filter)
    threading.Thread(target=_outlive_nobody, name="parent", daemon=True).start()
    places = Places.of_numbers(order.places)
    try:
        run(order.settings, order.effective, places, number=order.number, ready=lambda: _tell_ready(order))
    except CANNOT_START as error:
        say_why(error)
        sys.exit(1)


def _read_order() -> Order:
    order = pickle.loads(_read(int.from_bytes(_read(8))))  # noqa: S301 - the parent wrote it, through a pipe
    if not isinstance(order, Order):
        raise TypeError("a worker is started by the server only")
    return order


def _read(size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = os.read(_STDIN, size - len(data))
        if not piece:
            sys.exit(1)
        data += piece
    return data


def _tell_ready(order: Order) -> None:
    os.write(order.ready, bytes([order.number]))


def _outlive_nobody() -> None:
    """Stop as if told to when the parent is gone: nobody else would ever tell."""
    while os.read(_STDIN, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
