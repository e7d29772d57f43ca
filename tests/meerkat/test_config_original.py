"""
Meerkat's configuration as realmconf reads, checks, merges and writes it, beside the published crate's own answers.

Whatever differs is named, here as on docs/meerkat-differences.md; a difference that is gone is found as well.
"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from tests.meerkat.crate import Refusal
from tests.meerkat.documents import (
    DIFFERENT,
    REFUSED,
    SAME,
    compared,
    differences,
    plain,
    theirs_of,
    without_empty,
)
from tests.meerkat.generated import DURATIONS, documents, spoilt
from tests.meerkat.test_config import RULES

import realmconf
from realmconf.domain.toml import parse_toml, render
from realmconf.errors import SchemaViolation
from realmconf.meerkat import Config, template

if TYPE_CHECKING:
    from tests.meerkat.crate import Oracle

pytestmark = pytest.mark.machine

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "meerkat-differences.md"
TOO_LONG = "the length of time is finer than a microsecond, or too large"
LAW = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def config_of(document: dict[str, Any]) -> dict[str, Any]:
    return without_empty(Config.of(document).document())


# --- reading ---------------------------------------------------------------------------------


def test_defaults(oracle: Oracle) -> None:
    """A configuration of which nothing is stated is the same one in both, in every key."""
    theirs = plain(oracle.ask("defaults")["config"], oracle)
    assert [*differences(config_of({}), theirs)] == []


@pytest.mark.parametrize("text", SAME, ids=range(len(SAME)))
def test_a_document(oracle: Oracle, text: str) -> None:
    """Each is refused by both, or read by both alike, with the same rule broken in the same words."""
    assert compared(text, oracle) == "same"


@pytest.mark.parametrize(
    ("text", "how"), [pair for several in DIFFERENT.values() for pair in several.items()]
)
def test_a_difference_is_there(oracle: Oracle, text: str, how: str) -> None:
    """What is called a difference is one, and no other than it is called."""
    assert compared(text, oracle) == how


def test_every_difference_is_told() -> None:
    """The page of differences names each of them."""
    page = PAGE.read_text()
    assert [name for name in DIFFERENT if name not in page] == []


@pytest.mark.parametrize("name", ["realistic", "later", "template-0.4"])
def test_an_example(oracle: Oracle, name: str) -> None:
    """Whole files are read alike; of a later one the original reads what it knows."""
    text = (HERE / "examples" / f"{name}.toml").read_text()
    theirs = theirs_of(text, oracle)
    assert theirs is not None
    found = [*differences(config_of(parse_toml(text).document), theirs[0])]
    if name == "realistic":
        assert found == []
    else:
        assert all(one.endswith(" only here") for one in found)


@pytest.mark.parametrize(("stated", "words"), RULES, ids=[words for _, words in RULES])
def test_a_rule_has_the_words_of_the_original(
    oracle: Oracle, stated: dict[str, Any], words: str
) -> None:
    """Each rule that is tested elsewhere is the original's, and in its words."""
    assert oracle.ask("typed", config=stated)["refused"] == f"Validation error: {words}"


@pytest.mark.parametrize(
    "text",
    [
        *("1h 30min2s 1.5ms", "0", "00", "0 ", "10m", "500ms", "2years 1month 3days", "0.3h"),
        *("1 0 s", "1.5 h", "1.s", "1 .5s", "1. 5s", "1us", "45", "", " 3s ", "1s2", "1M"),
        *("18446744073709551616s", "0.0001h", "1.0000000001s", "5µs", "5μs", "1s,2s", "-1s"),
        *("+1s", "1e3s", "١s", "1\u00a0s", "1s\u200b", "1.50m", "0.5m", "3 sec 4 msec"),
        *(
            "1min1min",
            "18446744073709ms",
            "18446744073710ms",
            "1.0000000000000000000s",
            "1.5w",
            "0.1w",
            "1d1",
            "0.00000000000000000000s",
            "0.0000000001844674407371h",
            "1\x1fs",
            "\x1f1s",
        ),
    ],
)
def test_a_length_of_time(oracle: Oracle, text: str) -> None:
    """It is read as the original's library reads it, and printed as it prints it."""
    assert compared(f"retry.initial_delay = {json.dumps(text)}", oracle) == "same"


@settings(LAW, max_examples=400)
@given(text=DURATIONS)
def test_any_length_of_time(oracle: Oracle, text: str) -> None:
    """Whatever it is made of; what is finer than a microsecond, or too long for Python, is refused here."""
    stated = f"retry.initial_delay = {json.dumps(text)}"
    found = compared(stated, oracle)
    if found == REFUSED:
        theirs = theirs_of(stated, oracle)
        assert theirs is not None
        said = theirs[0]["retry"]["initial_delay"]
        years = int(said.split("year")[0]) if "year" in said else 0
        assert said.endswith("ns") or years > timedelta.max.days // 366, said
    else:
        assert found == "same"


@settings(LAW, max_examples=300)
@given(document=documents())
def test_any_document_that_fits_the_schema(oracle: Oracle, document: dict[str, Any]) -> None:
    """It is read by the original, as the same configuration; the rule that it breaks, if any, is the same one."""
    text = render(document)
    note(text)
    assert compared(text, oracle) == "same"
    assert theirs_of(text, oracle) is not None


@settings(LAW, max_examples=400)
@given(document=spoilt())
def test_any_spoilt_document(oracle: Oracle, document: dict[str, Any]) -> None:
    """A value that does not belong there is refused by both, or meant alike by both."""
    text = render(document)
    found = compared(text, oracle)
    note(f"{text}\n{found}")
    if found == REFUSED:
        with pytest.raises(SchemaViolation) as caught:
            Config.of(document)
        # The odd table is one with an unknown key; and some numbers are lengths of time that Python cannot hold.
        for one in caught.value.violations:
            unknown = one["keyword"] == "additionalProperties"
            assert unknown or one["message"] == TOO_LONG or one["pointer"] == "/shell/security_mode"
    else:
        assert found == "same"


# --- writing ---------------------------------------------------------------------------------


def test_the_template(oracle: Oracle) -> None:
    """Ours is read by the original as its defaults, as its own is by us."""
    defaults = plain(oracle.ask("defaults")["config"], oracle)
    ours = theirs_of(template(), oracle)
    assert ours == (defaults, None)
    own = oracle.ask("template")["text"]
    read = config_of(parse_toml(own).document)
    assert read["models"].pop("max_tokens") == 8192
    assert [*differences(read, defaults)] == []


@settings(LAW, max_examples=150)
@given(document=documents())
def test_any_configuration_that_is_written(oracle: Oracle, document: dict[str, Any]) -> None:
    """As a whole or as far as it was stated, what realmconf writes is read by the original as what was meant."""
    note(render(document))
    config = Config.of(document)
    meant = theirs_of(render(document), oracle)
    for written in (config.document(), config.document(stated=True)):
        assert theirs_of(render(written), oracle) == meant


@settings(LAW, max_examples=150)
@given(document=documents())
def test_any_configuration_that_the_original_writes(
    oracle: Oracle, document: dict[str, Any]
) -> None:
    """A file that the original writes fits the schema, and is read as what the original meant."""
    if oracle.ask("typed", config=document)["refused"] is not None:
        return
    answer = oracle.ask("set", config=document)
    found = config_of(parse_toml(answer["text"]).document)
    found.get("storage", {}).pop("directory", None)
    theirs = plain(answer["config"], oracle)
    theirs.get("storage", {}).pop("directory", None)
    assert [*differences(without_empty(found), without_empty(theirs))] == []


def test_realms_are_written_by_turns(oracle: Oracle, tmp_path: Path) -> None:
    """Both write one realm in turn: each sees the other's value and generation, and refuses what is outdated."""
    root = tmp_path / "root"
    with realmconf.connect(f"meerkat://{root}?global={tmp_path}/user") as client:
        realm = client.realm("team")
        assert realm.set({"agent": {"model": "m"}, "limits": {"budget": 5}}).generation == 1
        seen = oracle.run("get", root, "team")
        assert (seen["generation"], seen["config"]["limits"]["budget"]) == (1, 5)
        change = json.dumps({"limits": {"budget": None}, "rest": {"port": 81}})
        assert oracle.run("patch", root, "team", change, "--expected", 1)["generation"] == 2
        snapshot = realm.get()
        assert snapshot.generation == 2
        assert snapshot.document is not None
        assert (snapshot.document["rest"]["port"], snapshot.document["agent"]["model"]) == (81, "m")
        assert "budget" not in snapshot.document["limits"]
        with pytest.raises(Refusal, match="generation conflict: expected 1, current 2"):
            oracle.run("patch", root, "team", "{}", "--expected", 1)
        with pytest.raises(realmconf.GenerationConflict):
            realm.patch({"max_tokens": 3}, expected_generation=1)
        assert realm.patch({"max_tokens": 3}, expected_generation=2).generation == 3
        file = tmp_path / "file.toml"
        file.write_text(template())
        seen = oracle.run("get", root, "team")
        assert (seen["generation"], seen["config"]["max_tokens"]) == (3, 3)
        assert oracle.run("set", root, "team", file, "--expected", 3)["generation"] == 4
        kinds = [one.kind for one in realm.history()]
        assert kinds == ["adopt", "patch", "adopt", "set"]
        # Deleted by us is defaults for the original, at the number after.
        realm.delete(expected_generation=4)
        seen = oracle.run("get", root, "team")
        assert (seen["generation"], seen["config"]["max_tokens"]) == (5, 16384)
