"""Networks whose cable can be pulled stand beside each other, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import pytest
from tests.engines.network import Network

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.machine


def answered_in(network: Network, host: str) -> bool:
    """Whether somebody in *network* is let in at *host*, within a second."""
    with socket.create_server((host, 0)) as listener:
        port = listener.getsockname()[1]
        return in_a_process(lambda: connect(network, host, port)) == 0


def comes_to_answer(network: Network, host: str) -> bool:
    """
    Whether somebody in *network* is let in at *host* before long: a link that was set up carries nothing for a moment,
    and then each end asks who the other one is, once a second.
    """
    return any(answered_in(network, host) for _ in range(15))


def connect(network: Network, host: str, port: int) -> None:
    network.enter()
    with socket.create_connection((host, port), timeout=1.0):
        pass


def in_a_process(act: Callable[[], None]) -> int:
    process = os.fork()
    if process == 0:
        code = 1
        try:
            act()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def test_two_at_once() -> None:
    """Two networks of one machine are apart: the cable of one is pulled, and the other one goes on."""
    with Network() as first, Network() as second:
        assert first.host != second.host
        assert comes_to_answer(first, first.host)
        assert comes_to_answer(second, second.host)
        first.pull()
        assert not answered_in(first, first.host)
        # At once: it was up before, and nobody has touched it.
        assert answered_in(second, second.host)
        first.plug()
        assert comes_to_answer(first, first.host)


def test_what_the_killed_have_left() -> None:
    """A network whose process was killed is taken away by whoever makes the next one."""
    program = (
        "import time\n"
        "from tests.engines.network import Network\n"
        "made = Network()\n"
        "print(made.name, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as killed:
        assert killed.stdout is not None
        name = killed.stdout.readline().strip()
        killed.send_signal(signal.SIGKILL)
    assert name in networks()
    with Network() as made:
        assert name not in networks()
        assert made.name in networks()
    assert made.name not in networks()


def networks() -> list[str]:
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True)
    return [line.split()[0] for line in listed.stdout.splitlines()]
