"""What holds for all tests: none of them fails because the machine is busy."""

from hypothesis import HealthCheck, settings

# Hypothesis would have each example end within 200 ms, which other tests beside it prevent.
settings.register_profile(
    "untimed", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("untimed")
