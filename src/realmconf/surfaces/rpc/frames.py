"""
Lines of bytes in, within bounds.

Decides where a message ends and how long it may be: what is longer is passed over without being kept, and the next
line is read as if nothing had been.  Knows nothing of JSON.
"""

from __future__ import annotations

from realmconf.domain.record import Record

FRAME_BYTES_MAX = 4 * 1024 * 1024
"""One message, without its line end."""
BEGINNING_BYTES = 4_096
"""What is kept of a message that is too long: its id is likely to stand there."""


class Frame(Record):
    """One line that is not blank, without its line end."""

    raw: bytes
    """All of it; or its beginning, if it is too long."""
    size_bytes: int

    @property
    def is_too_long(self) -> bool:
        """Whether there was more of it than is taken."""
        return self.size_bytes > FRAME_BYTES_MAX


class Frames:
    """The lines of a stream, whose bytes come in pieces of any size."""

    def __init__(self) -> None:
        self._piece = b""
        self._place = 0
        self._kept: list[bytes] = []
        self._size_bytes = 0
        self._has_ended = False

    def feed(self, piece: bytes) -> None:
        """Take the next bytes, after ``next`` had no more; none at all is the end of the stream."""
        self._piece, self._place = piece, 0
        self._has_ended = not piece

    def next(self) -> Frame | None:
        """The next line there is, or None if more bytes are needed; the last one need not have a line end."""
        while True:
            end = self._piece.find(b"\n", self._place)
            if end < 0:
                self._keep(self._piece[self._place :])
                self._place = len(self._piece)
                return self._finished() if self._has_ended else None
            self._keep(self._piece[self._place : end])
            self._place = end + 1
            frame = self._finished()
            if frame is not None:
                return frame

    def _keep(self, more: bytes) -> None:
        was_too_long = self._size_bytes > FRAME_BYTES_MAX
        self._size_bytes += len(more)
        if was_too_long:
            return
        self._kept.append(more)
        if self._size_bytes > FRAME_BYTES_MAX:
            self._kept = [b"".join(self._kept)[:BEGINNING_BYTES]]

    def _finished(self) -> Frame | None:
        frame = Frame(raw=b"".join(self._kept), size_bytes=self._size_bytes)
        self._kept, self._size_bytes = [], 0
        return frame if frame.raw.strip() or frame.is_too_long else None
