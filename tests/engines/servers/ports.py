"""Ports of loopback for servers that are stopped and started again."""

from __future__ import annotations

import os
import random
import socket
from contextlib import suppress

FIRST, LAST = 20_000, 32_000
"""Below those that a kernel gives to whoever connects: one of these would be taken while its server is down."""
_ATTEMPTS = 1_000


def free_port() -> int:
    """
    A port on which nobody listens, and that nobody is given by chance.

    Raises:
        OSError: There is none.
    """
    chance = random.Random(os.urandom(8))
    for _ in range(_ATTEMPTS):
        port = chance.randrange(FIRST, LAST)
        with suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("no port is free")
