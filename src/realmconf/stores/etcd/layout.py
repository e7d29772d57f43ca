"""
How a store lies in etcd: the keys, and what they hold.

Decides names and forms.  With the prefix and a slash before each::

    r/<folded name>/<realm>     the row of a realm; the revision of its last put is the row's version
    h/<history>/<generation>    a revision; that of its first put, and its number there, are its position
    w/<history>/<id>            what became of a write id
    t/<id>                      what became of one that several realms were written under at once, by history
    c/<parent>/<child>          1 if the child's head names the parent, else 0
    c/<parent>/+<number>        several that came at once, or with - in place of + went; of two words about a child
                                the later one holds
    s/<digest>                  a schema
    k/<realm>                   the digests of its schemas
    m/<what>                    the store itself: format, key, keys/<name>
    m/news/append               put with every revision;  m/news/other: with every row that comes without one

A *history* is the key that a realm's revisions and receipts are kept under: it goes along when the realm is renamed.
Names that differ by case alone stand beside each other, so that one comparison finds whether another one came.
"""

from __future__ import annotations

import json
import os

from realmconf.domain.names import RealmName
from realmconf.errors import InvalidRealm, StoreCorrupt
from realmconf.stores.protocol import Receipt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from realmconf.stores.etcd.asking import Found

FORMAT = 1
"""Of what is stored; raised with every change that an older client would not understand."""
INLINE_BYTES_MAX = 4_096
"""Up to so many the newest revision stands in its row as well: then whoever reads needs one question."""
PUTS_AT_ONCE_MAX = 128
"""Revisions of one write have positions of their own: the server's revision times this, and a number."""
GENERATION_MAX = 2**53

_json = json.JSONEncoder(separators=(",", ":"))


def trusted_name(text: str) -> RealmName:
    """A realm's name as the store has it."""
    try:
        return RealmName(text)
    except InvalidRealm:
        # One of the names that no user's realm can have.
        return str.__new__(RealmName, text)


def after(prefix: str) -> str:
    """The end of all keys that begin with *prefix*, which ends with a slash."""
    return prefix[:-1] + "0"


class Keys:
    """The keys of one store."""

    def __init__(self, prefix: str) -> None:
        self.own = f"{prefix}/m/"
        self.rows = f"{prefix}/r/"
        self.together_prefix = f"{prefix}/t/"
        self.news = f"{prefix}/m/news/"
        self.last = f"{prefix}/m/news/append"
        self.other = f"{prefix}/m/news/other"
        self.format = f"{prefix}/m/format"
        self.secret = f"{prefix}/m/key"
        self.secrets = f"{prefix}/m/keys/"
        self._prefix = prefix

    def row(self, realm: str) -> str:
        """What is kept of a realm."""
        return f"{self.rows}{realm.lower()}/{realm}"

    def twins(self, realm: str) -> str:
        """The rows of all names that differ from this one by case at most."""
        return f"{self.rows}{realm.lower()}/"

    def history(self, history: str) -> str:
        """All revisions of one."""
        return f"{self._prefix}/h/{history}/"

    def revision(self, history: str, generation: int) -> str:
        """One of them; their keys are in the order of their generations."""
        return f"{self._prefix}/h/{history}/{min(max(generation, 0), GENERATION_MAX):014x}"

    def receipts(self, history: str) -> str:
        """What became of all ids of one history."""
        return f"{self._prefix}/w/{history}/"

    def receipt(self, history: str, write_id: str) -> str:
        """What became of one."""
        return f"{self._prefix}/w/{history}/{write_id}"

    def together(self, write_id: str) -> str:
        """What became of one in several realms at once."""
        return f"{self._prefix}/t/{write_id}"

    def children(self, parent: str) -> str:
        """Who names it, or did."""
        return f"{self._prefix}/c/{parent}/"

    def child(self, parent: str, child: str) -> str:
        """Whether one does."""
        return f"{self._prefix}/c/{parent}/{child}"

    def schema(self, digest: str) -> str:
        """A schema."""
        return f"{self._prefix}/s/{digest}"

    def schemas(self, realm: str) -> str:
        """The schemas of a realm."""
        return f"{self._prefix}/k/{realm}"


def name_in(key: str) -> str:
    """The last part of *key*, where it is a name."""
    return key.rpartition("/")[2]


def generation_in(key: str) -> int:
    """The generation of the revision that is kept there."""
    return int(name_in(key), 16)


class Entry:
    """What is kept of a realm besides its revisions. Version 0: nothing was ever said of it."""

    __slots__ = (
        "digest",
        "exists",
        "floor",
        "generation",
        "history",
        "moved_to",
        "packed",
        "parent",
        "realm",
        "version",
    )

    def __init__(self, realm: str, *, history: str) -> None:
        self.realm = realm
        self.history = history
        self.version = 0
        self.generation = 0
        self.digest = ""
        self.floor = 1
        self.parent: str | None = None
        self.moved_to: str | None = None
        self.exists = False
        self.packed: bytes | None = None
        """The newest revision, where it is small."""

    def copy(self) -> Entry:
        """Another one with the same content."""
        copied = Entry(self.realm, history=self.history)
        for name in self.__slots__:
            setattr(copied, name, getattr(self, name))
        return copied

    def value(self) -> bytes:
        """As bytes: a line about the realm, and the revision."""
        # As json.dumps would, which every write would pay for.
        usual = f'{{"h":"{self.history}","g":{self.generation},"d":"{self.digest}","f":{self.floor}'
        fields: dict[str, Any] = {}
        if self.parent is not None:
            fields["o"] = self.parent
        if self.moved_to is not None:
            fields["m"] = self.moved_to
        if self.exists:
            fields["x"] = 1
        if fields:
            usual += "," + _json.encode(fields)[1:-1]
        line = usual.encode() + b"}"
        return line if self.packed is None else line + b"\n" + self.packed


def new_entry(realm: str) -> Entry:
    """The row of a realm that nothing was ever said of, with a history that nobody else has."""
    return Entry(realm, history=os.urandom(8).hex())


def entry_in(found: Found) -> Entry:
    """
    The row that stands there.

    Raises:
        StoreCorrupt: It is none that ``Entry.value`` made.
    """
    line, separator, packed = found.value.partition(b"\n")
    try:
        fields = json.loads(line)
        entry = Entry(name_in(found.key), history=fields["h"])
        entry.generation = fields["g"]
        entry.digest = fields["d"]
        entry.floor = fields["f"]
        entry.parent = fields.get("o")
        entry.moved_to = fields.get("m")
        entry.exists = "x" in fields
    except (KeyError, TypeError, ValueError) as damaged:
        raise StoreCorrupt(f"the row {found.key} cannot be read: it is damaged") from damaged
    entry.version = found.version
    entry.packed = packed if separator else None
    return entry


def news_value(revisions: int) -> bytes:
    """So many revisions were put."""
    return b"%d" % revisions


def last_position_in(found: Found) -> int:
    """What is put with every revision says where the newest of all stands."""
    # Some have names behind the number.
    return found.version * PUTS_AT_ONCE_MAX + int(found.value.split()[0]) - 1


def revision_value(number: int, packed: bytes) -> bytes:
    """A revision that is the write's *number*-th, counted from 0."""
    return b"%d %b" % (number, packed)


def packed_in(found: Found) -> bytes:
    """The revision that stands there, as it is kept."""
    return found.value.partition(b" ")[2]


def position_in(found: Found) -> int:
    """Where the revision that stands there is in the order of commits."""
    return found.created * PUTS_AT_ONCE_MAX + int(found.value.partition(b" ")[0])


def receipt_value(receipt: Receipt) -> bytes:
    """A receipt as bytes; its realm is that of the history."""
    return _json.encode(receipt_fields(receipt)).encode()


def receipt_fields(receipt: Receipt) -> list[object]:
    """As it is kept."""
    return [receipt.request, receipt.outcome, receipt.generation]


def receipt_in(value: bytes, realm: RealmName, write_id: str) -> Receipt:
    """
    The receipt that *value* is.

    Raises:
        StoreCorrupt: It is none.
    """
    try:
        return _receipt(json.loads(value), realm, write_id)
    except (TypeError, ValueError) as damaged:
        raise _damaged() from damaged


def receipts_in(value: bytes) -> Mapping[str, list[object]]:
    """
    What a key of several receipts holds, by history.

    Raises:
        StoreCorrupt: It is no such key's.
    """
    try:
        found: Mapping[str, list[object]] = dict(json.loads(value))
    except (TypeError, ValueError) as damaged:
        raise _damaged() from damaged
    return found


def together_value(receipts: Mapping[str, list[object]]) -> bytes:
    """*receipts*, by history, as one key holds them."""
    return _json.encode(receipts).encode()


def together_in(value: bytes, history: str, realm: RealmName, write_id: str) -> Receipt | None:
    """The receipt of *history* among several; None if it has none there."""
    fields = receipts_in(value).get(history)
    try:
        return None if fields is None else _receipt(fields, realm, write_id)
    except (TypeError, ValueError) as damaged:
        raise _damaged() from damaged


def _receipt(fields: Any, realm: RealmName, write_id: str) -> Receipt:
    request, outcome, generation = fields
    return Receipt(
        realm=realm, write_id=write_id, request=request, outcome=outcome, generation=generation
    )


def _damaged() -> StoreCorrupt:
    return StoreCorrupt("a receipt in the store cannot be read: it is damaged")
