"""The judge of the torture finds what is planted in a log, and excuses only what the original's protocol explains."""

from __future__ import annotations

from typing import Any

import pytest
from tests.meerkat.causes import OUTLIVED, TAKEN_TWICE
from tests.meerkat.events import gather
from tests.meerkat.verdict import HIDDEN, TORN, Verdict, judge

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
            self._say(at - 0.1, writer, "original", step="removing")
            self._say(at - 0.05, writer, "original", step="removed")
        self._say(at, writer, "original", step="lock", made=at)
        said = {**counters, writer: value}
        self._say(at + 0.1, writer, "original", step="write", generation=generation, counters=said)
        self._say(end - 0.02, writer, "original", step="number")
        if dies:
            self._say(end, writer, "chaos", signal="SIGKILL")
            return
        self._say(end - 0.01, writer, "original", step="numbered")
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
        self.inside(writer, at + 0.1, at + 0.9)
        self._say(at + 1, **common, done=done, generation=generation)
        if done == "written" and recorded:
            self.revision(at + 1.1, generation, said)

    def inside(self, writer: str, at: float, until: float, *, dies: bool = False) -> None:
        """One of ours in the lock, for a write or for a look that settles what is there."""
        self._say(at, writer, "ours", step="lock", made=at)
        if dies:
            self._say(until, writer, "chaos", signal="SIGKILL")
            return
        self._say(until, writer, "ours", step="unlink")
        self._say(until, writer, "ours", step="released")

    def age(self, at: float) -> None:
        """The lock that is there gets an older time."""
        self.lines.append({"at": at, "side": "chaos", "aged": 1})

    def read(
        self,
        writer: str,
        at: float,
        *,
        generation: int,
        counters: dict[str, int],
        side: str,
        lasts: float = 0.1,
    ) -> None:
        self._say(at, writer, side, do="read")
        self._say(at + lasts, writer, side, done="read", generation=generation, counters=counters)

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


def test_a_short_tenure_is_no_excuse(story):
    """Who is inside for less than the staleness keeps its lock: a loss beside it is found."""
    story.original("slow", 1, 100, leaves=109, generation=1, counters={})
    story.original("a", 1, 105, generation=1, counters={})
    verdict = story.end({"slow": 1})
    assert len(verdict.findings) == 1


def test_a_lock_that_was_given_an_older_time(story):
    """Whose lock was made old while it was inside has outlived it; before or after, that excuses nothing."""
    story.original("slow", 1, 100, leaves=109, generation=1, counters={})
    story.age(104)
    story.original("a", 1, 105, generation=1, counters={}, takes_over=True)
    assert [one.why for one in story.end({"slow": 1}).losses] == [OUTLIVED]
    for at in (99, 110):
        other = Story()
        other.original("slow", 1, 100, leaves=109, generation=1, counters={})
        other.age(at)
        other.original("a", 1, 105, generation=1, counters={})
        assert len(other.end({"slow": 1}).findings) == 1


def test_a_wait_is_no_tenure(story):
    """One that waited for long and was inside for a moment has outlived nothing."""
    story.original("a", 1, 100, generation=1, counters={})
    story._say(90, "b", "original", do="write", value=1, expected=0)
    story._say(110, "b", "original", step="lock", made=110)
    story._say(110.1, "b", "original", step="write", generation=2, counters={"b": 1})
    story._say(110.2, "b", "original", step="released")
    assert len(story.end({"b": 1}).findings) == 1


def test_ours_that_waited_long_is_no_excuse(story):
    """A write of ours that was long in coming, and inside for a moment, is not lost by its own fault."""
    story._say(70, "o", "ours", do="write", value=1, expected=0, counters={"o": 1})
    story.inside("o", 99.0, 99.5)
    story._say(99.6, "o", "ours", done="written", value=1, generation=1)
    story.revision(99.7, 1, {"o": 1})
    story.original("b", 1, 99.4, generation=2, counters={})
    story.revision(102, 2, {"b": 1}, kind="adopt", message="generation 1 was overwritten in x")
    assert any("o=1" in one and "is lost" in one for one in story.end({"b": 1}).findings)


def test_two_took_the_same_lock(story):
    """W5: one that removed the lock that another had just made, both inside together, explains a loss."""
    story.original("a", 1, 100, leaves=103, generation=1, counters={}, takes_over=True)
    story.original("b", 1, 101, leaves=104, generation=1, counters={}, takes_over=True)
    verdict = story.end({"b": 1})
    assert verdict.findings == []
    assert [one.why for one in verdict.losses] == [TAKEN_TWICE]


def test_two_inside_of_whom_nobody_removed_a_lock(story):
    """That two are inside proves nothing by itself, nor that one took over before the other came."""
    story.original("a", 1, 100, leaves=103, generation=1, counters={}, takes_over=True)
    story.original("b", 1, 101, leaves=104, generation=1, counters={})
    assert len(story.end({"b": 1}).findings) == 1


def removal(story: Story, writer: str, begun: float, ended: float, *, dies: bool = False) -> None:
    """One of the other side removes whatever lock stands there, and another one is sooner to take it."""
    story._say(begun - 1, writer, "original", do="read")
    story._say(begun, writer, "original", step="stale")
    story._say(begun, writer, "original", step="removing")
    if dies:
        story._say(ended, writer, "chaos", signal="SIGKILL")
    else:
        story._say(ended, writer, "original", step="removed")


@pytest.mark.parametrize("dies", [False, True])
@pytest.mark.parametrize(
    ("begun", "ended", "is_explained"),
    [(101.0, 101.1, True), (99.8, 104.5, True), (99.0, 99.5, False), (104.6, 104.8, False)],
)
def test_who_removed_a_lock_need_not_take_it(story, begun, ended, is_explained, dies):
    """
    W5: a lock that was just made and is removed lets anybody in, also where the one that removed it is late to say so,
    is killed before it does, or comes by the lock much later; before and after, that excuses nothing.
    """
    story.original("a", 1, 100, leaves=103, generation=1, counters={})
    story.original("b", 1, 101.2, leaves=104, generation=1, counters={})
    removal(story, "x", begun, ended, dies=dies)
    verdict = story.end({"b": 1})
    assert ([one.why for one in verdict.losses] == [TAKEN_TWICE]) is is_explained
    assert bool(verdict.findings) is not is_explained


def test_a_lock_is_as_old_as_its_file(story):
    """W6: the others go by the time of the file, which is made before its process says that it is inside."""
    story.original("slow", 1, 100, leaves=109.99, generation=1, counters={})
    next(one for one in story.lines if one.get("step") == "lock")["made"] = 99.93
    story.original("a", 1, 109.8, generation=1, counters={})
    verdict = story.end({"slow": 1})
    assert verdict.findings == []
    assert [one.why for one in verdict.losses] == [OUTLIVED]


@pytest.mark.parametrize(("entered", "is_explained"), [(90, True), (105, False)])
def test_a_text_of_ours_that_was_taken_back(story, entered, is_explained):
    """
    W6: from an old text that one of ours, stopped for too long, shows for an instant before it takes it back, another
    program can go on; of one of ours that kept to its lock nobody can have read it.
    """
    story._say(entered, "o", "ours", do="write", value=1, expected=0, counters={"o": 1})
    story._say(entered, "o", "ours", step="lock", made=entered)
    story.original("a", 1, 106, leaves=107, generation=1, counters={})
    story._say(110.2, "o", "ours", step="write")
    story._say(110.3, "o", "ours", step="overtaken")
    story._say(110.4, "o", "ours", step="unlink")
    story._say(110.4, "o", "ours", step="released")
    story._say(110.5, "o", "ours", done="unknown", value=1, generation=None)
    story.original("b", 1, 110.1, leaves=112, generation=2, counters={"o": 1})
    verdict = story.end({"o": 1, "b": 1})
    assert ([one.why for one in verdict.losses] == [OUTLIVED]) is is_explained
    assert bool(verdict.findings) is not is_explained


def test_one_of_ours_that_tried_again(story):
    """W6: what was lost was written in the first tenure of a write that was tried again, and is looked for there."""
    story.original("slow", 1, 100, leaves=130, generation=1, counters={})
    story._say(114.9, "o", "ours", do="write", value=1, expected=0, counters={"o": 1})
    story._say(115, "o", "ours", step="lock", made=115)
    for step in ("write", "number", "numbered"):
        story._say(115.1, "o", "ours", step=step)
    story._say(131, "o", "ours", step="unlink")
    story._say(131, "o", "ours", step="released")
    story.inside("o", 140, 141)
    story._say(142, "o", "ours", done="written", value=1, generation=1)
    story.revision(143, 1, {"o": 1})
    story.revision(144, 2, {"slow": 1}, kind="adopt", message="generation 1 was overwritten in x")
    verdict = story.end({"slow": 1})
    assert (verdict.findings, [one.why for one in verdict.losses]) == ([], [OUTLIVED])


@pytest.mark.parametrize("leaves", [119.5, 129.5])
def test_one_that_was_stopped_before_it_wrote(story, leaves):
    """
    W6: what others wrote while one was stopped right before its write is not what it was lost by; who was inside
    beside it when it went on, with a text of before, is.
    """
    story.original("slow", 1, 100, leaves=leaves, generation=1, counters={})
    story.ours("o", 1, 112, generation=1, counters={})
    story.original("b", 1, 119, leaves=122, generation=2, counters={"o": 1}, takes_over=True)
    verdict = story.end({"o": 1, "b": 1})
    assert [one.why for one in verdict.losses if one.writer == "slow"] == [OUTLIVED]
    assert not any("slow=1" in one for one in verdict.findings)


@pytest.mark.parametrize(
    ("put_back", "is_explained"),
    [
        pytest.param({"leaves": 130}, True, id="after an age inside"),
        pytest.param({"at": 118, "leaves": 121}, False, id="by one that kept to the lock"),
        pytest.param({"leaves": 114}, False, id="before it was read"),
        pytest.param({"at": 134, "leaves": 146}, False, id="after the compare-and-swap"),
        pytest.param({"leaves": 130, "generation": 3}, False, id="by a number that is higher"),
    ],
)
def test_a_number_that_was_put_back(story, put_back, is_explained):
    """
    W6: one that outlived its lock puts its number over a higher one, and a compare-and-swap against what was read
    before that passes, whoever has written in between.
    """
    story.read("b", 115, generation=2, counters={"v": 1}, side="original")
    story.original("slow", 1, **{"at": 100, "generation": 1, "counters": {}, **put_back})
    story.original("a", 1, 132, leaves=133, generation=2, counters={"slow": 1})
    story.original("b", 1, 140, generation=3, counters={"v": 1})
    verdict = story.end({"v": 1, "b": 1})
    lost = [one for one in verdict.losses if one.writer == "a"]
    assert ([one.why for one in lost] == [OUTLIVED]) is is_explained
    assert any("a=1" in one for one in verdict.findings) is not is_explained


@pytest.mark.parametrize(("made", "is_explained"), [(101.99, True), (102.6, False)])
def test_two_inside_after_a_lock_was_taken_twice(story, made, is_explained):
    """
    W5: who removed a lock that had just been made lets two more in when they leave, after both that began it are gone;
    a lock's own time says that it was there before its process says so.
    """
    # "x" removes what "y" had made before "y" says so; "y" then removes that of "x", and "x", late, that of "b".
    story.original("x", 1, 102.03, leaves=102.04, generation=1, counters={}, takes_over=True)
    story.original("y", 1, 102.02, leaves=102.035, generation=1, counters={"x": 1})
    for line in story.lines:
        if line["writer"] == "y" and line.get("step") == "lock":
            line["made"] = made - 0.02
    story.original("a", 1, 102.045, leaves=104, generation=2, counters={"x": 1, "y": 1})
    story.original("b", 1, 102.05, leaves=104.5, generation=2, counters={"x": 1, "y": 1})
    verdict = story.end({"x": 1, "y": 1, "b": 1})
    assert ([one.why for one in verdict.losses] == [TAKEN_TWICE]) is is_explained
    assert bool(verdict.findings) is not is_explained


def test_the_lock_of_ours_was_taken_twice(story):
    """W5: one that had found the same stale lock as one of ours removes the fresh one by its name."""
    story.ours("o", 1, 100, generation=1, counters={})
    story.original("b", 1, 100.5, leaves=102, generation=1, counters={}, takes_over=True)
    story.revision(103, 2, {"b": 1}, kind="adopt", message="generation 1 was overwritten in x")
    verdict = story.end({"b": 1})
    assert verdict.findings == []
    assert [(one.side, one.why) for one in verdict.losses] == [("ours", TAKEN_TWICE)]


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


@pytest.mark.parametrize(("told", "is_found"), [(2, False), (3, False), (1, True), (4, True)])
def test_a_loss_of_ours_that_was_reported_unseen(story, told, is_found):
    """A report may be in a generation that is below the floor by the time at which somebody looks."""
    story.original("slow", 1, 100, leaves=130, generation=1, counters={})
    story.ours("o", 1, 115, generation=1, counters={})
    story._say(
        131, "p", "ours", adopts=told, message="generation 1 was no longer in the files, whose"
    )
    story.original("b", 1, 132, generation=3, counters={"slow": 1})
    story.original("c", 1, 134, generation=4, counters={"slow": 1, "b": 1})
    story.revision(140, 4, {"slow": 1, "b": 1, "c": 1}, kind="adopt", message="written")
    story.inside("p", 130.5, 131.5)
    verdict = story.end({"slow": 1, "b": 1, "c": 1})
    assert any("nothing says so" in one for one in verdict.findings) is is_found


def test_a_loss_of_ours_that_ours_made(story):
    """That one of ours put an older text back is found, whoever else was at work."""
    verdict = overwritten(story, kind="patch")
    assert any("of ours made" in one for one in verdict.findings)


# --- what the files cannot tell ---------------------------------------------------------------


def covered(story: Story, **changes: Any) -> None:
    """Ours is overwritten by one that outlived its lock, and a whole commit of theirs follows at once."""
    said = {"leaves": 130, "at": 132, "generation": 2, "counters": {"slow": 1}, **changes}
    story.original("slow", 1, 100, leaves=said["leaves"], generation=1, counters={})
    story.ours("o", 1, 115, generation=1, counters={})
    story.original("b", 1, said["at"], generation=said["generation"], counters=said["counters"])
    theirs = {"slow": 1, "b": 1}
    story.revision(135, 2, theirs, kind="adopt", message="written by another program")


THEIRS = {"slow": 1, "b": 1}


def test_a_loss_behind_a_following_commit(story):
    """What a whole commit of theirs has covered before anybody of ours was inside is counted, not found."""
    covered(story)
    verdict = story.end(THEIRS)
    assert (verdict.findings, verdict.counts[HIDDEN]) == ([], 1)
    assert [(one.side, one.why) for one in verdict.losses] == [("ours", OUTLIVED)]


def test_a_loss_that_one_of_ours_could_see(story):
    """If one of ours was inside between the two, it has to have told: that it did not is found."""
    covered(story)
    story.inside("p", 131, 131.5)
    verdict = story.end(THEIRS)
    assert any("nothing says so" in one for one in verdict.findings)
    assert verdict.counts[HIDDEN] == 0


@pytest.mark.parametrize(("at", "until"), [(129, 131), (131, 133), (140, 141)])
def test_who_was_inside_at_another_time_could_not_see_it(story, at, until):
    """Before the culprit had ended, or after the next commit had begun, there is nothing to be seen."""
    covered(story)
    story.inside("p", at, until)
    assert story.end(THEIRS).findings == []


def test_one_of_ours_that_died_inside_tells_nothing(story):
    """It may have died before it looked."""
    covered(story)
    story.inside("p", 131, 131.5, dies=True)
    assert story.end(THEIRS).findings == []


def under_anothers(story: Story) -> None:
    """Theirs goes on from ours, whole, and then one that outlived its lock puts its old text under that number."""
    story.original("slow", 1, 100, leaves=130, generation=1, counters={})
    story.ours("o", 1, 115, generation=1, counters={})
    story.original("b", 1, 118, leaves=119, generation=2, counters={"o": 1})
    story.revision(135, 2, {"slow": 1}, kind="adopt", message="written by another program")


def test_a_loss_under_the_number_of_a_commit_before(story):
    """A text of theirs under the number of another of theirs does not say that it is older: it is counted."""
    under_anothers(story)
    verdict = story.end({"slow": 1})
    assert verdict.counts[HIDDEN] == 1
    assert not any("nothing says so" in one for one in verdict.findings)


def test_a_loss_under_the_number_of_a_commit_that_ours_could_see(story):
    """If one of ours was inside between the two it saw that commit whole: that it did not keep it is found."""
    under_anothers(story)
    story.inside("p", 120, 120.5)
    verdict = story.end({"slow": 1})
    assert any("nothing says so" in one for one in verdict.findings)
    assert verdict.counts[HIDDEN] == 0


def test_a_covered_loss_without_a_culprit(story):
    """That a commit of theirs follows excuses nothing where nobody outlived its lock."""
    covered(story, leaves=101)
    verdict = story.end(THEIRS)
    assert any("is lost" in one for one in verdict.findings)
    assert any("nothing says so" in one for one in verdict.findings)


@pytest.mark.parametrize("changes", [{"counters": {}}, {"generation": 3}])
def test_a_loss_behind_another_text_than_theirs(story, changes):
    """A revision that nobody of theirs wrote as that generation covers nothing."""
    covered(story, **changes)
    assert any("nothing says so" in one for one in story.end(THEIRS).findings)


def torn(story: Story, *, announced: int, **written: Any) -> Verdict:
    """One of ours reads their generation 1, and in the history it has the text of another commit of theirs."""
    story.original("a", 1, 100, generation=1, counters={})
    story.read("o", 105, generation=1, counters={"a": 1}, side="ours")
    story.original("b", 1, 110, generation=announced, counters={"a": 1}, **written)
    story.revision(120, 1, {"a": 1, "b": 1}, kind="adopt", message="written by another program")
    return story.end({"a": 1, "b": 1})


def test_a_generation_of_theirs_that_tears(story):
    """W4: one that died between its renames leaves its text under the number before, which somebody had read whole."""
    verdict = torn(story, announced=2, dies=True)
    assert (verdict.findings, verdict.counts[TORN]) == ([], 1)


def between_two_renames(story: Story) -> None:
    """Generation 1 is there whole until one of theirs, that is slow between its renames, puts its text there."""
    story.original("a", 1, 100, generation=1, counters={})
    story.original("b", 1, 110, leaves=112, generation=2, counters={"a": 1})


@pytest.mark.parametrize(
    ("begun", "waited", "is_excused"), [(110.5, 1, True), (110.5, 0.1, False), (112.5, 1, False)]
)
def test_a_reader_between_two_renames(story, begun, waited, is_excused):
    """W4: who reads between them, and waits no longer, has their text under the number before; nobody else has."""
    between_two_renames(story)
    story.read("o", begun, lasts=waited, generation=1, counters={"a": 1, "b": 1}, side="ours")
    story.revision(115, 1, {"a": 1}, kind="adopt", message="written by another program")
    verdict = story.end({"a": 1, "b": 1})
    assert verdict.counts[TORN] == is_excused
    assert any("does not say" in one for one in verdict.findings) is not is_excused


@pytest.mark.parametrize(("kind", "number"), [("adopt", 1), ("patch", 0)])
def test_a_history_between_two_renames(story, kind, number):
    """So has who looks at the history; what ours wrote is what it was."""
    between_two_renames(story)
    story.revision(111, 1, {"a": 1, "b": 1}, kind="adopt", message="written by another program")
    story.revision(115, 1, {"a": 1}, kind=kind)
    verdict = story.end({"a": 1, "b": 1})
    assert verdict.counts[TORN] == number
    assert any("another revision than before" in one for one in verdict.findings) is (number == 0)


def test_a_text_that_was_to_be_another_generation(story):
    """A text of theirs that was never to follow, put there by one that kept to the lock, explains nothing."""
    verdict = torn(story, announced=1)
    assert any("what its revision does not say" in one for one in verdict.findings)
    assert verdict.counts[TORN] == 0


def test_a_read_that_nobody_wrote(story):
    """A reader of ours that was told what nobody wrote as that generation is found, whatever came later."""
    story.read("o", 105, generation=1, counters={"a": 7}, side="ours")
    story.original("b", 1, 110, generation=2, counters={"a": 1}, dies=True)
    story.revision(120, 1, {"a": 1, "b": 1}, kind="adopt")
    findings = story.end({"a": 1, "b": 1}).findings
    assert any("what its revision does not say" in one for one in findings)


def test_a_revision_of_ours_does_not_tear(story):
    """What ours recorded of ours stays what every reader has read."""
    story.original("a", 1, 100, generation=1, counters={})
    story.read("o", 105, generation=1, counters={"a": 1}, side="ours")
    story.original("b", 1, 110, generation=2, counters={"a": 1}, dies=True)
    story.revision(120, 1, {"a": 1, "b": 1}, kind="patch")
    findings = story.end({"a": 1, "b": 1}).findings
    assert any("what its revision does not say" in one for one in findings)


# --- promises of ours --------------------------------------------------------------------------


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
