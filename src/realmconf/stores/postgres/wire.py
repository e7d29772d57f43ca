"""
One connection to PostgreSQL: questions go out together, and their answers are waited for until a deadline.

Decides how it is waited (never in libpq, which knows no deadline), what is prepared, and when a connection is good for
nothing any more.  Knows no table.  Whatever is asked together is one pipeline up to its end, which is that of its
transaction unless a longer one was begun.

It speaks through psycopg's ``pq``, which is libpq itself: a cursor costs more than the questions that are asked here.
"""

from __future__ import annotations

import os
import select
import time
from collections import deque
from contextlib import suppress
from itertools import count

from psycopg import errors, pq

from realmconf.stores.postgres.failures import LostError, RefusedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg.pq.abc import PGconn, PGresult

    Parameters = Sequence[bytes | None]

_TUPLES, _DONE = int(pq.ExecStatus.TUPLES_OK), int(pq.ExecStatus.COMMAND_OK)
_SYNC, _ABORTED = int(pq.ExecStatus.PIPELINE_SYNC), int(pq.ExecStatus.PIPELINE_ABORTED)
_BAD = int(pq.ConnStatus.BAD)
_BINARY = int(pq.Format.BINARY)
_READABLE = select.POLLIN | select.POLLHUP | select.POLLERR
_IDLE = int(pq.TransactionStatus.IDLE)

_numbers = count(1)


class Statement:
    """A question that is prepared once for each connection; its parameters and answers are binary."""

    def __init__(self, text: str, *types: int) -> None:
        self.text = text.encode()
        self.types = types
        self.formats = [_BINARY] * len(types)
        self.name = b"realmconf_%d" % next(_numbers)


class Question:
    """A statement with its parameters."""

    __slots__ = ("parameters", "statement")

    def __init__(self, statement: Statement, *parameters: bytes | None) -> None:
        self.statement = statement
        self.parameters = parameters


class Answer:
    """The rows that a question was answered with."""

    __slots__ = ("_result", "count")

    def __init__(self, result: PGresult) -> None:
        self._result = result
        self.count = result.ntuples

    def value(self, row: int, column: int) -> bytes | None:
        """One value, as its type is sent; None where it is null."""
        return self._result.get_value(row, column)


class Wire:
    """One connection, used by one thread at a time."""

    def __init__(self, connection: PGconn) -> None:
        connection.nonblocking = 1
        connection.enter_pipeline_mode()
        self._connection = connection
        self._socket = connection.socket
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self._prepared: set[Statement] = set()
        self._sent: deque[list[Statement | None]] = deque()
        """What was sent and not answered: the commands of each pipeline, with the statement where one prepares it."""
        self._owed = 0
        """How many of those nobody waits for."""
        self.used_at = time.monotonic()
        self.server_version = connection.server_version
        self.is_unicode = connection.parameter_status(b"server_encoding") == b"UTF8"
        """Whether the database takes any text."""
        self.is_over = False

    # --- asking --------------------------------------------------------------------------------

    def ask(
        self, questions: Sequence[Question], *, deadline: float, then: Question | None = None
    ) -> list[Answer]:
        """
        The answers to *questions*, which are sent together.

        With *then*, that follows at once in a transaction of its own, whatever becomes of the others: the server does
        it while their answers are on the way, and nobody waits for what it comes to.

        Raises:
            RefusedError: One was refused, and so were all behind it; the connection goes on.
            LostError: No answer came, by the deadline or at all; the connection is over.
        """
        try:
            self._send(questions)
            if then is not None:
                self._send([then])
            while self._owed:
                self._owed -= 1
                # What nobody waits for may be refused; it is told by what is asked next, if it matters.
                with suppress(RefusedError):
                    self._collect(deadline)
            try:
                return self._collect(deadline)
            finally:
                self._owed += then is not None
        except errors.Error as failure:
            raise self._lost(str(failure)) from failure
        except (RefusedError, LostError):
            raise
        except BaseException:
            # Whoever is interrupted while an answer is under way leaves a connection that nobody understands.
            self.close()
            raise

    def tell(self, questions: Sequence[Question]) -> None:
        """Send *questions* without waiting for what they come to; nothing is raised."""
        try:
            self._send(questions)
            self._owed += 1
            self._connection.flush()
        except errors.Error:
            self.close()

    def _send(self, questions: Sequence[Question]) -> None:
        if self.is_over:
            raise LostError("the connection is over")
        connection = self._connection
        commands: list[Statement | None] = []
        for question in questions:
            statement = question.statement
            if statement not in self._prepared:
                connection.send_prepare(statement.name, statement.text, statement.types)
                self._prepared.add(statement)
                commands.append(statement)
            connection.send_query_prepared(
                statement.name, question.parameters, statement.formats, _BINARY
            )
            commands.append(None)
        connection.pipeline_sync()
        self._sent.append(commands)

    def _collect(self, deadline: float) -> list[Answer]:
        """What the oldest pipeline is answered with."""
        connection = self._connection
        answers: list[Answer] = []
        refused: RefusedError | None = None
        expected = iter(self._sent.popleft())
        while True:
            if connection.is_busy():
                self._wait(deadline)
                continue
            result = connection.get_result()
            if result is None:
                if connection.status == _BAD:
                    raise self._lost(connection.get_error_message())
                continue
            status = result.status
            if status == _SYNC:
                break
            prepares = next(expected, None)
            if status in {_TUPLES, _DONE}:
                if prepares is None:
                    answers.append(Answer(result))
                continue
            if prepares is not None:
                self._prepared.discard(prepares)
            if status != _ABORTED:
                refused = self._refusal(result)
        self.used_at = time.monotonic()
        if refused is not None:
            raise refused
        return answers

    def _refusal(self, result: PGresult) -> RefusedError:
        severity = result.error_field(pq.DiagnosticField.SEVERITY_NONLOCALIZED) or b""
        sqlstate = result.error_field(pq.DiagnosticField.SQLSTATE)
        text = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b""
        if severity != b"ERROR" or sqlstate is None:
            # FATAL and PANIC end the session, perhaps after the commit; without a code nobody has answered.
            raise self._lost(text.decode(errors="replace") or result.get_error_message())
        return RefusedError(sqlstate.decode(), text.decode(errors="replace"))

    def _wait(self, deadline: float) -> None:
        """Until there is more to read."""
        connection, poll = self._connection, self._poll
        while True:
            is_pending = connection.flush()
            left = deadline - time.monotonic()
            if is_pending:
                poll.modify(self._socket, select.POLLIN | select.POLLOUT)
            # Rounded up, so that it is never asked again and again in the last millisecond.
            events = poll.poll(max(0, int(left * 1000) + 1) if left > 0 else 0)
            if is_pending:
                poll.modify(self._socket, select.POLLIN)
            if not events:
                raise self._lost("no answer came in time")
            if events[0][1] & _READABLE:
                connection.consume_input()
                return

    def _lost(self, text: str) -> LostError:
        self.close()
        return LostError(" ".join(text.split()) or "the connection was lost")

    # --- between questions -----------------------------------------------------------------------

    def is_good(self) -> bool:
        """Whether it looks as if the next question will be answered: nobody has ended the connection."""
        if self.is_over:
            return False
        connection = self._connection
        try:
            while self._poll.poll(0):
                connection.consume_input()
                while self._owed and not connection.is_busy():
                    # What was told is answered by now; nobody asked for it.
                    result = connection.get_result()
                    if result is None:
                        if connection.status == _BAD:
                            return False
                        continue
                    if result.status == _SYNC:
                        self._sent.popleft()
                        self._owed -= 1
                if not self._owed and connection.status == _BAD:
                    return False
        except errors.Error:
            self.close()
            return False
        return True

    @property
    def is_reusable(self) -> bool:
        """Whether somebody else may ask next: nobody waits for anything, and no transaction is open."""
        return not self.is_over and len(self._sent) == self._owed

    # --- notifications ----------------------------------------------------------------------------

    def fileno(self) -> int:
        """The socket, for whoever waits for more than this connection."""
        return self._socket

    def notifications(self) -> Sequence[bytes]:
        """What those that have come in say; reads what there is, and waits for nothing."""
        try:
            self._connection.consume_input()
        except errors.Error as failure:
            raise self._lost(str(failure)) from failure
        found = []
        while (notification := self._connection.notifies()) is not None:
            found.append(bytes(notification.extra))
        if self._connection.status == _BAD:
            raise self._lost("the connection was lost")
        return found

    # --- the end --------------------------------------------------------------------------------

    def close(self) -> None:
        """End the connection; waits for nothing. Idempotent."""
        if not self.is_over:
            self.is_over = True
            self._connection.finish()

    def abandon(self) -> None:
        """In the child of a fork: let go of the parent's connection without a word to the server."""
        self.is_over = True
        with suppress(OSError):
            nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            try:
                # Whatever libpq may still say at its end goes nowhere.
                os.dup2(nowhere, self._socket, inheritable=False)
            finally:
                os.close(nowhere)
