"""G12: whatever comes in is accepted or refused by a typed error, in bounded time and memory."""

from __future__ import annotations

import pytest
from tests.fuzz import parsers
from tests.fuzz.mutation import BYTES_MAX, Mutator
from tests.fuzz.parsers import PARSERS, Parser
from tests.fuzz.run import EVERY, run

from realmconf.errors import InvalidArgument

INPUTS = 1_500


@pytest.mark.parametrize("name", EVERY)
def test_malformed_input(name: str) -> None:
    """G12: of every parser, some inputs are accepted, most refused, and each in its time; ``make fuzz`` has more."""
    outcome = run(name, EVERY[name], inputs=range(INPUTS))
    assert not outcome.findings
    assert outcome.accepted > INPUTS / 1_000
    assert outcome.inputs == INPUTS


def test_an_input_is_made_again_from_its_number() -> None:
    """What a finding names is enough to make its input again."""
    parser = PARSERS["toml"]
    made = [Mutator(parser.seeds, parser.words, seed="7").input(1234) for _ in range(2)]
    assert made[0] == made[1]


def test_an_input_is_no_larger_than_any_reader_need_look_at() -> None:
    """Values that are repeated within values make no input that only the memory of the machine ends."""
    parser = PARSERS["merge_patch"]
    made = Mutator(parser.seeds, parser.words, seed="0:merge_patch").input(51_413)
    assert len(made) == BYTES_MAX


class _SlowToTell(Exception):
    def __str__(self) -> str:
        while len(self.args) < 1:
            pass
        return ""


def _tell_slowly(raw: bytes) -> None:
    raise _SlowToTell


def _leak(raw: bytes) -> None:
    try:
        int(raw)
    except ValueError:
        raise InvalidArgument("no number") from None
    raise KeyError(raw)


def _hang(raw: bytes) -> None:
    while b"7" in raw:
        pass


def _hoard(raw: bytes) -> None:
    assert len(bytearray(2 << 30)) > len(raw)


def _overlook_everything(raw: bytes) -> None:
    try:
        _hang(raw)
    except Exception as error:
        raise InvalidArgument("no") from error


@pytest.mark.planted
@pytest.mark.parametrize(
    ("reads", "finding"),
    [
        (_leak, "KeyError"),
        (_hang, "still at it"),
        (_hoard, "MemoryError"),
        (_overlook_everything, "still at it"),
        (_tell_slowly, "whose text takes more than"),
    ],
)
def test_a_planted_bug_is_found(reads, finding, monkeypatch) -> None:
    """An exception of no type, an endless loop and a hoard of memory are found, though a clause catches all."""
    monkeypatch.setattr("tests.fuzz.run.CPU_SECONDS_MAX", 0.2)
    monkeypatch.setattr("tests.fuzz.run.FINDINGS_MAX", 2)
    outcome = run("planted", Parser(read=reads, seeds=(b"17",)), inputs=range(200))
    assert [finding in one for one in outcome.findings] == [True, True]


@pytest.mark.planted
def test_a_password_that_is_shown_is_found(monkeypatch) -> None:
    """A password in what is shown of an address is a finding."""
    monkeypatch.setattr(parsers, "public_url", lambda url: url)
    assert run("url", PARSERS["url"], inputs=range(200)).findings
