"""
A text in the user's own editor, on disk until it is safely in.

Decides which editor that is and where the text lies.  Knows nothing of what the text means.
"""

from __future__ import annotations

import os
import shutil
import tempfile

from realmconf.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

NOTE_PREFIX = "# realmconf edit: "
"""How the lines start that tell a person what was wrong with their text; they are not part of it."""


class EditedText:
    """
    One text and its file, readable by its owner alone.

    The file stays when anything goes wrong; ``discard`` is for a text that is in, or was not changed.
    """

    def __init__(self, *, name: str, environment: Mapping[str, str], has_terminal: bool) -> None:
        """
        Raises:
            InvalidArgument: No editor is named, and there is none, or no terminal for one.
        """
        self._command = _editor(environment, has_terminal=has_terminal)
        self._environment = environment
        self._folder = tempfile.mkdtemp(prefix="realmconf-edit-")
        self.path = os.path.join(self._folder, f"{name}.toml")

    def edit(self, text: str, *, note: str | None = None) -> str | None:
        """
        Let the user edit *text*, under *note* if there is something to say about it.

        Returns what they saved, without the note; None if they saved nothing new.

        Raises:
            InvalidArgument: The editor could not be run, failed, or removed the file.
        """
        above = "".join(f"{NOTE_PREFIX}{line}\n" for line in (note or "").splitlines())
        self._write(above + text)
        self._run()
        saved = self._read()
        return None if saved == above + text else _without_note(saved)

    def discard(self) -> None:
        """Remove the file."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _write(self, text: str) -> None:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.write(text)

    def _read(self) -> str:
        try:
            with open(self.path, encoding="utf-8", errors="surrogateescape", newline="") as file:
                return file.read()
        except OSError as error:
            raise InvalidArgument("the editor removed the file; nothing was changed") from error

    def _run(self) -> None:
        import subprocess

        # As git does: the editor is a shell command, which may bring options.
        words = ["/bin/sh", "-c", f'{self._command} "$@"', self._command, self.path]
        finished = subprocess.run(words, check=False, env=dict(self._environment))
        if finished.returncode:
            raise InvalidArgument(
                f"the editor ({self._command}) ended with {finished.returncode}; nothing was changed"
            )


def _editor(environment: Mapping[str, str], *, has_terminal: bool) -> str:
    for name in ("VISUAL", "EDITOR"):
        if environment.get(name):
            return environment[name]
    if not has_terminal:
        # Those below would wait for keys that nobody can press.
        raise InvalidArgument(
            "there is no terminal to edit in: set $EDITOR to a command that needs none"
        )
    for name in ("sensible-editor", "editor", "nano", "vi"):
        if shutil.which(name, path=environment.get("PATH")):
            return name
    raise InvalidArgument("no editor was found: set EDITOR")


def _without_note(text: str) -> str:
    lines = text.splitlines(keepends=True)
    while lines and lines[0].startswith(NOTE_PREFIX):
        del lines[0]
    return "".join(lines)
