"""
The keys of a store: made where they are not there yet, and looked at before they are used.

Decides what is made where nothing is, what is brought up where it is older, and what is refused because it is newer;
each in one transaction that stands only while nobody else has done it, so that many may open a new store at once.
"""

from __future__ import annotations

import os

from realmconf.domain.record import Record
from realmconf.errors import StoreCorrupt, StoreTooNew, StoreUnavailable
from realmconf.stores.etcd import failures
from realmconf.stores.etcd.asking import (
    TRANSACTION,
    is_at,
    is_before,
    outcome_in,
    put_of,
    range_of,
    transaction,
)
from realmconf.stores.etcd.failures import LostError, RefusedError
from realmconf.stores.etcd.layout import FORMAT, after

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from realmconf.stores.etcd.asking import Comparison, Operation
    from realmconf.stores.etcd.layout import Keys
    from realmconf.stores.etcd.link import Link

UPGRADES: Mapping[int, Callable[[Keys], Sequence[Operation]]] = {}
"""By the format that is found: the operations that make the next one of it."""
KEY_BYTES = 32


class Setting(Record):
    """What was found, or made."""

    __hidden__ = frozenset({"request_key"})

    request_key: bytes
    format_version: int
    """Of the key that says which format the store has: it moves when somebody brings the store up."""


def opened(link: Link, keys: Keys, *, read_only: bool, deadline: float) -> Setting:
    """
    The store under *keys*, which is made unless *read_only*; by many at once, too.

    Raises:
        StoreUnavailable: It cannot be reached; or it is not there, or older, and is only to be read.
        StoreReadOnly: It is not there, or older, and the user may not write.
        StoreTooNew: A later release has made it.
        StoreCorrupt: Something else is there.
    """
    while True:
        format_at, found, key = _look(link, keys, deadline)
        if found == FORMAT and key is not None:
            return Setting(request_key=key, format_version=format_at)
        if found > FORMAT:
            raise StoreTooNew(
                f"{link.place}: a later release of realmconf has made the store (format {found}); this one knows "
                f"formats up to {FORMAT}: upgrade realmconf"
            )
        if read_only:
            what = (
                f"the store has the older format {found}: it is brought up"
                if found
                else "there is no store yet: it is made"
            )
            raise StoreUnavailable(
                f"{link.place}: {what} by the first client that opens it to write", retryable=False
            )
        comparisons: list[Comparison] = [is_at(keys.format, format_at)]
        operations: list[Operation] = [put_of(keys.format, str(FORMAT).encode())]
        if found:
            for older in range(found, FORMAT):
                operations += UPGRADES[older](keys)
        else:
            # Nothing of what we would read is there.
            comparisons += [is_before(one, after(one), 1) for one in (keys.own, keys.rows)]
            operations.append(put_of(keys.secret, os.urandom(KEY_BYTES)))
        try:
            answer = link.send(TRANSACTION, transaction(comparisons, operations), deadline=deadline)
        except LostError:
            # The next look tells.
            continue
        except RefusedError as refused:
            if not refused.is_undone and not refused.is_full:
                continue
            raise failures.explain(refused, link.place, is_write=True) from None
        if not outcome_in(answer).succeeded and not found:
            _refuse_other(link, keys, deadline)


def _look(link: Link, keys: Keys, deadline: float) -> tuple[int, int, bytes | None]:
    """The version of the format's key, the format (0: none), and the store's own secret."""
    form, key = _asked(link, [range_of(keys.format), range_of(keys.secret)], deadline)
    if not form:
        return 0, 0, None
    version, value = form[0]
    if not value.isdigit() or not key:
        raise StoreCorrupt(f"{link.place}: under the prefix is something else, or it is damaged")
    return version, int(value), key[0][1]


def _refuse_other(link: Link, keys: Keys, deadline: float) -> None:
    form, *there = _asked(
        link,
        [
            range_of(keys.format),
            *(range_of(one, after(one), limit=1, only_keys=True) for one in (keys.own, keys.rows)),
        ],
        deadline,
    )
    if any(there) and not form:
        raise StoreCorrupt(
            f"{link.place}: there are keys under the prefix that are no store's; name another prefix"
        )


def _asked(
    link: Link, operations: Sequence[Operation], deadline: float
) -> list[list[tuple[int, bytes]]]:
    try:
        answer = link.ask(TRANSACTION, transaction((), operations), deadline=deadline)
    except RefusedError as refused:
        raise failures.explain(refused, link.place) from None
    return [[(one.version, one.value) for one in part.found] for part in outcome_in(answer).parts]
