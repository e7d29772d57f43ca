"""
What the demonstration shows, act by act, and what must be true at its end.

Every act states what it expects; an expectation that fails ends the demonstration with exit code 1.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from functools import partial

from realmconf.domain.frozen import thaw
from realmconf.domain.toml import parse_toml
from realmconf.errors import GenerationConflict
from realmconf.runtime.client import connect
from realmconf.runtime.operations.reading import newest_first
from realmconf.surfaces.cli.demo.agent import COMMENTS, DOCUMENT_TEXT, REALM
from realmconf.surfaces.cli.demo.cast import Cast
from realmconf.surfaces.cli.demo.processes import COMPARE, LAST_MESSAGE, UPDATE
from realmconf.surfaces.cli.history import blame_table, log_table
from realmconf.surfaces.veil import Veil

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from realmconf.surfaces.cli.call import Call

WRITERS = {"ada": UPDATE, "bob": UPDATE, "cleo": COMPARE, "dan": COMPARE}
WRITES_EACH = 150
ADOPTION_SECONDS_MAX = 10.0


def demo(call: Call) -> int:
    """Run the demonstration; 0 if everything that it expected was so."""
    folder = tempfile.mkdtemp(prefix="realmconf-demo-")
    try:
        with connect(folder, author="eve", surface="cli") as client, Cast(folder) as cast:
            story = Story(call, client.realm(REALM), cast, folder)
            story.tell()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if story.disappointments else 0


class Story:
    """The acts, in order; each leaves the realm for the next."""

    def __init__(self, call: Call, realm: Any, cast: Cast, folder: str) -> None:
        self._call = call
        self._realm = realm
        self._cast = cast
        self._path = os.path.join(folder, REALM, "config.toml")
        self.disappointments: list[str] = []

    def tell(self) -> None:
        """All acts."""
        self._begin()
        written = self._writers_and_a_person()
        self._collision()
        self._old_buffer()
        self._rollback()
        self._end(written)

    # --- acts

    def _begin(self) -> None:
        self._title("An agent's configuration, and its working copy")
        result = self._realm.set(parse_toml(DOCUMENT_TEXT).document, message="first version")
        self._expect(result.generation == 1, "the first write makes generation 1")
        # The comments come from a person, like those of most files.
        self._wait_for(lambda: os.path.exists(self._path), "config.toml is there")
        self._save(f"{self._loaded().splitlines()[0]}\n{DOCUMENT_TEXT}")
        self._tell(f"generation 1 is {self._path}:", *self._loaded().splitlines()[:4], "…")

    def _writers_and_a_person(self) -> list[dict[str, Any]]:
        self._title(
            f"Four processes count tool calls, {WRITES_EACH} writes each; "
            "a person edits config.toml meanwhile"
        )
        self._cast.start_watcher(after=self._realm.get().generation)
        for name, way in WRITERS.items():
            self._cast.start_writer(name, way=way, count=WRITES_EACH)
        self._cast.curtain_up()
        edits = (
            ("max_tool_calls = 250", "max_tool_calls = 300", self._save_by_rename),
            ("budget_warning_threshold = 0.75", "budget_warning_threshold = 0.8", self._save),
            ('max_delay = "1m 30s"', 'max_delay = "1m"', self._save_by_rename),
        )
        for before, after, save in edits:
            text = self._loaded()
            # Somebody is typing; the writers go on.
            time.sleep(0.1)
            save(text.replace(before, after))
            self._tell(f"by hand, while they write: {after}")
            self._wait_for(partial(self._states, after), f"{after} is taken in")
        told = self._cast.writers_tell()
        usage = self._realm.get().document["usage"]
        total = WRITES_EACH * len(WRITERS)
        self._expect(usage["tool_calls"] == total, f"the counter is at {total}: no write was lost")
        self._expect(
            all(usage[name] == WRITES_EACH for name in WRITERS),
            f"each of them has its {WRITES_EACH}",
        )
        self._expect(
            all(self._states(after) for _, after, _ in edits), "all three hand edits are in"
        )
        return told

    def _collision(self) -> None:
        self._title("Two writers start from the same generation")
        realm = self._realm
        seen = realm.get()
        realm.set_value(
            "agent.model", "claude-opus-4-5", expected=seen, author="ada", message="release week"
        )
        self._tell(f"ada sets agent.model, expecting generation {seen.generation}: done")
        url = "https://llm-proxy.example/v2"
        try:
            realm.set_value("provider.base_url", url, expected=seen, author="bob")
        except GenerationConflict as conflict:
            self._tell(f"bob sets provider.base_url, expecting the same: {conflict}")
            self._expect(conflict.current == seen.generation + 1, "bob learns where the realm is")
        else:
            self._expect(False, "bob is refused")
        rebased = realm.set_value(
            "provider.base_url",
            url,
            expected=seen,
            on_conflict="rebase",
            author="bob",
            message="new proxy",
        )
        self._tell(f"bob again, with rebase: done, generation {rebased.generation}")
        self._expect(
            rebased.rebased_from == seen.generation, "nothing bob touches had changed, so it is in"
        )
        try:
            realm.set_value(
                "agent.model",
                "claude-haiku-4-5",
                expected=seen,
                on_conflict="rebase",
                author="cleo",
            )
        except GenerationConflict as conflict:
            self._tell(f"cleo sets agent.model, with rebase: {conflict}")
            self._expect(
                [entry["author"] for entry in conflict.contested] == ["ada"],
                "cleo learns that it was ada who changed the same value",
            )
        else:
            self._expect(False, "cleo is refused")

    def _old_buffer(self) -> None:
        self._title("An editor saves a buffer that is two generations old")
        realm = self._realm
        generation = realm.get().generation
        self._wait_for(
            lambda: f"generation {generation}\n" in self._loaded(), "the file is up to date"
        )
        buffer = self._loaded()
        realm.set_value("retry.max_retries", 8, author="dan", message="the proxy is flaky")
        realm.set_value("retry.multiplier", 2.5, author="dan", message="and slow")
        self._tell(
            f"the editor holds generation {generation}; dan made {generation + 1} and {generation + 2}"
        )
        self._save(buffer.replace('max_duration = "45m"', 'max_duration = "30m"'))
        self._wait_for(lambda: self._states('max_duration = "30m"'), "the old buffer is merged")
        document = realm.get().document
        self._expect(document["retry"]["max_retries"] == 8, "dan's changes are still there")
        self._expect(document["budget"]["max_duration"] == "30m", "and so is the person's")

    def _rollback(self) -> None:
        self._title("A change is rolled back")
        realm = self._realm
        good = realm.get()
        bad = realm.set_value("budget.max_tokens", 4, author="bob", message="a slip of the finger")
        back = realm.rollback(to=good.generation, author="ada", message="no, not four tokens")
        self._tell(
            f"generation {bad.generation} was a slip; generation {back.generation} is {good.generation} again"
        )
        self._expect(realm.get().document == good.document, "the document is what it was")

    def _end(self, written: list[dict[str, Any]]) -> None:
        realm = self._realm
        last = realm.set_value("usage.closed", True, message=LAST_MESSAGE)
        watched = self._cast.watcher_tells()
        self._wait_for(
            lambda: f"generation {last.generation}\n" in self._loaded(), "the file is up to date"
        )
        text = self._loaded()
        self._expect(
            all(comment in text for comment in COMMENTS), "every comment is still in the file"
        )
        expected = list(range(watched["seen"][0], last.generation + 1))
        self._expect(
            watched["seen"] == expected and not watched["resets"],
            f"the watcher saw each of {len(expected)} generations once and in order",
        )
        realm.verify()
        call = self._call
        self._title("History")
        call.print(*log_table(call, realm.history(limit=12)))
        self._title("Blame")
        from realmconf.domain.blame import blame

        veil = Veil(secrecy=lambda: realm.client.lineages.secrecy(realm.realm_id))
        call.print(*blame_table(call, blame(newest_first(realm)), veil=veil))
        self._title("Figures")
        self._figures(written, watched, generation=last.generation)

    def _figures(
        self, written: list[dict[str, Any]], watched: dict[str, Any], *, generation: int
    ) -> None:
        seconds = max(one["seconds"] for one in written)
        writes = sum(one["writes"] for one in written)
        delays = sorted(watched["delays_milliseconds"])
        conflicts = sum(one["conflicts"] for one in written)
        self._tell(
            f"{generation} generations; {writes} writes of {len(written)} processes in {seconds:.1f} s: "
            f"{writes / seconds:.0f} durable commits a second",
            f"{conflicts} conflicts, all of the two that read first and then wrote; the two that used update had none",
            f"from a write's decision to the watcher's hands: median {delays[len(delays) // 2]:.1f} ms, "
            f"99 % within {delays[len(delays) * 99 // 100]:.1f} ms",
        )
        for failed in self.disappointments:
            self._call.print(self._call.terminal.paint(f"not as promised: {failed}", "red"))

    # --- means

    def _title(self, text: str) -> None:
        self._call.print("", self._call.terminal.paint(text, "bold"))

    def _tell(self, *lines: str) -> None:
        self._call.print(*(f"  {line}" for line in lines))
        self._call.flush()

    def _expect(self, so: bool, claim: str) -> None:  # noqa: FBT001 - reads as a sentence
        if so:
            self._tell(self._call.terminal.paint(f"✓ {claim}", "green"))
        else:
            self.disappointments.append(claim)
            self._tell(self._call.terminal.paint(f"✗ {claim}", "red"))

    def _wait_for(self, condition: Callable[[], bool], claim: str) -> None:
        deadline = time.monotonic() + ADOPTION_SECONDS_MAX
        while not condition():
            if time.monotonic() > deadline:
                self._expect(False, claim)
                return
            time.sleep(0.02)

    def _states(self, line: str) -> bool:
        """Whether the document states what the TOML *line* says, in whichever section."""
        ((key, value),) = parse_toml(line).document.items()
        sections = thaw(self._realm.get().document).values()
        return any(isinstance(section, dict) and section.get(key) == value for section in sections)

    # --- a person's editor

    def _loaded(self) -> str:
        with open(self._path, encoding="utf-8") as file:
            return file.read()

    def _save(self, text: str) -> None:
        """As editors save that write into the same file."""
        with open(self._path, "w", encoding="utf-8") as file:
            file.write(text)

    def _save_by_rename(self, text: str) -> None:
        """As editors save that write a new file and put it in place."""
        with open(f"{self._path}~", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(f"{self._path}~", self._path)
