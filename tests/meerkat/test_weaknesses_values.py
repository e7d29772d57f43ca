"""What Meerkat makes of a configuration's values, and what becomes of them here: in its files, and in our own store."""

from __future__ import annotations

import pytest

from realmconf.errors import InvalidDocument, SchemaViolation, WorkingCopyBroken
from realmconf.meerkat import Config, GeminiProvider

TEXT = """\
# kept by hand
later = "of a newer program"   # its key

[agent]
temperature = 0.5
model = "m1"   # the good one

[realm.team.auth.main]
note = "of a newer program, too"
"""


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ({"agnet": {"max_turns": 3}}, ("/agnet", '"agent"')),
        ({"agent": {"maxTurns": 3}}, ("/agent/maxTurns", '"max_turns"')),
        ({"agent": {"max_turns": "3"}}, ("/agent/max_turns", "integer")),
    ],
)
def test_a_typo_is_no_success(place, typo, meant):
    """W3: a key that is not there is refused with what was meant; no generation is used up, no number stale."""
    realm = place.governed({"agent": {"model": "m1"}})
    read = realm.get()
    for expected in (None, read.generation):
        options = {} if expected is None else {"expected_generation": expected}
        with pytest.raises(SchemaViolation) as refused:
            realm.patch(typo, **options)
        (violation,) = refused.value.violations
        assert violation["pointer"] == meant[0]
        assert meant[1] in violation["message"]
    assert realm.get().generation == read.generation
    assert realm.set_value("agent.model", "m2", expected_generation=read.generation).changed


def test_a_typo_by_hand_is_told(place):
    """W3: a key that somebody mistypes in the file is not in force, and whoever reads is told; mended, it is."""
    realm = place.governed({"agent": {"model": "m1"}})
    generation, text = realm.get().generation, place.text(realm)
    place.save(text + "\n[agnet]\nmax_turns = 3\n")
    snapshot = place.told(realm, "working_copy_broken")
    assert (snapshot.generation, snapshot.document) == (generation, {"agent": {"model": "m1"}})
    (warning,) = snapshot.warnings
    assert '/agnet: there is no such key; did you mean "agent"?' in warning.message
    place.save(text + "max_turns = 3\n")
    snapshot = place.told(realm)
    assert snapshot.generation == generation + 1
    assert snapshot.document == {"agent": {"model": "m1", "max_turns": 3}}


@pytest.mark.parametrize(
    ("patch", "left"),
    [
        (
            {"providers": {"api_keys": {"openai": None}}},
            {"agent": {"model": "m1"}, "providers": {"api_keys": {}}},
        ),
        (
            {"agent": {"provider_params": {"a": {"b": None}}}},
            {"agent": {"model": "m1", "provider_params": {"a": {}}}},
        ),
        ({"agent": {"model": None, "max_turns": None}}, {"agent": {}}),
        ({"limits": None}, {"agent": {"model": "m1"}}),
    ],
)
def test_a_null_removes_wherever_it_is(place, patch, left):
    """W8: a null in a patch removes, also where there was nothing to remove; none is ever stored, or an error."""
    realm = place.governed({"agent": {"model": "m1"}})
    assert realm.patch(patch).document == left
    assert realm.get().document == left
    assert "null" not in place.text(realm)


def test_a_default_is_never_written_down(place):
    """W9: a child that patches one key has that key; what its parent changes reaches it, and no default is pinned."""
    client = place.connect(author="ada")
    from realmconf.meerkat.schema import SCHEMA

    org, team = client.realm("org"), client.realm("team")
    org.set({"tools": {"shell_enabled": True}})
    org.set_schema(SCHEMA)
    team.set({"realm": {"team": {"parent": "org"}}})
    team.patch({"agent": {"model": "m1"}})
    assert team.get().document == {"agent": {"model": "m1"}, "realm": {"team": {"parent": "org"}}}
    assert team.get().config["tools"] == {"shell_enabled": True}
    org.set_value("retry.max_retries", 9)
    assert team.get().config["retry"] == {"max_retries": 9}
    lines = [line for line in place.text(team).splitlines() if "=" in line]
    assert sorted(lines) == ['model = "m1"', 'parent = "org"']


def test_what_a_write_does_not_name_stays(place):
    """W10: one value is one line: comments, order, spaces, and keys that nothing here knows are where they were."""
    realm = place.begin(TEXT)
    before = place.text(realm)
    realm.set_value("agent.model", "m2")
    after = place.text(realm)
    kept = [line for line in before.splitlines() if not line.startswith("# realmconf")]
    found = [line for line in after.splitlines() if not line.startswith("# realmconf")]
    assert [line.replace('"m1"', '"m2"') for line in kept] == found


def test_a_key_goes_to_no_other_provider_by_inheritance(place):
    """W24: who takes another provider than their parent inherits neither its key nor its address."""
    client = place.connect(author="ada")
    from realmconf.meerkat.schema import SCHEMA

    org, team = client.realm("org"), client.realm("team")
    org.set(
        {"provider": {"type": "anthropic", "api_key": "CANARY", "base_url": "https://a.example"}}
    )
    org.set_schema(SCHEMA)
    team.set({"provider": {"type": "gemini"}, "realm": {"team": {"parent": "org"}}})
    assert team.get().config["provider"] == {"type": "gemini"}
    team.patch({"provider": None})
    assert team.get().config["provider"]["api_key"] == "CANARY"
    team.patch({"provider": {"type": "openai"}})
    assert team.get().config["provider"] == {"type": "openai"}


def test_a_key_goes_to_no_other_provider_by_a_model(place):
    """W24: a model that has another provider's section has no key of the old one, and none is left in the file."""
    place.team().set({"provider": {"type": "anthropic", "api_key": "CANARY", "base_url": "u"}})
    realm = place.connect().realm("team", schema=Config)
    other = {"provider": GeminiProvider(type="gemini")}
    assert realm.set(realm.get().config.model_copy(update=other)).document == {
        "provider": {"type": "gemini"}
    }
    assert "CANARY" not in place.text(realm)


def test_a_rule_that_is_broken_by_hand_is_not_in_force(place):
    """
    W28: what breaks a rule is never read as a configuration: the last good one is, with the file and the place.

    The embedded store goes on writing beside it. Where the file is the realm itself, every write is refused with
    that file and that place, not with a rule of something else, until it is mended.
    """
    realm = place.governed({"agent": {"model": "m1"}})
    text = place.text(realm)
    place.save(text + "\n[compaction]\nrecent_turn_budget = 0\n")
    snapshot = place.told(realm, "working_copy_broken")
    assert "compaction" not in snapshot.config
    (warning,) = snapshot.warnings
    assert warning.path == str(place.config)
    assert "/compaction/recent_turn_budget: it is too small" in warning.message
    if place.is_meerkat:
        with pytest.raises(WorkingCopyBroken, match="/compaction/recent_turn_budget") as refused:
            realm.set_value("agent.max_turns", 4)
        assert refused.value.path == str(place.config)
    else:
        assert realm.set_value("agent.max_turns", 4).changed
    place.told(realm, "working_copy_broken")
    place.save(text + "\n[compaction]\nrecent_turn_budget = 2\n")
    snapshot = place.told(realm)
    assert snapshot.config["compaction"] == {"recent_turn_budget": 2}
    assert realm.set_value("agent.max_turns", 5).changed


def test_nothing_stated_is_nothing(place):
    """W28: what is taken out is not stated, and no default comes in its place; so it can also be inherited again."""
    realm = place.governed({"storage": {"directory": "/srv/s"}, "agent": {"model": "m1"}})
    realm.patch({"storage": {"directory": None}, "agent": None})
    assert realm.get().document == {"storage": {}}
    assert realm.unset("storage").document == {}


@pytest.mark.parametrize(
    ("patch", "place_of"),
    [
        ({"limits": {"budget": 2**63}}, "/limits/budget"),
        ({"agent": {"provider_params": {"a": [1, None]}}}, "/agent/provider_params/a/1"),
        ({"agent": {"temperature": float("inf")}}, "/agent/temperature"),
        ({"agent": {"model": "\ud800"}}, "/agent/model"),
    ],
)
def test_what_no_file_can_hold_is_refused_before(place, patch, place_of):
    """W29: the dry run and the write say the same, with the place: a typed refusal, and no "OK" before it."""
    realm = place.governed({"agent": {"model": "m1"}})
    generation = realm.get().generation
    for options in ({"dry_run": True}, {}):
        with pytest.raises(InvalidDocument) as refused:
            realm.patch(patch, **options)
        assert refused.value.pointer == place_of
    assert realm.get().generation == generation
    largest = realm.patch({"limits": {"budget": 2**63 - 1}})
    assert largest.document["limits"] == {"budget": 2**63 - 1}
    assert place.team().get().document["limits"] == {"budget": 2**63 - 1}


def test_a_length_of_time_has_one_form_at_each_place(place):
    """W29: where Meerkat reads seconds and nanoseconds, a text is refused with what is wanted; that is kept."""
    realm = place.governed({"agent": {"model": "m1"}})
    with pytest.raises(SchemaViolation) as refused:
        realm.patch({"tools": {"tool_timeouts": {"shell": "30s"}}})
    assert refused.value.violations == (
        {
            "pointer": "/tools/tool_timeouts/shell",
            "keyword": "type",
            "message": "it must be an object",
        },
    )
    stated = {"default_timeout": "2m", "tool_timeouts": {"shell": {"secs": 30, "nanos": 0}}}
    assert realm.patch({"tools": stated}).document["tools"] == stated
    read = place.connect(read_only=True).realm("team").get()
    assert read.document == {"agent": {"model": "m1"}, "tools": stated}
