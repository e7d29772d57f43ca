"""
What stands in a realm's two files, of one moment.

Decides when what was read belongs together: nothing moved while it was read, and either nobody was at work or the
digest beside the number is that of the text.  Takes no lock and writes nothing; what it all means is ``standing``'s
to say.
"""

from __future__ import annotations

import time

from realmconf.domain.record import Record
from realmconf.errors import StoreUnavailable
from realmconf.stores.meerkat import files, lockfile, sidecar
from realmconf.stores.meerkat.sidecar import Sidecar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from realmconf.domain.names import RealmName
    from realmconf.stores.meerkat.files import Stamp
    from realmconf.stores.meerkat.layout import Layout
    from realmconf.stores.meerkat.lockfile import Timing
    from realmconf.stores.meerkat.sidecar import Damaged

PATIENCE_SECONDS = 1.0
"""How long a reader waits for whoever is at work, if nothing proves what it sees."""
PACE_SECONDS = 0.005
MOVING_SECONDS_MAX = 10.0
"""Files that never stand still for so long cannot be read."""
HASTE_SECONDS = 0.1
"""The same for whoever waits for nobody."""
STATE_BYTES_MAX = 1_048_576
RECENT_SECONDS = 0.05
"""A file that changed so little ago may change again without another time: it is not known by its stamp."""


class Look(Record):
    """What was seen."""

    __hidden__ = frozenset({"text"})

    state: Sidecar | Damaged | None
    text: bytes | None
    stamps: tuple[Stamp, Stamp]
    """Of the text and of the number."""
    is_settled: bool
    """Whether they belong together: nobody was at work, or the digest says so."""


def stamps_of(layout: Layout, realm: RealmName) -> tuple[Stamp, Stamp]:
    """What changes when the files do."""
    return (files.stamp(layout.config(realm)), files.stamp(layout.state(realm)))


def are_recent(stamps: tuple[Stamp, Stamp]) -> bool:
    """Whether the next change of a file could leave its stamp as it is."""
    newest_ns = max((one[4] for one in stamps if one is not None), default=0)
    return time.time_ns() - newest_ns < RECENT_SECONDS * 1e9


def look(
    layout: Layout,
    realm: RealmName,
    *,
    digest: Callable[[bytes | None], str] | None,
    timing: Timing,
    bytes_max: int,
    is_locked_by_us: bool = False,
    patience_seconds: float = PATIENCE_SECONDS,
) -> Look:
    """
    Read both files.

    *digest* is that of the key under which texts are digested, None where there is none.  *patience_seconds* is how
    long whoever is at work is waited for.

    Raises:
        StoreUnavailable: They never stand still, or cannot be read.
    """
    config, state, lock = layout.config(realm), layout.state(realm), layout.lock(realm)
    begun = time.monotonic()
    moving_seconds = MOVING_SECONDS_MAX if patience_seconds else HASTE_SECONDS
    while True:
        try:
            was_held = not is_locked_by_us and lockfile.is_held(
                lock, stale_seconds=timing.stale_seconds
            )
            before = stamps_of(layout, realm)
            raw = files.read(state, bytes_max=STATE_BYTES_MAX)
            text = files.read(config, bytes_max=bytes_max)
            # Before the stamps: whoever had changed one file when it was read, and is done by now, has moved the other.
            is_quiet = not was_held and (
                is_locked_by_us or not lockfile.is_held(lock, stale_seconds=timing.stale_seconds)
            )
        except OSError as error:
            raise StoreUnavailable(
                f"{error.filename or config} cannot be read: {error.strerror}", retryable=False
            ) from error
        if before == stamps_of(layout, realm):
            stated = None if raw is None else sidecar.parse(raw)
            is_proved = (
                isinstance(stated, Sidecar)
                and digest is not None
                and stated.text is not None
                and stated.text == digest(text)
            )
            waited = time.monotonic() - begun
            if is_proved or is_quiet or waited >= patience_seconds:
                return Look(
                    state=stated, text=text, stamps=before, is_settled=is_proved or is_quiet
                )
        elif time.monotonic() - begun >= moving_seconds:
            raise StoreUnavailable(f"{config} changes faster than it can be read")
        time.sleep(PACE_SECONDS)
