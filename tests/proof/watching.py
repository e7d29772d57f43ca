"""Very many watch events over very many connections that break: each reader has each generation once, in order."""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import threading

from tests.surfaces.http.streaming import Scene, staged

from realmconf.testing.workers import starting_document

READERS = 50
WRITER = """
import sys, realmconf
with realmconf.connect(sys.argv[1]) as client:
    realm = client.realm(sys.argv[2])
    for number in range(int(sys.argv[3])):
        realm.patch({"counters": {"n": number + 1}})
"""
PATIENCE_SECONDS = 600.0


class Reader(threading.Thread):
    """Follows a realm up to a generation, and breaks its own connection at any moment."""

    def __init__(
        self, scene: Scene, token: object, *, last: int, seed: str, breaks_at: int
    ) -> None:
        super().__init__(name=f"reader {seed}", daemon=True)
        self._scene, self._token, self._last = scene, token, last
        self._chance = random.Random(seed)
        self._breaks_at = breaks_at
        self.events = 0
        self.connections = 0
        self.finding: str | None = None

    def run(self) -> None:
        """Read to the end; whatever is wrong is kept for whoever waits."""
        try:
            self._follow()
        except Exception as failure:  # noqa: BLE001 - it is a finding, whatever it is
            self.finding = f"{self.name}: {type(failure).__name__}: {failure}"

    def _follow(self) -> None:
        had, cursor = 1, ""
        while had < self._last:
            self.connections += 1
            place = {"last_event_id": cursor} if cursor else {}
            query = "" if cursor else "?after=1&view=own"
            with self._scene.open(query or "?view=own", token=self._token, **place) as stream:
                for _ in range(self._chance.randrange(1, 2 * self._breaks_at)):
                    event = stream.event()
                    cursor = event.id
                    if event.event == "bookmark":
                        continue
                    if (event.event, event.data["generation"]) != ("change", had + 1):
                        self.finding = f"{self.name}: {event.event} {event.data} came after {had}"
                        return
                    had += 1
                    self.events += 1
                    if had == self._last:
                        return


def flood(seed: int, commits: int) -> tuple[dict[str, int], list[str]]:
    """*commits* by another process, read by many; events and connections, and what was wrong."""
    with (
        tempfile.TemporaryDirectory(prefix="realmconf-proof-") as folder,
        staged(folder, of_one_token=READERS) as scene,
    ):
        scene.realm.set(starting_document())
        first = scene.realm.get().generation
        token = scene.token()
        last = first + commits
        readers = [
            Reader(
                scene,
                token,
                last=last,
                seed=f"{seed} {number}",
                breaks_at=max(2, commits // 25),
            )
            for number in range(READERS)
        ]
        for one in readers:
            one.start()
        words = [sys.executable, "-c", WRITER, folder, scene.name, str(commits)]
        writer = subprocess.Popen(words)
        for one in readers:
            one.join(PATIENCE_SECONDS)
        code = writer.wait(PATIENCE_SECONDS)
        findings = [one.finding for one in readers if one.finding]
        findings += [f"{one.name} has not ended" for one in readers if one.is_alive()]
        if code:
            findings.append(f"the writer ended with {code}")
        counts = {
            "watch events": sum(one.events for one in readers),
            "reconnects": sum(one.connections - 1 for one in readers),
            "acknowledged writes": commits,
        }
        return counts, findings
