"""Realms that inherit, through the command line: get, explain, parent, realms --tree, unset --mask, watch, status."""

from __future__ import annotations

import json

import pytest

from realmconf.surfaces.cli.lineage import branches


@pytest.fixture
def family(shell):
    """``global`` <- ``org`` <- ``team``, which is the realm of the test."""
    shell.ok(
        "replace", "--toml", 'region = "eu"\n[agent]\nretries = 1\nmodel = "g"', "--realm", "global"
    )
    shell.ok("set", "agent.model", "o", "--realm", "org", "-m", "the org's choice")
    shell.ok("set", "agent.tools", '["a"]')
    shell.ok("parent", "set", "org")
    return shell


def broken(family):
    """Takes the parent of ``team`` away."""
    family.ok("delete", "--realm", "org")
    return family


# --- get ------------------------------------------------------------------------------------


def test_get_shows_what_applies(family):
    """The effective configuration is what the realm inherits with its own on top; ``--own`` is its own alone."""
    answer = family.ok("get")
    first, second, *rest = answer.out.splitlines()
    assert first == "# realmconf: team, generation 2, effective view"
    assert second == "# inherits from org (generation 1), global (generation 1)"
    assert {'region = "eu"', 'model = "o"', "retries = 1", 'tools = ["a"]'} <= set(rest)
    assert "parent" not in answer.out
    assert family.ok("get", "--effective").out == answer.out
    assert family.ok("get", "agent.model").out == "o\n"
    assert family.ok("get", "-o", "json").json["config"] == {
        "region": "eu",
        "agent": {"retries": 1, "model": "o", "tools": ["a"]},
    }
    own = family.ok("get", "--own", "-o", "json").json
    assert own["config"] == {"agent": {"tools": ["a"]}, "realm": {"team": {"parent": "org"}}}
    assert family("get", "agent.model", "--own").code == 5


def test_effective_view_of_several_realms_is_refused_as_a_document(family):
    """Stored, it would copy every inherited value into the realm, also with the second line of comment."""
    text = family.ok("get").out.encode()
    answer = family("replace", "-", "-o", "json", stdin=text)
    assert (answer.code, answer.error["code"]) == (4, "invalid_argument")


def test_a_generation_is_printed_as_its_own_document(family):
    """``--at`` is what the realm stated then."""
    assert family.ok("get", "--at", "1", "-o", "json").json["config"] == {"agent": {"tools": ["a"]}}


def test_without_usable_parents_only_the_own_document_is_there(family):
    """A lineage error is a typed error of effective reads; the own document is read, written and told of it."""
    broken(family)
    answer = family("get", "-o", "json")
    assert (answer.code, answer.error["code"]) == (4, "lineage_error")
    assert answer.error["chain"] == ["team", "org"]
    assert answer.err == ""
    assert "realmconf get --own" in family("get").err
    for words in (["explain", "agent.tools"], ["validate"], ["get", "agent.model"]):
        assert family(*words, "-o", "json").error["code"] == "lineage_error"
    answer = family.ok("get", "--own")
    assert 'parent = "org"' in answer.out
    assert "warning: the parent org of realm team does not exist" in answer.err
    written = family.ok("set", "agent.x", "1", "-o", "json").json
    assert [one["code"] for one in written["warnings"]] == ["lineage_error"]
    planned = family.ok("set", "agent.x", "2", "--dry-run", "-o", "json").json
    assert planned["effective_changes"] is None
    assert "agent.x = 1 → 2" in family.ok("set", "agent.x", "2", "--dry-run").out
    for words in (
        ["log"],
        ["diff"],
        ["blame"],
        ["completion", "paths"],
        ["parent", "show"],
        ["schema", "show"],
    ):
        family.ok(*words)
    family.ok("parent", "unset")
    assert family.ok("get", "region").out == "eu\n"


# --- parent ------------------------------------------------------------------------------------


def test_parent_is_shown_with_the_lineage(family):
    """Whom the realm names, and all that it inherits from; for a realm that names nobody too."""
    assert family.ok("parent", "show").out == "parent=org\nlineage=team,org,global\n"
    assert family.ok("parent", "show", "-o", "json").json == {
        "realm": "team",
        "parent": "org",
        "lineage": [
            {"realm": "team", "generation": 2},
            {"realm": "org", "generation": 1},
            {"realm": "global", "generation": 1},
        ],
    }
    assert family.ok("parent", "show", "--realm", "org").out == "parent=\nlineage=org,global\n"
    assert family.ok("parent", "show", "--realm", "org", "-o", "json").json["parent"] is None


def test_parent_is_set_and_taken_away_as_any_write(family):
    """With precondition, message and write id, and once: the same again changes nothing."""
    words = ["parent", "unset", "--expected-generation", "2", "-m", "alone", "--write-id", "w1"]
    assert family.ok(*words).out == "generation=3\n"
    assert family.ok(*words).out == "generation=3\n"
    assert family.ok("log", "-n", "1", "-o", "json").json["revisions"][0]["message"] == "alone"
    assert "nothing to change" in family.ok("parent", "unset").err
    assert family("parent", "set", "org", "--expected-generation", "2").code == 3
    assert family.ok("parent", "set", "org", "-o", "json").json["config"]["realm"] == {
        "team": {"parent": "org"}
    }


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["parent", "set", "nobody"], "lineage_error"),
        (["parent", "set", "team"], "lineage_error"),
        (["parent", "set", "team", "--realm", "org"], "lineage_error"),
        (["parent", "set", "org", "--realm", "global"], "lineage_error"),
        (["parent", "set"], "invalid_argument"),
        (["parent", "set", "no such"], "invalid_realm"),
        (["parent", "show", "org"], "invalid_argument"),
        (["parent", "unset", "org"], "invalid_argument"),
        (["parent", "show", "--expected-generation", "2"], "invalid_argument"),
        (["parent", "show", "-m", "why"], "invalid_argument"),
        (["policy", "show", "--dry-run"], "invalid_argument"),
    ],
)
def test_parent_that_cannot_be(family, words, code):
    """It is refused with the reason, and nothing is changed."""
    answer = family(*words, "-o", "json")
    assert (answer.code, answer.error["code"]) == (4, code)
    assert family.ok("parent", "show").out == "parent=org\nlineage=team,org,global\n"
    assert [one["generation"] for one in family.ok("realms", "-o", "json").json["realms"]] == [
        1,
        1,
        2,
    ]


@pytest.mark.parametrize(
    "words", [["parent"], ["parent", "become", "org"], ["parent", "set", "a", "b"]]
)
def test_parent_words_that_are_none(family, words):
    """A usage error."""
    assert family(*words).code == 2


# --- realms --tree -------------------------------------------------------------------------------


def test_realms_are_shown_as_a_tree(family):
    """Each below the one that it inherits from; JSON names the parents."""
    family.ok("set", "a", "1", "--realm", "other")
    lines = family.ok("realms", "--tree").out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["global", "org", "team", "other"]
    assert [len(line) - len(line.lstrip()) for line in lines[1:]] == [0, 2, 4, 2]
    listed = {
        one["realm"]: one["parent"] for one in family.ok("realms", "-o", "json").json["realms"]
    }
    assert listed == {"global": None, "org": None, "team": "org", "other": None}
    assert (
        family.ok("realms", "--tree", "-o", "json").json == family.ok("realms", "-o", "json").json
    )


def test_realm_whose_parent_is_gone_is_marked(family):
    """It stands at the left, with what inherits from it below."""
    family.ok("set", "a", "1", "--realm", "child")
    family.ok("parent", "set", "team", "--realm", "child")
    broken(family)
    lines = family.ok("realms", "--tree").out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["global", "team", "child"]
    assert lines[2].endswith("its parent org does not exist")
    assert lines[3].startswith("  child")


class Entry:
    def __init__(self, realm, parent):
        self.realm, self.parent = realm, parent


def test_realms_that_inherit_from_themselves_are_in_the_tree_once():
    """Races can make a circle, and deep chains; each realm is shown, and the tree ends."""
    circle = [Entry("a", "b"), Entry("b", "a"), Entry("c", "b")]
    shown = list(branches(circle))
    assert [(one.entry.realm, one.depth) for one in shown] == [("a", 0), ("b", 1), ("c", 2)]
    assert shown[0].problem == "inherits from itself, by way of b"
    chain = [Entry(f"r{n}", f"r{n - 1}" if n else None) for n in range(5_000)]
    assert [one.depth for one in branches(chain)] == list(range(5_000))
    own = list(branches([Entry("a", "a")]))
    assert [(one.depth, bool(one.problem)) for one in own] == [(0, True)]


def test_a_tree_is_of_all_realms(family):
    """A part of the names has no tree."""
    assert family("realms", "--tree", "--after", "a").code == 2
    assert family("realms", "--tree", "-n", "2").code == 2


# --- explain -------------------------------------------------------------------------------------


def test_explain_tells_who_gave_a_value_and_what_it_shadows(family):
    """Realm, generation, author, time and reason of the value, and the values of further realms."""
    family.ok("set", "agent.model", "mine", "--author", "bob", "-m", "release week")
    headline, heading, *rows = family.ok("explain", "agent.model").out.splitlines()
    assert headline == 'agent.model = "mine"'
    assert heading.split() == ["REALM", "GENERATION", "TIME", "(UTC)", "AUTHOR", "MESSAGE", "VALUE"]
    stated, near, far = rows
    assert stated.startswith("stated by")
    assert stated.split()[2:4] == ["team", "3"]
    assert "bob" in stated
    assert "release week" in stated
    assert near.split()[:3] == ["shadows", "org", "1"]
    assert near.endswith('the org\'s choice  "o"')
    assert far.split()[:3] == ["shadows", "global", "1"]
    found = family.ok("explain", "/agent/model", "-o", "json").json
    assert (found["pointer"], found["value"]) == ("/agent/model", "mine")
    assert (found["realm"], found["generation"], found["author"]) == ("team", 3, "bob")
    assert (found["message"], found["surface"], found["at_least"]) == ("release week", "cli", False)
    assert [(one["realm"], one["generation"], one["value"]) for one in found["shadowed"]] == [
        ("org", 1, "o"),
        ("global", 1, "g"),
    ]
    assert found["masked_by"] is None
    assert found["created_at"].endswith("Z")
    assert "default" not in found


def test_explain_names_the_generation_that_gave_the_value(family):
    """Not merely the newest one of that realm."""
    family.ok("set", "b", "1", "--realm", "org")
    assert family.ok("explain", "agent.model", "-o", "json").json["generation"] == 1


def test_explain_of_a_section_has_a_line_for_each_value(family):
    """Each with its own origin; of the whole configuration too."""
    family.ok("set", "agent.retries", "9")
    heading, *rows = family.ok("explain", "agent").out.splitlines()
    assert "SHADOWS" in heading
    origins = {row.split("agent.")[1]: row.split()[0] for row in rows}
    assert origins == {'model = "o"': "org", "retries = 9": "team", 'tools = ["a"]': "team"}
    assert next(row for row in rows if "retries" in row).split("  ")[-2].strip() == "global"
    parts = family.ok("explain", "-o", "json").json["parts"]
    assert [one["pointer"] for one in parts] == [
        "/agent/model", "/agent/retries", "/agent/tools", "/region"
    ]  # fmt: skip


def test_explain_tells_masks_and_defaults(family, tmp_path):
    """Where there is no value it says why, and what the schema says applies then."""
    (tmp_path / "s.json").write_text(
        json.dumps({"properties": {"agent": {"properties": {"model": {"default": "d"}}}}})
    )
    family.ok("schema", "set", "s.json")
    family.ok("unset", "agent.model", "--mask")
    text = family.ok("explain", "agent.model").out
    assert text.startswith("agent.model has no value: team masks what is inherited\n")
    assert "masked by team  org " in text
    assert text.endswith('the schema\'s default: "d"\n')
    found = family.ok("explain", "agent.model", "-o", "json").json
    assert "value" not in found
    assert (found["masked_by"], found["default"], found["realm"]) == ("team", "d", None)
    assert found["shadowed"][0]["masked_by"] == "team"


@pytest.mark.parametrize("words", [["explain", "nope"], ["explain"], ["explain", ""]])
def test_explain_of_what_is_not_there(shell, words):
    """It is an error, exit 5, also of a realm never written."""
    answer = shell(*words, "-o", "json")
    assert (answer.code, answer.error["code"]) == (5, "value_not_found")


# --- unset ------------------------------------------------------------------------------------------


def test_unset_of_an_inherited_value_says_how_to_mask_it(family):
    """Nothing changes, and nobody is left to wonder why the value is still there."""
    answer = family.ok("unset", "agent.model")
    assert answer.out == "generation=2\n"
    assert "nothing to change" in answer.err
    assert "agent.model is inherited from org" in answer.err
    assert "realmconf unset --mask agent.model" in answer.err
    family.ok("set", "agent.model", "mine")
    assert "is inherited from org" in family.ok("unset", "agent.model").err
    assert "inherited" not in family.ok("unset", "agent.tools").err
    assert "inherited" not in family.ok("unset", "nope").err


def test_mask_and_unmask(family):
    """The value is neither inherited nor stated any more; and is inherited again."""
    family.ok("set", "agent.model", "mine")
    answer = family.ok("unset", "agent.model", "--mask", "-m", "no model")
    assert answer.out == "generation=4\n"
    assert "inherited" not in answer.err
    assert family("get", "agent.model").code == 5
    own = family.ok("get", "--own", "-o", "json").json["config"]
    assert own["realm"]["team"] == {"parent": "org", "unset": ["/agent/model"]}
    assert "model" not in own["agent"]
    assert family.ok("unset", "region", "--mask", "-o", "json").json["config"]["realm"]["team"][
        "unset"
    ] == ["/agent/model", "/region"]
    assert "nothing to change" in family.ok("unset", "/region", "--mask").err
    family.ok("unset", "agent.model", "--unmask")
    assert family.ok("get", "agent.model").out == "o\n"
    family.ok("unset", "region", "--unmask")
    assert family.ok("get", "--own", "-o", "json").json["config"]["realm"] == {
        "team": {"parent": "org"}
    }
    assert "nothing to change" in family.ok("unset", "region", "--unmask").err


def test_unmask_takes_away_a_section_that_was_made_for_the_mask(shell):
    """Nothing of a mask is left, and nothing else is touched."""
    shell.ok("set", "a", "1", "--realm", "global")
    shell.ok("set", "b", "1")
    shell.ok("unset", "a", "--mask")
    assert shell.ok("get", "-o", "json").json["config"] == {"b": 1}
    shell.ok("unset", "a", "--unmask")
    assert shell.head()[0] == {"b": 1}


def test_masks_that_people_have_written_stay_as_they_are(family):
    """A dotted path in the list is the same mask, and is not rewritten."""
    family.ok("set", "realm.team.unset", '["agent.model"]')
    assert "nothing to change" in family.ok("unset", "/agent/model", "--mask").err
    family.ok("unset", "region", "--mask")
    family.ok("unset", "/region", "--unmask")
    assert family.ok("get", "realm.team.unset", "--own", "-o", "json").json == ["agent.model"]


def test_mask_is_a_write_like_any_other(family):
    """Preconditions, dry run and write ids hold; another mask under the same id is another request."""
    assert family("unset", "region", "--mask", "--expected-generation", "1").code == 3
    planned = family.ok("unset", "region", "--mask", "--dry-run", "-o", "json").json
    assert planned["effective_changes"] == [{"pointer": "/region", "before": "eu"}]
    family.ok("policy", "set", "require_generation=true")
    assert family("unset", "region", "--mask", "-o", "json").error["code"] == "generation_required"
    words = ["--mask", "--expected-generation", "3", "--write-id", "w"]
    family.ok("unset", "region", *words)
    assert family.ok("unset", "region", *words).out == "generation=4\n"
    assert family("unset", "agent", *words, "-o", "json").error["code"] == "write_id_reused"


@pytest.mark.parametrize("path", ["", "realm", "realm.team.parent"])
def test_what_cannot_be_masked(family, path):
    """The whole, and what realms say of themselves."""
    before = family.head()
    assert family("unset", path, "--mask").code == 4
    assert family.head() == before


def test_mask_and_unmask_contradict_each_other(family):
    """A usage error."""
    assert family("unset", "region", "--mask", "--unmask").code == 2


def test_elements_of_inherited_arrays(family, tmp_path):
    """Where the schema gives them names the hint names them so; elsewhere an element cannot be masked."""
    (tmp_path / "s.json").write_text(
        json.dumps({"properties": {"servers": {"x-merge-key": "name"}}})
    )
    servers = '[{name = "web 1", port = 1}, {name = "db", port = 2}]'
    family.ok("schema", "set", "s.json", "--realm", "org")
    family.ok("set", "servers", servers, "--realm", "org")
    family.ok("set", "list", "[1, 2]", "--realm", "org")
    assert "no names to mask them by" in family.ok("unset", "list.0").err
    assert "--mask 'servers.\"web 1\".port'" in family.ok("unset", "servers.0.port").err
    family.ok("unset", 'servers."web 1"', "--mask")
    assert family.ok("get", "servers", "-o", "json").json == [{"name": "db", "port": 2}]


# --- dry run --------------------------------------------------------------------------------------------


def test_dry_run_tells_own_and_effective_changes_and_heirs(family):
    """What changes for the realm's readers is told where it is something else, and who else sees a change."""
    answer = family.ok("set", "agent.model", "new", "--dry-run", "--realm", "org")
    assert answer.out.splitlines() == [
        '~ agent.model = "o" → "new"',
        "realms that inherit a change: team",
        "generation=2",
    ]
    answer = family.ok("unset", "agent.model", "--dry-run", "--realm", "org")
    assert answer.out.splitlines()[1:] == [
        '- agent.model = "o"',
        "effective:",
        '  ~ agent.model = "o" → "g"',
        "realms that inherit a change: team",
        "generation=2",
    ]
    answer = family.ok("set", "region", "eu", "--dry-run")
    assert answer.out.splitlines() == [
        '+ region = "eu"',
        "effective:",
        "  no change",
        "generation=3",
    ]
    planned = family.ok("parent", "unset", "--dry-run", "-o", "json").json
    assert {"pointer": "/realm/team/parent", "before": "org"} in planned["changes"]
    assert planned["effective_changes"] == [
        {"pointer": "/agent/model", "before": "o", "after": "g"}
    ]
    planned = family.ok("set", "x", "1", "--dry-run", "-o", "json", "--realm", "global").json
    assert planned["descendants"] == ["org", "team"]
    assert family.head()[1] == 2


def test_write_that_nearer_realms_override_says_so(family):
    """The writer learns that not everybody will see it."""
    answer = family.ok("set", "agent.model", "g2", "--realm", "global")
    assert "warning: /agent/model is overridden in realm" in answer.err
    codes = [
        one["code"]
        for one in family.ok("set", "agent.model", "g3", "--realm", "global", "-o", "json").json[
            "warnings"
        ]
    ]
    assert codes == ["overridden"]


# --- watch --------------------------------------------------------------------------------------------------


def test_watch_tells_who_made_a_step(family):
    """Commits to an ancestor are steps too, with their realm, generation and author."""
    cursor = json.loads(family.ok("watch", "--own", "--after", "1", "-n", "1", "-o", "json").out)[
        "cursor"
    ]
    family.ok("set", "agent.model", "o2", "--realm", "org", "--author", "bob", "-m", "newer")
    family.ok("set", "agent.x", "1")
    words = ["watch", "--after", cursor, "-n", "2"]
    first, second = map(json.loads, family.ok(*words, "-o", "json").out.splitlines())
    assert first["step"] == {"realm": "org", "generation": 2}
    assert (first["author"], first["message"], first["generation"]) == ("bob", "newer", 2)
    assert first["changes"] == [{"pointer": "/agent/model", "before": "o", "after": "o2"}]
    assert second["step"] == {"realm": "team", "generation": 3}
    assert second["author"] == "ada"
    lines = family.ok(*words).out.splitlines()
    assert lines[0].startswith("org 2  ")
    assert "bob" in lines[0]
    assert lines[0].endswith('~ agent.model = "o" → "o2"  (newer)')
    assert lines[1].startswith("3  ")


def test_watch_shows_no_secret_of_a_schema(family, tmp_path):
    """G11: what a parent's schema calls secret is so in its steps, also when the realm has left it since."""
    cursor = json.loads(family.ok("watch", "--own", "--after", "1", "-n", "1", "-o", "json").out)[
        "cursor"
    ]
    schema = tmp_path / "org.schema.json"
    schema.write_text(json.dumps({"properties": {"note": {"writeOnly": True}}}))
    family.ok("schema", "set", str(schema), "--realm", "org")
    family.ok("set", "note", "canary-one", "--realm", "org")
    family.ok("set", "note", "canary-two", "--realm", "org")
    family.ok("parent", "unset")
    words = ["watch", "--after", cursor, "-n", "4"]
    told = family.ok(*words).out + family.ok(*words, "-o", "json").out
    assert "note" in told
    assert "canary" not in told


def test_watch_goes_on_where_parents_break(family, tmp_path):
    """A step at which there is no configuration is told, no command is run for it, and the next one follows."""
    broken(family)
    family.ok("parent", "unset")
    told = tmp_path / "told"
    words = ["watch", "--after", "2", "-n", "2"]
    answer = family.ok(*words, "--exec", f"cat >> {told}", "-o", "json")
    first, second = map(json.loads, answer.out.splitlines())
    assert (first["error"]["code"], first["event"]) == ("lineage_error", "change")
    assert (first["step"]["realm"], first["changes"]) == ("org", [])
    assert "the command is not run" in answer.err
    assert "error" not in second
    assert len(told.read_text().splitlines()) == 1
    assert "the parent org of realm team does not exist" in family.ok(*words).out


def test_watch_of_a_realm_never_written_hears_its_root(shell):
    """A change of ``global`` is no deletion of the realm."""
    shell.ok("set", "a", "1", "--realm", "global")
    shell.ok("set", "a", "2", "--realm", "global")
    (event,) = map(
        json.loads, shell.ok("watch", "--after", "0", "-n", "1", "-o", "json").out.splitlines()
    )
    assert (event["event"], event["generation"]) == ("change", 0)
    assert event["step"]["realm"] == "global"


# --- status ---------------------------------------------------------------------------------------------------


def test_status_tells_of_a_lineage_that_cannot_be_used(family):
    """With what to do; of all realms too."""
    assert family.ok("status", "-o", "json").json["effective"] == "valid"
    assert "effective" not in family.ok("status").out
    broken(family)
    text = family.ok("status").out
    assert (
        "effective configuration: lineage_error (the parent org of realm team does not exist)"
        in text
    )
    assert "to do: realmconf parent set NAME" in text
    state = family.ok("status", "-o", "json").json
    assert (state["effective"], state["violations"]) == ("lineage_error", [])
    assert state["lineage_error"]["code"] == "lineage_error"
    every = {
        one["realm"]: one["effective"] for one in family.ok("status", "--all", "-o", "json").json
    }
    assert every == {"global": "valid", "org": "valid", "team": "lineage_error"}


def test_blame_is_of_the_own_document(family):
    """And its help says where else to look."""
    assert [one["pointer"] for one in family.ok("blame", "-o", "json").json] == [
        "/agent/tools", "/realm/team/parent"
    ]  # fmt: skip
    assert "explain" in family.ok("blame", "--help").out
