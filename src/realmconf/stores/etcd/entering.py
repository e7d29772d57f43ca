"""
What is looked at before a member of a cluster is asked anything: whether it is the right one, and a release that keeps
what it acknowledges.
"""

from __future__ import annotations

import json

from realmconf.errors import StoreUnavailable
from realmconf.stores.etcd import failures
from realmconf.stores.etcd.failures import UnsentError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl

    from realmconf.stores.etcd.address import Address
    from realmconf.stores.etcd.wire import Wire

LOSES_DATA = ((3, 5, 0), (3, 5, 6))
"""From the first to before the second an etcd that is killed may lose what it has acknowledged."""
VERSION_MIN = (3, 4, 0)


def check_version(wire: Wire, place: str, deadline: float) -> None:
    """
    Ask who answers on *wire*, which is closed where it is nobody that can be used.

    Raises:
        UnsentError, LostError: It does not answer, or is no etcd: of several members one may be away, and something
            else be in its place.
        StoreUnavailable: It is an etcd that no store can be in.
    """
    try:
        answer = wire.ask("/version", b"", deadline=deadline)
    except BaseException:
        wire.close()
        raise
    try:
        found = json.loads(answer.body)
    except ValueError:
        found = None
    version = str(found.get("etcdserver", "")) if isinstance(found, dict) else ""
    numbers = _numbers(version)
    if not numbers:
        wire.close()
        raise UnsentError(failures.NO_ETCD)
    if numbers < VERSION_MIN or LOSES_DATA[0] <= numbers < LOSES_DATA[1]:
        wire.close()
        why = (
            "which may lose what it has acknowledged when it is killed"
            if numbers >= VERSION_MIN
            else "which is too old"
        )
        raise StoreUnavailable(
            f"{place}: the server is etcd {version}, {why}; a store needs 3.4, or 3.5.6 and later",
            retryable=False,
        )


def encryption(address: Address) -> ssl.SSLContext | None:
    """
    How connections to *address* are encrypted; None: they are not.

    Raises:
        StoreUnavailable: A file that it names cannot be read.
    """
    if not address.is_tls:
        return None
    import ssl

    try:
        context = ssl.create_default_context(cafile=address.authority_file)
        if address.certificate_file is not None:
            context.load_cert_chain(address.certificate_file, address.key_file)
    except (OSError, ssl.SSLError) as failure:
        raise StoreUnavailable(
            "a file that ca=, cert= or key= names cannot be read as what it is to be: "
            f"{failure.strerror or failure}",
            retryable=False,
        ) from None
    return context


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.partition("-")[0].split(".")
    return tuple(int(part) for part in parts) if all(part.isdigit() for part in parts) else ()
