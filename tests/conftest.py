"""What holds for all tests: none fails because the machine is busy, or because of what the run was started by."""

import signal

import pytest
from hypothesis import HealthCheck, settings

# Hypothesis would have each example end within 200 ms, which other tests beside it prevent.
settings.register_profile(
    "untimed", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("untimed")

# A script that starts the run behind `&` has it ignore interrupts, and `nohup` the end of a terminal; so would all that
# it starts, and their tests would wait for an end that does not come. What is handled here is not ignored there.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda *_: None)

# What it claims of two stores is told as in a module of tests.
pytest.register_assert_rewrite("tests.crash.killedmoves")
