"""
How a store lies in its stream: the subjects, and the messages on them.

Decides names and forms.  With the stream's name before each, and the number of the format between the two, so that
whoever knows an older one reaches nothing once the stream takes only the messages of a later one::

    r.<realm>           what is said of a realm, in order: each message is its row from then on; its sequence is the
                        row's version, and the position of the revision that it carries, if it carries one
    w.<history>.<id>    what became of a write id (of a minted one the revision tells it)
    c.<parent>.<child>  whether the child's head names the parent
    f.<folded name>     the name that was claimed
    s.<digest>          a schema
    k.<realm>           the digests of its schemas
    x.<history>         where revisions stood that were erased;  e.<history>.<generation>: what is left of each
    o.<what>            of the store itself: keys
    b.<who>             that a replica was asked to have caught up;  g.<number>: only carries a condition

and without it, since every release has to find them::

    m.<what>            the store itself: format, key

A *history* is the key that a realm's receipts are kept under: it goes along when the realm is renamed.  Of the messages
before the rename the row remembers on whose subject they are, and up to where (``trail``).

A release that brings a store up to its own format has to do so in this order, each step once the one before is done:

1. The stream takes the subjects of its format in the place of the older one's: no write of an older release arrives.
2. It puts its number down as the format, and then removes the older message with it (a purge that keeps one): who knows
   the older format alone is told so, whatever point is read at, before anything is missing.
3. It copies what there is.  Sequences that rows, their trails and what tells of erased revisions hold are absolute:
   those of the copies are other ones.
4. It purges what is of the older format, and only then writes anything else.
"""

from __future__ import annotations

import json
import re

from realmconf.domain.names import RealmName
from realmconf.errors import InvalidRealm, StoreCorrupt, StoreTooNew
from realmconf.stores.protocol import Receipt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, NamedTuple
else:
    from typing import NamedTuple

FORMAT = 1
"""What this release writes; a store of a higher one is not touched."""
BATCH_MESSAGES_MAX = 1_000
"""The server's limit to what is put down at once."""

_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_ODD = re.compile(r"[^A-Za-z0-9_-]")


def token(text: str) -> str:
    """*text* as one token of a subject; different for different texts."""
    if _PLAIN.fullmatch(text):
        return text
    return "=" + _ODD.sub(lambda odd: "".join(f"={byte:02x}" for byte in odd[0].encode()), text)


def text_of(written: str) -> str:
    """The text that ``token`` made *written* of."""
    if not written.startswith("="):
        return written
    return re.sub(
        r"(?:=[0-9a-f]{2})+",
        lambda odd: bytes.fromhex(odd[0].replace("=", "")).decode(),
        written[1:],
    )


def trusted_name(text: str) -> RealmName:
    """A realm's name as the store has it."""
    try:
        return RealmName(text)
    except InvalidRealm:
        # One of the names that no user's realm can have.
        return str.__new__(RealmName, text)


class Message(NamedTuple):
    """One message as it is kept."""

    sequence: int
    subject: str
    body: bytes


class Stretch(NamedTuple):
    """A part of a realm's history that stands on another name's subject."""

    realm: str
    first: int
    last: int
    """The sequences between which messages there belong to it."""
    generation: int
    """The head's, at its end."""


class Entry:
    """What one message says of a realm: its row. Sequence 0: nothing was ever said of it."""

    __slots__ = (
        "before",
        "begin",
        "digest",
        "erased",
        "exists",
        "floor",
        "generation",
        "history",
        "is_alone",
        "moved_to",
        "packed",
        "parent",
        "position",
        "realm",
        "sequence",
        "since",
        "trail",
    )

    def __init__(self, realm: str, *, history: str) -> None:
        self.realm = realm
        self.sequence = 0
        self.history = history
        self.generation = 0
        self.digest = ""
        self.position = 0
        """Of the head; as the next two, not above 0 where it is told from the message's own sequence."""
        self.before = 0
        """Of the revision before the one that is carried here; meaningless without one."""
        self.begin = 0
        """Of the oldest revision that is kept."""
        self.floor = 1
        self.moved_to: str | None = None
        self.parent: str | None = None
        self.exists = False
        self.erased = 0
        """How many revisions have something else in their place."""
        self.since = 0
        """What stands on the realm's subject up to there belongs to others, which were renamed."""
        self.trail: Sequence[Stretch] = ()
        self.packed: bytes | None = None
        """The head, if it came with this."""
        self.is_alone = False
        """Whether it is the only row of its write, and says so."""

    def copy(self) -> Entry:
        """Another one with the same content and no revision of its own."""
        copied = Entry(self.realm, history=self.history)
        for name in self.__slots__:
            setattr(copied, name, getattr(self, name))
        copied.packed = None
        copied.is_alone = False
        return copied

    @property
    def carries_head(self) -> bool:
        """Whether the head stands at this very message."""
        return self.generation > 0 and self.position == self.sequence

    def body(self) -> bytes:
        """As bytes: a line about the realm, and the revision."""
        # As json.dumps would, which every write would pay for.
        usual = (
            f'{{"g":{self.generation},"d":"{self.digest}","p":{self.position:d},"b":{self.begin:d},'
            f'"f":{self.floor},"h":"{self.history}"'
        )
        fields: dict[str, Any] = {}
        if self.packed is not None:
            usual += f',"q":{self.before:d}'
        if self.is_alone:
            usual += ',"a":1'
        if self.moved_to is not None:
            fields["m"] = self.moved_to
        if self.parent is not None:
            fields["o"] = self.parent
        if self.exists:
            fields["x"] = 1
        if self.erased:
            fields["e"] = self.erased
        if self.since:
            fields["u"] = self.since
        if self.trail:
            fields["t"] = self.trail
        if fields:
            usual += "," + json.dumps(fields, separators=(",", ":"))[1:-1]
        line = usual.encode() + b"}"
        return line if self.packed is None else line + b"\n" + self.packed

    def put_down(self, sequence: int) -> None:
        """It has this sequence: places that are told from its own are known."""
        self.sequence = sequence
        self.position = _absolute(self.position, sequence)
        self.begin = _absolute(self.begin, sequence)
        self.before = _absolute(self.before, sequence)


def entry_in(message: Message) -> Entry:
    """
    What *message*, on a realm's subject, says.

    Raises:
        StoreCorrupt: It is none that ``Entry.body`` made.
    """
    line, separator, packed = message.body.partition(b"\n")
    sequence = message.sequence
    try:
        fields = json.loads(line)
        entry = Entry(text_of(message.subject.rpartition(".")[2]), history=fields["h"])
        entry.generation = fields["g"]
        entry.digest = fields["d"]
        entry.position = fields["p"]
        entry.begin = fields["b"]
        entry.floor = fields["f"]
        if separator:
            entry.packed = packed
            entry.before = fields["q"]
        entry.put_down(sequence)
        entry.moved_to = fields.get("m")
        entry.parent = fields.get("o")
        entry.exists = "x" in fields
        entry.is_alone = "a" in fields
        entry.erased = fields.get("e", 0)
        entry.since = fields.get("u", 0)
        entry.trail = [Stretch(*one) for one in fields.get("t", ())]
    except (KeyError, TypeError, ValueError) as damaged:
        raise StoreCorrupt(
            f"message {sequence} of the stream cannot be read: it is damaged"
        ) from damaged
    return entry


NOWHERE = -(2**53)
"""The place of what is not there, where others are told from a message's own sequence."""


def _absolute(place: int, sequence: int) -> int:
    if place > 0:
        return place
    return 0 if place == NOWHERE else sequence + int(place)


def receipt_body(receipt: Receipt) -> bytes:
    """A receipt as bytes; its realm is that of the history."""
    fields = {"q": receipt.request, "o": receipt.outcome, "g": receipt.generation}
    return json.dumps(fields, separators=(",", ":")).encode()


def receipt_in(message: Message, realm: RealmName) -> Receipt:
    """
    The receipt that *message* is, as one of *realm*.

    Raises:
        StoreCorrupt: It is none.
    """
    try:
        fields = json.loads(message.body)
        return Receipt(
            realm=realm,
            write_id=text_of(message.subject.rpartition(".")[2]),
            request=fields["q"],
            outcome=fields["o"],
            generation=fields["g"],
        )
    except (KeyError, TypeError, ValueError) as damaged:
        raise StoreCorrupt("a receipt in the stream cannot be read: it is damaged") from damaged


def erased_in(body: bytes) -> dict[int, int]:
    """What a message tells of erased revisions."""
    return {int(generation): position for generation, position in json.loads(body).items()}


def row_name(subject: str) -> RealmName:
    """The realm of which something is said on *subject*, one of the rows'."""
    return trusted_name(text_of(subject.rpartition(".")[2]))


class Subjects:
    """The subjects of one stream."""

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._prefix = f"{stream}.{FORMAT}"
        self.all = (f"{stream}.m.*", f"{self._prefix}.>")
        """What a stream takes that a store is in."""
        self.rows = f"{self._prefix}.r.>"
        self.rows_prefix = f"{self._prefix}.r."

    def format_taken(self, subjects: Iterable[str]) -> int:
        """The highest format whose messages a stream with *subjects* takes; 0 if it takes those of none."""
        own = re.compile(re.escape(self._stream) + r"\.([1-9][0-9]{0,8})\.>")
        found = (own.fullmatch(one) for one in subjects)
        return max((int(one[1]) for one in found if one is not None), default=0)

    def row(self, realm: str) -> str:
        """What is said of a realm."""
        return f"{self._prefix}.r.{token(realm)}"

    def receipt(self, history: str, write_id: str) -> str:
        """What became of a write id; ``*`` for all."""
        return f"{self._prefix}.w.{history}.{'*' if write_id == '*' else token(write_id)}"

    def child(self, parent: str, child: str) -> str:
        """Whether it is one; ``*`` for all."""
        return f"{self._prefix}.c.{token(parent)}.{'*' if child == '*' else token(child)}"

    def claim(self, folded: str) -> str:
        """Who has a name."""
        return f"{self._prefix}.f.{token(folded)}"

    def schema(self, digest: str) -> str:
        """A schema."""
        return f"{self._prefix}.s.{token(digest)}"

    def schemas(self, realm: str) -> str:
        """The schemas of a realm."""
        return f"{self._prefix}.k.{token(realm)}"

    def erased(self, history: str) -> str:
        """Where erased revisions stood."""
        return f"{self._prefix}.x.{history}"

    def remains(self, history: str, generation: int) -> str:
        """What is left of one."""
        return f"{self._prefix}.e.{history}.{generation}"

    def marker(self, what: str) -> str:
        """What is kept of the store itself, for every release."""
        return f"{self._stream}.m.{what}"

    def own(self, what: str) -> str:
        """What is kept of the store itself, in this format."""
        return f"{self._prefix}.o.{what}"

    def barrier(self, who: str) -> str:
        """Where *who* asks replicas to have caught up."""
        return f"{self._prefix}.b.{who}"

    def guard(self, number: int) -> str:
        """Where a message goes that only carries a condition."""
        return f"{self._prefix}.g.{number}"


def check_format(body: bytes, place: str) -> None:
    """
    See that this release may use what is in a stream whose format stands in *body*.

    Raises:
        StoreTooNew: A later release has made it, or has brought it up.
        StoreCorrupt: It is no format.
    """
    try:
        found = int(body)
    except ValueError:
        raise StoreCorrupt(
            f"{place}: the stream holds something else, or is damaged; name another stream"
        ) from None
    check_number(found, place)


def check_number(found: int, place: str) -> None:
    """
    See that this release may use what is of the format with the number *found*.

    Raises:
        StoreTooNew: It is a later one.
    """
    if found > FORMAT:
        raise StoreTooNew(
            f"{place}: a later release of realmconf has made it, or has brought it up (format {found}; this one knows "
            f"formats up to {FORMAT}): upgrade realmconf"
        )


def names_in(subjects: Iterable[str]) -> list[str]:
    """The last tokens of *subjects*, as texts."""
    return [text_of(subject.rpartition(".")[2]) for subject in subjects]
