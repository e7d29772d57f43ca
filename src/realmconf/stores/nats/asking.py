"""
What JetStream is asked, and how what it says is read: one message, several, a range, and one put down.

Decides who may answer: the leader of the stream alone (``last_message``, ``subjects_under``), or any replica, which may
not have heard of the newest (``several``, ``stretch``, ``at_sequence``): whoever asks those has to see that it has.
"""

from __future__ import annotations

import base64
import json

from realmconf.errors import StoreCorrupt
from realmconf.stores.nats import failures
from realmconf.stores.nats.client import STATUS
from realmconf.stores.nats.failures import RefusedError, refusal_in
from realmconf.stores.nats.layout import Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, NamedTuple

    from realmconf.stores.nats.client import Heard
    from realmconf.stores.nats.wire import Wire
else:
    from typing import NamedTuple

EXPECTED = "Nats-Expected-Last-Subject-Sequence"
EXPECTED_ON = "Nats-Expected-Last-Subject-Sequence-Subject"
EXPECTED_LAST = "Nats-Expected-Last-Sequence"
SUBJECTS_AT_ONCE = 500
"""Asked for in one question; the server answers at most 1,024."""
STRETCH_MESSAGES = 256
STRETCH_BYTES = 4 << 20
NAMES_AT_ONCE = 100_000
"""The server's own page of subjects."""


async def last_message(wire: Wire, stream: str, subject: str, *, deadline: float) -> Message | None:
    """The newest message on *subject*, perhaps with wildcards, as the stream's leader has it."""
    return await _leaders(wire, stream, {"last_by_subj": subject}, deadline)


async def leaders_at(wire: Wire, stream: str, sequence: int, *, deadline: float) -> Message | None:
    """The message with that sequence, as the stream's leader has it."""
    return await _leaders(wire, stream, {"seq": sequence}, deadline)


async def leaders_next(
    wire: Wire, stream: str, subject: str, sequence: int, *, deadline: float
) -> Message | None:
    """The first message on *subject* with that sequence or a later one, as the stream's leader has it."""
    return await _leaders(wire, stream, {"seq": sequence, "next_by_subj": subject}, deadline)


async def _leaders(
    wire: Wire, stream: str, fields: Mapping[str, Any], deadline: float
) -> Message | None:
    try:
        found = await wire.ask_json(f"$JS.API.STREAM.MSG.GET.{stream}", fields, deadline=deadline)
    except RefusedError as refused:
        if refused.number == failures.NO_MESSAGE:
            return None
        raise
    message = found["message"]
    return Message(message["seq"], message["subject"], base64.b64decode(message.get("data", "")))


class Several:
    """What a replica knew of several subjects."""

    __slots__ = ("messages", "up_to")

    def __init__(self, messages: Mapping[str, Message], up_to: int) -> None:
        self.messages = messages
        """By subject."""
        self.up_to = up_to
        """The last sequence that the answer speaks of; 0 where it found nothing at all and does not say."""


async def several(
    wire: Wire, stream: str, subjects: Sequence[str], *, up_to: int, deadline: float
) -> Several:
    """
    The newest messages on *subjects* (without wildcards) that are not newer than *up_to* (0: that the replica which
    answers has), at one point.
    """
    fields: dict[str, Any] = {"multi_last": list(subjects)}
    messages: dict[str, Message] = {}
    while True:
        if up_to:
            fields["up_to_seq"] = up_to
        answers = await wire.ask_many(
            f"$JS.API.DIRECT.GET.{stream}", json.dumps(fields).encode(), deadline=deadline
        )
        end = answers[-1].headers or {}
        status = end.get(STATUS)
        if status == "404":
            return Several(messages, up_to)
        if status != "204":
            raise _unexpected(end)
        messages.update((one.subject, one) for one in map(_message, answers[:-1]))
        up_to = int(end["Nats-UpTo-Sequence"])
        if not int(end["Nats-Num-Pending"]):
            return Several(messages, up_to)
        # It was cut where it grew too large: the rest, of the same point.
        fields["multi_last"] = [one for one in subjects if one not in messages]


async def at_sequence(wire: Wire, stream: str, sequence: int, *, deadline: float) -> Message | None:
    """The message with that sequence, if the replica that answers has it."""
    return await _direct(wire, stream, {"seq": sequence}, deadline)


async def next_message(
    wire: Wire, stream: str, subject: str, sequence: int, *, deadline: float
) -> Message | None:
    """The first message on *subject* with that sequence or a later one, if the replica that answers has one."""
    return await _direct(wire, stream, {"seq": sequence, "next_by_subj": subject}, deadline)


async def _direct(
    wire: Wire, stream: str, fields: Mapping[str, Any], deadline: float
) -> Message | None:
    answer = await wire.ask(
        f"$JS.API.DIRECT.GET.{stream}", json.dumps(fields).encode(), deadline=deadline
    )
    headers = answer.headers or {}
    status = headers.get(STATUS)
    if status == "404":
        return None
    if status is not None:
        raise _unexpected(headers)
    return _message(answer)


async def stretch(
    wire: Wire,
    stream: str,
    subject: str | None,
    sequence: int,
    *,
    deadline: float,
    messages: int = STRETCH_MESSAGES,
) -> list[Message]:
    """
    Messages on *subject* (None: any) from that sequence on, in order: a number of them, as far as the replica has them.

    None are left out between the first and the last of them that the replica has.
    """
    fields: dict[str, Any] = {"seq": sequence, "batch": messages, "max_bytes": STRETCH_BYTES}
    if subject is not None:
        fields["next_by_subj"] = subject
    answers = await wire.ask_many(
        f"$JS.API.DIRECT.GET.{stream}", json.dumps(fields).encode(), deadline=deadline
    )
    end = answers[-1].headers or {}
    if end.get(STATUS) not in {"204", "404"}:
        raise _unexpected(end)
    return [_message(answer) for answer in answers[:-1]]


class Names(NamedTuple):
    """Subjects that have messages, and those that the stream took when it was asked for the last of them."""

    found: list[str]
    taken: frozenset[str]


async def subjects_under(wire: Wire, stream: str, subject: str, *, deadline: float) -> Names:
    """All subjects that match *subject*, with wildcards, as the stream's leader has them."""
    found: list[str] = []
    while True:
        answer = await wire.ask_json(
            f"$JS.API.STREAM.INFO.{stream}",
            {"subjects_filter": subject, "offset": len(found)},
            deadline=deadline,
        )
        page = answer["state"].get("subjects") or {}
        found += page
        if len(page) < NAMES_AT_ONCE:
            return Names(found, frozenset(answer["config"].get("subjects") or ()))


async def put(
    wire: Wire, subject: str, body: bytes, headers: Mapping[str, str], *, deadline: float
) -> int:
    """
    Put *body* down, if what *headers* ask for is so; its sequence.

    Raises:
        RefusedError: It was not put down.
        LostError, UnsentError, DeniedError: As ``Wire.ask``.
    """
    return acknowledged(await wire.ask(subject, body, headers=headers, deadline=deadline))


def acknowledged(answer: Heard) -> int:
    """
    The sequence that is acknowledged.

    Raises:
        RefusedError: Nothing was put down.
    """
    found = json.loads(answer.data or b"{}")
    refused = refusal_in(found)
    if refused is not None:
        raise refused
    sequence: int = found["seq"]
    return sequence


def _message(answer: Heard) -> Message:
    headers = answer.headers or {}
    try:
        return Message(int(headers["Nats-Sequence"]), headers["Nats-Subject"], answer.data)
    except (KeyError, ValueError):
        raise StoreCorrupt("the server's answer has no sequence") from None


def _unexpected(end: Mapping[str, str]) -> RefusedError:
    return RefusedError(0, " ".join(str(value) for value in end.values()))
