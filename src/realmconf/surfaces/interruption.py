"""Signals that end a wait, whichever thread the machine has given them to."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_PROD = getattr(signal, "SIGURG", None)
"""Interrupts a wait and means nothing else."""


@contextmanager
def interruptible() -> Iterator[None]:
    """
    Have every signal interrupt the main thread, which is to be in here and wait without end.

    Python runs handlers in the main thread alone, as soon as that runs anything. A signal that the machine gives to
    another thread, as it may, is noted and wakes nobody: the handler would not run before the wait is over. So a
    thread is told of each signal, and interrupts the main thread by one that means nothing.
    """
    if _PROD is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    told, telling = os.pipe()
    os.set_blocking(telling, False)
    meant = signal.signal(_PROD, lambda *_: None)
    told_before = signal.set_wakeup_fd(telling, warn_on_full_buffer=False)
    threading.Thread(
        target=_prod_main_thread, args=(told,), name="realmconf-signals", daemon=True
    ).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(told_before)
        signal.signal(_PROD, meant)
        os.close(telling)


def _prod_main_thread(told: int) -> None:
    assert _PROD is not None
    main = threading.main_thread().ident
    assert main is not None
    try:
        while numbers := os.read(told, 64):
            if any(number != _PROD for number in numbers):
                signal.pthread_kill(main, _PROD)
    finally:
        os.close(told)
