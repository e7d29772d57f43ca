"""Ports of loopback for servers that are stopped and started again."""

from __future__ import annotations

import os
import random
import socket

FIRST, LAST = 20_000, 32_000
"""Below those that a kernel gives to whoever connects: one of these would be taken while its server is down."""
_ATTEMPTS = 1_000

_taken: list[socket.socket] = []
"""What keeps the ports of this process its own, as long as it runs."""


def free_port() -> int:
    """
    A port on which nobody listens, and that nobody is given by chance: also not by another process that runs such
    tests, while the server is down.

    Raises:
        OSError: There is none.
    """
    chance = random.Random(os.urandom(8))
    for _ in range(_ATTEMPTS):
        port = chance.randrange(FIRST, LAST)
        mark = socket.socket(socket.AF_UNIX)
        try:
            # A name and no file: it goes with the last process that has it.
            mark.bind(f"\0realmconf-port-{port}")
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        except OSError:
            mark.close()
        else:
            _taken.append(mark)
            return port
    raise OSError("no port is free")
