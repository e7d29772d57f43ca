"""The judge of the torture finds what is planted in a log, and excuses only what the original's protocol explains."""

from __future__ import annotations

from typing import Any

import pytest
from tests.meerkat.events import gather
from tests.meerkat.verdict import HIDDEN, OUTLIVED, TAKEN_TWICE, Verdict, judge

STALE_SECONDS = 10.0


class Story:
    """Lines as the writers would have logged them; times are given, so that a story reads as one."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def _say(self, at: float, writer: str, side: str, **facts: Any) -> None:
        self.lines.append({"at": at, "writer": writer, "side": side, **facts})

    def original(
        self,
        writer: str,
        value: int,
        at: float,
        *,
        leaves: float | None = None,
        generation: int,
        counters: dict[str, int],
        takes_over: bool = False,
        dies: bool = False,
    ) -> None:
        """A write of the other side that is inside from *at* to *leaves*."""
        end = at + 1 if leaves is None else leaves
        self._say(at - 0.5, writer, "original", do="write", value=value, expected=generation - 1)
        if takes_over:
            self._say(at - 0.1, writer, "original", step="stale")
            self._say(at - 0.05, writer, "original", step="removed")
        self._say(at, writer, "original", step="lock", made=at)
        said = {**counters, writer: value}
        self._say(at + 0.1, writer, "original", step="write", generation=generation, counters=said)
        if dies:
            self._say(end, writer, "original", step="number", signal="SIGKILL")
            return
        self._say(end, writer, "original", step="unlink")
        self._say(end + 0.01, writer, "original", step="released")
        self._say(
            end + 0.02, writer, "original", done="written", value=value, generation=generation
        )

    def ours(
        self,
        writer: str,
        value: int,
        at: float,
        *,
        generation: int,
        counters: dict[str, int],
        done: str = "written",
        recorded: bool = True,
    ) -> None:
        """A write of our side, and its revision."""
        said = {**counters, writer: value}
        common: dict[str, Any] = {"writer": writer, "side": "ours", "value": value}
        self._say(at, **common, do="write", expected=generation - 1, counters=said)
        self._say(at + 1, **common, done=done, generation=generation)
        if done == "written" and recorded:
            self.revision(at + 1.1, generation, said)

    def read(
        self, writer: str, at: float, *, generation: int, counters: dict[str, int], side: str
    ) -> None:
        self._say(at, writer, side, do="read")
        self._say(at + 0.1, writer, side, done="read", generation=generation, counters=counters)

    def revision(
        self,
        at: float,
        generation: int,
        counters: dict[str, int],
        *,
        kind: str = "patch",
        message: str = "",
        reverts: tuple[str, ...] = (),
    ) -> None:
        self._say(
            at,
            "witness",
            "ours",
            revision=generation,
            kind=kind,
            message=message,
            write_id=f"w{generation}",
            reverts=reverts,
            digest=f"{generation}{sorted(counters.items())}",
            counters=counters,
        )

    def stop(self, writer: str, at: float, until: float) -> None:
        self._say(at, writer, "chaos", signal="SIGSTOP")
        self._say(until, writer, "chaos", signal="SIGCONT")

    def end(self, counters: dict[str, int]) -> Verdict:
        """What is there at the end, and the verdict."""
        self.lines.append({"at": 10_000.0, "side": "chaos", "final": counters})
        return judge(gather(self.lines, stale_seconds=STALE_SECONDS))


@pytest.fixture
def story() -> Story:
    return Story()


def test_an_orderly_run(story):
    """Where everybody waits for the lock there is nothing to find and nothing to explain."""
    story.original("a", 1, 100, generation=1, counters={})
    story.ours("o", 1, 110, generation=2, counters={"a": 1})
    story.read("a", 120, generation=2, counters={"a": 1, "o": 1}, side="original")
    story.original("a", 2, 130, generation=3, counters={"a": 1, "o": 1})
    story.revision(140, 3, {"a": 2, "o": 1}, kind="adopt", message="written by another program")
    verdict = story.end({"a": 2, "o": 1})
    assert (verdict.findings, verdict.losses) == ([], [])


@pytest.mark.parametrize("side", ["original", "ours"])
def test_a_loss_without_a_cause(story, side):
    """An acknowledged write of either side that is gone while everybody kept to the lock is found."""
    if side == "original":
        story.original("a", 1, 100, generation=1, counters={})
    else:
        story.ours("a", 1, 100, generation=1, counters={}, recorded=False)
    story.original("b", 1, 110, generation=2, counters={})
    verdict = story.end({"b": 1})
    assert any("a=1" in one and "is lost" in one for one in verdict.findings)
    assert verdict.losses == []


def test_a_loss_that_a_later_read_shows(story):
    """A write that was gone in between is lost, whatever its writer wrote over it later."""
    story.original("a", 1, 100, generation=1, counters={})
    story.read("a", 120, generation=2, counters={"b": 1}, side="original")
    story.original("a", 2, 130, generation=3, counters={"b": 1})
    verdict = story.end({"a": 2, "b": 1})
    assert len(verdict.findings) == 1


def test_a_holder_that_outlived_its_lock(story):
    """W6: who was inside for longer than the staleness can have overwritten what was acknowledged meanwhile."""
    story.original("slow", 1, 100, leaves=130, generation=1, counters={})
    story.original("a", 1, 115, generation=1, counters={}, takes_over=True)
    verdict = story.end({"slow": 1})
    assert verdict.findings == []
    assert [one.why for one in verdict.losses] == [OUTLIVED]


def test_a_short_stop_is_no_excuse(story):
    """Who was stopped for less than the staleness keeps its lock: a loss beside it is found."""
    story.original("slow", 1, 100, leaves=109, generation=1, counters={})
    story.stop("slow", 101, 108)
    story.original("a", 1, 105, generation=1, counters={})
    verdict = story.end({"slow": 1})
    assert len(verdict.findings) == 1


def test_two_took_the_same_lock(story):
    """W5: two that took over and were inside together explain a loss; one that took over alone does not."""
    story.original("a", 1, 100, leaves=103, generation=1, counters={}, takes_over=True)
    story.original("b", 1, 101, leaves=104, generation=1, counters={}, takes_over=True)
    verdict = story.end({"b": 1})
    assert verdict.findings == []
    assert [one.why for one in verdict.losses] == [TAKEN_TWICE]


def test_a_takeover_alone_is_no_excuse(story):
    """One that died, one that took over after it, and a loss that has nothing to do with either."""
    story.ours("o", 1, 70, generation=1, counters={})
    story.original("dead", 1, 80, leaves=81, generation=2, counters={"o": 1}, dies=True)
    story.original("b", 1, 95, generation=2, counters={}, takes_over=True)
    story.revision(99, 2, {"b": 1}, kind="adopt", message="generation 1 was overwritten in x")
    verdict = story.end({"b": 1})
    assert len(verdict.findings) == 1
    assert "o=1" in verdict.findings[0]


def overwritten(story: Story, **revision: Any) -> Verdict:
    """Ours is acknowledged while another is stopped inside, and what it leaves is *revision*."""
    story.original("slow", 1, 100, leaves=130, generation=1, counters={})
    story.ours("o", 1, 115, generation=1, counters={})
    story.revision(131, 2, {"slow": 1}, **revision)
    return story.end({"slow": 1})


@pytest.mark.parametrize(
    "report",
    [
        {"message": "generation 1 was overwritten in the files by a program"},
        {"message": "generation 1 was no longer in the files"},
        {"reverts": ("/tools/tool_timeouts/o",)},
    ],
)
def test_a_loss_of_ours_that_is_reported(story, report):
    """Where another program overwrites us, the revision after it says so."""
    verdict = overwritten(story, kind="adopt", **report)
    assert verdict.findings == []
    assert [one.side for one in verdict.losses] == ["ours"]


@pytest.mark.parametrize("message", ["", "written by another program"])
def test_a_loss_of_ours_that_is_not_reported(story, message):
    """An adoption that does not say what was lost with it is found."""
    verdict = overwritten(story, kind="adopt", message=message)
    assert any("nothing says so" in one for one in verdict.findings)


def test_a_loss_of_ours_that_ours_made(story):
    """That one of ours put an older text back is found, whoever else was at work."""
    verdict = overwritten(story, kind="patch")
    assert any("of ours made" in one for one in verdict.findings)


def test_a_loss_behind_a_following_commit(story):
    """What a whole commit of theirs has covered before anybody looked is counted, not found."""
    story.original("slow", 1, 100, leaves=130, generation=1, counters={})
    story.ours("o", 1, 115, generation=1, counters={})
    story.original("b", 1, 129, leaves=129.9, generation=2, counters={"slow": 1})
    theirs = {"slow": 1, "b": 1}
    story.revision(135, 2, theirs, kind="adopt", message="written by another program")
    verdict = story.end(theirs)
    assert (verdict.findings, verdict.counts[HIDDEN]) == ([], 1)


def test_one_generation_given_twice(story):
    """Two acknowledgements of one generation by our side are found."""
    story.ours("o", 1, 100, generation=1, counters={})
    story.ours("p", 1, 110, generation=1, counters={"o": 1}, recorded=False)
    assert any("acknowledged to o and p" in one for one in story.end({"o": 1, "p": 1}).findings)


def test_a_generation_that_goes_back(story):
    """A read of ours that begins after a newer generation was told, and tells an older one, is found."""
    story.ours("o", 1, 100, generation=5, counters={})
    story.read("p", 110, generation=4, counters={}, side="ours")
    assert any("after 5 had been told" in one for one in story.end({"o": 1}).findings)


@pytest.mark.parametrize("side", ["original", "ours"])
def test_a_refusal_that_was_none(story, side):
    """A value whose writer was told that nothing was written, and that is there, is found."""
    story.ours("o", 1, 100, generation=1, counters={}, done="refused")
    story.read("p", 110, generation=1, counters={"o": 1}, side=side)
    assert any("was refused and is there" in one for one in story.end({}).findings)


def test_a_revision_that_changes(story):
    """A generation whose revision is another one later is found, and a read that it does not say."""
    story.revision(100, 1, {"a": 1})
    story.revision(110, 1, {"a": 2})
    story.read("p", 120, generation=1, counters={"a": 3}, side="ours")
    findings = story.end({"a": 2}).findings
    assert any("another revision than before" in one for one in findings)
    assert any("what its revision does not say" in one for one in findings)


def test_an_acknowledgement_that_is_not_recorded(story):
    """What we acknowledged and the history does not have is found."""
    story.ours("o", 1, 100, generation=1, counters={})
    story.ours("o", 2, 110, generation=2, counters={}, recorded=False)
    story.revision(120, 3, {"o": 2})
    assert story.end({"o": 2}).findings == [
        "generation 2 was acknowledged and is not in the history"
    ]


def test_who_dies_inside_is_not_inside_for_ever(story):
    """The tenure of a killed process ends with it: it explains nothing that comes later."""
    story.original("dead", 1, 100, leaves=101, generation=1, counters={}, dies=True)
    story.original("a", 1, 115, generation=1, counters={}, takes_over=True)
    story.original("b", 1, 200, generation=2, counters={})
    assert len(story.end({"b": 1}).findings) == 1
