"""
A network of a test's own, whose only cable can be pulled: a partition, as no server and no proxy makes one.

Decides that packets are lost without a word to either side.  Needs root and ``ip``; a test that needs it fails without.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from contextlib import suppress
from ipaddress import IPv4Address
from itertools import count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

_CLONE_NEWNET = 0x40000000
_FOLDER = "/var/run/netns"
_PREFIX = "realmconf-"
_FIRST = IPv4Address("198.18.0.0")
"""Of the addresses that are for trials and no network has; each of ours is four of them."""
_NETWORKS = 2**15
_ATTEMPTS = 100


class Network:
    """
    Two ends: this process's, which has the address ``host``, and that of whoever has called ``enter``.

    Several may be there at once, of one process or of many: each has addresses of its own.  What a process has left
    that was killed is taken away by the next one.
    """

    def __init__(self) -> None:
        _remove_those_of_the_dead()
        number = next(_numbers)
        self.name = f"{_PREFIX}{os.getpid()}-{number}"
        """As ``ip netns`` calls it."""
        self._here, self._far = (f"rc{os.getpid()}-{number}{end}" for end in "ab")
        self.host, self._there = _free_addresses()
        _ip("netns", "add", self.name)
        try:
            _ip("link", "add", self._here, "type", "veth", "peer", self._far, "netns", self.name)
            _ip("address", "add", f"{self.host}/30", "dev", self._here)
            _ip("link", "set", self._here, "up")
            for words in (
                ("address", "add", f"{self._there}/30", "dev", self._far),
                ("link", "set", self._far, "up"),
                ("link", "set", "lo", "up"),
            ):
                _ip("-netns", self.name, *words)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def enter(self) -> None:
        """Be at the other end from now on: this thread, and the processes that it starts."""
        with open(f"{_FOLDER}/{self.name}", "rb") as there:
            if ctypes.CDLL(None, use_errno=True).setns(there.fileno(), _CLONE_NEWNET) != 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number))

    def pull(self) -> None:
        """Part the two."""
        _ip("link", "set", self._here, "down")

    def plug(self) -> None:
        """Join them again."""
        _ip("link", "set", self._here, "up")

    def close(self) -> None:
        """Take it away."""
        with suppress(subprocess.CalledProcessError):
            # A namespace takes its links away when it likes.
            _ip("link", "delete", self._here)
        _ip("netns", "delete", self.name)


def can_be_made() -> bool:
    """Whether this machine lets us."""
    try:
        with Network():
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


_numbers = count(1)


def _free_addresses() -> tuple[str, str]:
    """
    Two neighbours that no link of this machine has.

    Of two links with one address the kernel sends to the first alone; whoever is behind the other one hears nothing.
    """
    for attempt in range(_ATTEMPTS):
        # Another process that looks at the same moment begins at another number.
        first = _FIRST + 4 * ((os.getpid() + attempt) % _NETWORKS)
        if not _ip("-4", "-oneline", "address", "show", "to", f"{first}/30").strip():
            return str(first + 1), str(first + 2)
    raise OSError("none of the addresses for trials is free")


def _remove_those_of_the_dead() -> None:
    if not os.path.isdir(_FOLDER):
        return
    for name in os.listdir(_FOLDER):
        process = name.removeprefix(_PREFIX).split("-")[0]
        if (
            name.startswith(_PREFIX)
            and process.isdigit()
            and not os.path.exists(f"/proc/{process}")
        ):
            with suppress(subprocess.CalledProcessError):
                # Another one may be at it.  The link goes with its other end.
                _ip("-netns", name, "link", "delete", f"rc{name.removeprefix(_PREFIX)}b")
            with suppress(subprocess.CalledProcessError):
                _ip("netns", "delete", name)


def _ip(*words: str) -> str:
    done = subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
    return done.stdout
