"""
Counts for Prometheus: requests by route, method and status, how long they took, and streams.

No label holds a realm, a token or a value: only what stands in the table of routes.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

NO_ROUTE = "none"
"""The route of what no route answers."""
BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


class Metrics:
    """The counts of one server; those of several processes are added up from a *folder* that they share."""

    def __init__(self, folder: str | None = None) -> None:
        if folder is not None:
            # Read once, when the library is first imported, which is now.
            os.environ[FOLDER_VARIABLE] = folder
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self._folder = folder
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "realmconf_http_requests",
            "Requests that were answered",
            ("route", "method", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "realmconf_http_request_seconds",
            "How long answers took that are no streams and did not wait for a change",
            ("route",),
            buckets=BUCKETS_SECONDS,
            registry=self._registry,
        )
        self._streams = Gauge(
            "realmconf_http_streams",
            "Streams that are open",
            registry=self._registry,
            multiprocess_mode="livesum",
        )

    def answered(self, route: str, method: str, status: int) -> None:
        """Count one answer."""
        self._requests.labels(route, method, str(status)).inc()

    def counting(self, route: str, method: str, status: int) -> Callable[[], None]:
        """What counts one such answer: for an answer that is given often."""
        found: Callable[[], None] = self._requests.labels(route, method, str(status)).inc
        return found

    def took(self, route: str, seconds: float) -> None:
        """Note how long one answer took."""
        self._seconds.labels(route).observe(seconds)

    def streaming(self) -> AbstractContextManager[None]:
        """What counts a stream as open while it is entered."""
        found: AbstractContextManager[None] = self._streams.track_inprogress()
        return found

    def text(self) -> tuple[bytes, str]:
        """Everything in the text format, and its media type."""
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

        registry = self._registry
        if self._folder is not None:
            from prometheus_client.multiprocess import MultiProcessCollector

            registry = CollectorRegistry()
            MultiProcessCollector(registry, path=self._folder)  # type: ignore[no-untyped-call]
        return generate_latest(registry), CONTENT_TYPE_LATEST
