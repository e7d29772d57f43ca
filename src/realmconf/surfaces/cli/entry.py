"""
The way in: from the words of a command line to an exit code.

Decides what happens to everything that can go wrong, so that nobody ever sees a traceback: typed
errors by the one table, usage, interruption, a closed pipe, and our own defects.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys

from realmconf.errors import RealmconfError
from realmconf.surfaces.cli.call import Call, OutputFailed
from realmconf.surfaces.cli.parsing import HelpWanted, UsageError, read, wants_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn

    from realmconf.surfaces.cli.table import Command

DONE = 0
DEFECT = 1
USAGE = 2
OUTPUT_FAILED = 6
"""Like any other place that cannot be written."""
INTERRUPTED = 130
"""128 + SIGINT, as shells count."""
PIPE_CLOSED = 141
"""128 + SIGPIPE: whoever read our output has enough."""
TERMINATED = 143
"""128 + SIGTERM."""


GARBAGE_THRESHOLD = 50_000
"""Allocations before the first look for garbage."""


class Terminated(BaseException):
    """SIGTERM came: what is open is closed on the way out."""


def main(words: Sequence[str] | None = None) -> int:
    """
    Run one command line and return its exit code.

    ``sys.stdin``, ``sys.stdout`` and ``sys.stderr`` of the moment of the call are used.  Without
    *words* it is the command line of this process, which then ends here and does not return.
    """
    if words is not None:
        return _code_of(words)
    _have_streams()
    _notice_termination()
    # Most commands end before there is garbage worth looking for.
    gc.set_threshold(GARBAGE_THRESHOLD)
    return _end(_code_of(sys.argv[1:]))


def _code_of(words: Sequence[str]) -> int:
    try:
        code = _answered(words)
        sys.stdout.flush()
    except BrokenPipeError:
        _abandon_output()
        return PIPE_CLOSED
    except KeyboardInterrupt:
        return INTERRUPTED
    except Terminated:
        return TERMINATED
    return code


def _end(code: int) -> NoReturn:
    """
    End the process without taking the interpreter apart, which costs as much as a fifth of a read.

    Nothing is lost by it: the client is closed, and what was registered for the exit is run.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass
    os._exit(code)


def _answered(words: Sequence[str]) -> int:
    """Run the command; print whatever error it ends with."""
    try:
        request = read(words)
        call = Call(
            request,
            environment=os.environ,
            standard_input=sys.stdin,
            output=sys.stdout,
            diagnostics=sys.stderr,
        )
        if request.command.needs:
            _look_for_packages(request.command)
        run = _function(request.command.run)
        try:
            code = run(call)
            call.flush()
        finally:
            call.close()
    except HelpWanted as help_wanted:
        sys.stdout.write(str(help_wanted))
        return DONE
    except UsageError as error:
        usage = {"code": "usage", "message": str(error)}
        _report("usage", str(error), as_json=usage, words=words)
        if not wants_json(words):
            sys.stderr.write(error.usage + "\n")
        return USAGE
    except RealmconfError as error:
        from realmconf.surfaces.cli.terminal import error_lines
        from realmconf.surfaces.envelope import answer_to, error_object

        _report(error.code, *error_lines(error), as_json=error_object(error), words=words)
        return answer_to(error).exit
    except OutputFailed as failed:
        sys.stderr.write(f"realmconf: standard output: {failed}\n")
        _abandon_output()
        return OUTPUT_FAILED
    except BrokenPipeError:
        raise
    except Exception as defect:  # noqa: BLE001 - the one place that turns a defect into an answer
        from realmconf.surfaces.defects import plea

        text = plea(defect)
        _report("defect", text, as_json={"code": "defect", "message": text}, words=words)
        return DEFECT
    return DONE if code is None else code


def _look_for_packages(command: Command) -> None:
    """
    Raises:
        StoreNotInstalled: One that *command* needs is not installed; the text says what to do.
    """
    from importlib.util import find_spec

    if any(find_spec(package) is None for package in command.needs):
        from realmconf.errors import StoreNotInstalled

        raise StoreNotInstalled(f"realmconf {command.name}", extra=command.extra)


def _function(place: str) -> Callable[[Call], int | None]:
    module, _, name = place.partition(":")
    # As import_module would, which a read would load for this line alone.
    function: Callable[[Call], int | None] = getattr(__import__(module, fromlist=[name]), name)
    return function


def _report(code: str, *lines: str, as_json: dict[str, Any], words: Sequence[str]) -> None:
    if wants_json(words):
        from realmconf.surfaces.cli.formats import json_text

        sys.stdout.write(json_text({"error": as_json}) + "\n")
    else:
        from realmconf.surfaces.cli.terminal import printable

        sys.stdout.flush()
        text, *more = map(printable, lines)
        sys.stderr.write(f"realmconf: {text} [{code}]\n")
        sys.stderr.writelines(f"  {line}\n" for line in more)


def _notice_termination() -> None:
    import signal

    def end(*_: object) -> None:
        raise Terminated

    signal.signal(signal.SIGTERM, end)


def _have_streams() -> None:
    """Have all three standard streams, also where we were started without, and let no locale fail an answer."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r+", encoding="utf-8"))  # noqa: SIM115 - for the rest of the process
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _abandon_output() -> None:
    """Keep the interpreter from flushing into the closed pipe again when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
