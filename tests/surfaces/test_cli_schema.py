"""Schemas through the command line: schema, validate, init --schema, the types that ``set`` reads, status, errors."""

from __future__ import annotations

import json

import pytest

SCHEMA = {
    "type": "object",
    "properties": {
        "agent": {
            "type": "object",
            "properties": {
                "version": {"type": "string"},
                "model": {"enum": ["opus", "sonnet"]},
                "tokens": {"type": "integer", "minimum": 1},
                "ratio": {"type": "number"},
                "tools": {"type": "array", "items": {"type": "string"}},
                "on": {"type": "boolean"},
                "limits": {"type": "object"},
                "either": {"type": ["string", "integer"]},
                "key": {"type": "string", "writeOnly": True},
            },
            "additionalProperties": False,
        }
    },
}


@pytest.fixture
def governed(shell, tmp_path):
    (tmp_path / "s.json").write_text(json.dumps(SCHEMA))
    shell.ok("set", "agent.model", "opus")
    shell.ok("schema", "set", "s.json", "-m", "typed")
    return shell


def kinds(shell):
    return [one["kind"] for one in shell.ok("log", "-o", "json").json["revisions"]]


# --- schema ----------------------------------------------------------------------------------


def test_schema_is_a_generation_of_its_own(governed):
    """Attached, shown and taken away, each as a write with its message; the document stays."""
    assert json.loads(governed.ok("schema", "show").out) == SCHEMA
    assert governed.ok("schema", "show", "-o", "json").json == SCHEMA
    assert governed.ok("log", "-o", "json").json["revisions"][0]["message"] == "typed"
    assert "nothing to change" in governed.ok("schema", "set", "s.json").err
    assert governed.ok("schema", "unset", "--expected-generation", "2").out == "generation=3\n"
    assert "nothing to change" in governed.ok("schema", "unset").err
    assert kinds(governed) == ["schema", "schema", "patch"]
    assert governed.head() == ({"agent": {"model": "opus"}}, 3)
    answer = governed.ok("schema", "show")
    assert answer.out == ""
    assert "has no schema of its own, nor does it inherit one" in answer.err
    assert governed.ok("schema", "show", "-o", "json").json is None


def test_dry_run_tells_what_happens_to_the_schema(governed, tmp_path):
    """A plan without a change of a value is not one without a change."""
    (tmp_path / "t.json").write_text('{"title": "t"}')
    assert "own schema is replaced" in governed.ok("schema", "set", "t.json", "--dry-run").out
    assert "own schema is taken away" in governed.ok("schema", "unset", "--dry-run").out
    other = governed.ok("schema", "set", "t.json", "--dry-run", "--realm", "other")
    assert "own schema is attached" in other.out
    assert governed.ok("schema", "unset", "--dry-run", "-o", "json").json["kind"] == "schema"
    same = governed.ok("schema", "set", "s.json", "--dry-run")
    assert same.out == "generation=2\n"
    planned = governed.ok("policy", "set", "history_keep=3", "require_generation=true", "--dry-run")
    assert planned.out.splitlines()[:2] == [
        "policy require_generation: false → true",
        "policy history_keep: all → 3",
    ]
    assert governed.ok("set", "agent.model", "opus", "--dry-run", "-o", "json").json["kind"] is None


def test_schema_of_an_ancestor_is_named(governed):
    """A realm without a schema of its own is told whose applies."""
    governed.realm = "child"
    governed.ok("set", "x", "1")
    governed.ok("parent", "set", "team")
    answer = governed.ok("schema", "show")
    assert answer.out == ""
    assert "has no schema of its own; what applies is that of team" in answer.err
    governed.ok("schema", "set", "s.json", "--realm", "global")
    assert "; what applies is that of team, global" in governed.ok("schema", "show").err
    answer = governed("set", "agent.tokens", "0", "-o", "json")
    assert (answer.code, answer.error["code"]) == (4, "schema_violation")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("s.toml", 'title = "t"\n[properties.a]\ntype = "integer"\n'),
        ("s.yaml", "title: t\nproperties:\n  a:\n    type: integer\n"),
        ("s.yml", "{title: t, properties: {a: {type: integer}}}"),
        ("s", '{"title": "t", "properties": {"a": {"type": "integer"}}}'),
        ("-", '{"title": "t", "properties": {"a": {"type": "integer"}}}'),
        ("-", 'title = "t"\nproperties.a.type = "integer"'),
    ],
)
def test_schema_is_read_as_other_inputs_are(shell, tmp_path, name, text):
    """JSON, TOML or YAML, by the file's name or its first character."""
    if name != "-":
        (tmp_path / name).write_text(text)
    shell.ok("schema", "set", name, stdin=text.encode())
    wanted = {"title": "t", "properties": {"a": {"type": "integer"}}}
    assert shell.ok("schema", "show", "-o", "json").json == wanted
    assert shell.head() == ({}, 1)


def test_document_that_does_not_fit_is_migrated_in_the_same_generation(governed, tmp_path):
    """Without ``--patch`` the schema is refused, with every reason; with it both come together."""
    (tmp_path / "two.json").write_text(json.dumps({"required": ["a"], **SCHEMA}))
    answer = governed("schema", "set", "two.json", "-o", "json")
    assert (answer.code, answer.error["code"]) == (4, "schema_violation")
    (tmp_path / "p.toml").write_text("a = 1\n[agent]\nmodel = 'sonnet'\n")
    planned = governed.ok(
        "schema", "set", "two.json", "--patch", "p.toml", "--dry-run", "-o", "json"
    )
    assert [one["pointer"] for one in planned.json["changes"]] == ["/a", "/agent/model"]
    governed.ok("schema", "set", "two.json", "--patch", "p.toml")
    assert governed.head() == ({"agent": {"model": "sonnet"}, "a": 1}, 3)
    assert kinds(governed)[0] == "schema"


@pytest.mark.parametrize(
    ("words", "stdin", "code"),
    [
        (["schema", "set"], b"", "invalid_argument"),
        (["schema", "set", "nothing.json"], b"", "invalid_argument"),
        (["schema", "set", "meerkats"], b"", "invalid_argument"),
        (["schema", "set", "-"], b"", "invalid_document"),
        (["schema", "set", "-"], b"[1, 2]", "invalid_document"),
        (["schema", "set", "-"], b'{"type": "text"}', "invalid_document"),
        (["schema", "set", "-"], b'{"$ref": "https://example.org/s"}', "invalid_document"),
        (["schema", "set", "-"], b'{"a": ' + b"[" * 100_000, "limit_exceeded"),
        (["schema", "set", "-", "--patch", "-"], b"{}", "invalid_argument"),
        (["schema", "set", "s.json", "--patch", "nothing"], b"", "invalid_argument"),
        (["schema", "set", "s.json", "--patch", "list.json"], b"", "invalid_patch"),
        (["schema", "set", "s.json", "--patch", "-"], b"null", "invalid_document"),
        (["schema", "set", "s.json", "--patch", "-"], b"a = [", "invalid_document"),
        (["schema", "show", "s.json"], b"", "invalid_argument"),
        (["schema", "unset", "s.json"], b"", "invalid_argument"),
        (["schema", "show", "--patch", "s.json"], b"", "invalid_argument"),
        (["schema", "show", "--expected-generation", "1"], b"", "invalid_argument"),
        (["schema", "set", "s.json", "--create"], b"", "generation_conflict"),
    ],
)
def test_schema_that_is_none_is_refused(governed, tmp_path, words, stdin, code):
    """With a typed error that says why; the schema and the document stay."""
    (tmp_path / "list.json").write_text("[1]")
    answer = governed(*words, "-o", "json", stdin=stdin)
    assert (answer.code, answer.error["code"]) == (3 if code == "generation_conflict" else 4, code)
    assert governed.ok("schema", "show", "-o", "json").json == SCHEMA
    assert governed.head()[1] == 2


def test_unknown_name_of_a_schema_lists_what_there_is(shell):
    """A name that is neither a file nor built in."""
    message = shell("schema", "set", "meerkats", "-o", "json").error["message"]
    assert "meerkats: there is no such file" in message
    assert "built in: " in message


def test_built_in_schema_is_had_by_its_name(shell, tmp_path, monkeypatch):
    """The table names it; a file of the same name needs a path."""
    from realmconf.surfaces.cli import schemas

    monkeypatch.setitem(schemas.BUILT_IN, "ours", f"{__name__}:SCHEMA")
    monkeypatch.setitem(
        __import__("sys").modules, __name__, __import__("types").SimpleNamespace(SCHEMA=SCHEMA)
    )
    (tmp_path / "ours").write_text('{"title": "a file"}')
    shell.ok("schema", "set", "ours")
    assert shell.ok("schema", "show", "-o", "json").json == SCHEMA
    shell.ok("schema", "set", "./ours")
    assert shell.ok("schema", "show", "-o", "json").json == {"title": "a file"}


YAML_BOMBS = {
    "aliases": "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
    "deep": "a: " + "[" * 5_000,
    "deep and closed": "a: " + "[" * 500 + "]" * 500,
    "large": "a: " + "x" * 300_000,
    "broken": "a: [\nb: }",
    "tag": "a: !!python/object/apply:os.system [true]",
    "twice the same key": "a: 1\na: 2\n",
    "key that is no text": "1: a",
    "date": "a: 2026-01-02",
    "two documents": "a: 1\n---\nb: 2\n",
    "not a number": "a: .nan",
    "digits": "a: " + "9" * 5_000,
    "null": "a:\n",
    "empty": "",
    "control": "a: \x00",
}


@pytest.mark.parametrize("text", YAML_BOMBS.values(), ids=YAML_BOMBS.keys())
def test_yaml_bombs_are_refused(shell, tmp_path, text):
    """G12: a typed error in bounded time, and nothing is changed."""
    shell.ok("set", "kept", "1")
    (tmp_path / "x.yaml").write_text(text)
    answer = shell("replace", "x.yaml", "-o", "json")
    assert answer.code == 4, answer.out
    assert answer.error["code"] in {"invalid_document", "limit_exceeded"}
    assert shell.head() == ({"kept": 1}, 1)


def test_documents_and_patches_may_be_yaml(shell, tmp_path):
    """By the name of the file."""
    (tmp_path / "a.yaml").write_text("agent:\n  model: opus\n  ratio: 1.0\n  tools: [a, b]\n")
    shell.ok("replace", "a.yaml")
    (tmp_path / "p.yml").write_text("agent:\n  tools: null\n")
    shell.ok("patch", "p.yml")
    assert repr(shell.head()[0]) == "{'agent': {'model': 'opus', 'ratio': 1.0}}"


# --- validate -------------------------------------------------------------------------------------


def test_validate_says_that_it_fits(governed):
    """Exit 0, and a word; where there is no schema that is said."""
    answer = governed.ok("validate")
    assert (answer.out, answer.err) == ("valid\n", "")
    assert governed.ok("validate", "-o", "json").json == {"valid": True, "violations": []}
    assert "no schema governs realm other" in governed.ok("validate", "--realm", "other").err


def test_validate_lists_every_violation(governed, tmp_path):
    """Exit 4, one line each with its pointer; nothing is written."""
    text = "\n".join(f"agent.unknown{n} = 1" for n in range(8)) + "\nagent.tokens = 0\n"
    (tmp_path / "new.toml").write_text(text)
    answer = governed("validate", "new.toml")
    assert answer.code == 4
    lines = answer.out.splitlines()
    assert len(lines) == 9
    assert all(line.startswith("/agent/") for line in lines)
    found = governed("validate", "new.toml", "-o", "json")
    assert (found.code, found.json["valid"]) == (4, False)
    assert len(found.json["violations"]) == 9
    assert found.json["violations"][0].keys() == {"pointer", "keyword", "message"}
    assert governed("validate", "-", stdin=text.encode()).out == answer.out
    assert governed.head()[1] == 2


@pytest.mark.parametrize(
    ("words", "stdin"),
    [
        (["validate", "nothing"], b""),
        (["validate", "-"], b""),
        (["validate", "-"], b"a = "),
        (["validate", "-"], b"[1, 2]"),
        (["validate", "-"], b'{"a": null}'),
    ],
)
def test_validate_of_what_is_no_document(governed, words, stdin):
    """An error, which is told from a document that does not fit."""
    answer = governed(*words, "-o", "json", stdin=stdin)
    assert (answer.code, answer.error["code"]) in {(4, "invalid_document"), (4, "invalid_argument")}


def test_validate_judges_what_a_write_would_make(governed):
    """A parent that the document names counts, and so does what is wrong already; no policy is asked."""
    governed.ok("policy", "set", "require_generation=true")
    governed.ok("set", "agent.tokens", "0", "--realm", "org")
    governed.ok("set", "agent.tokens", "5", "--realm", "fine")
    document = b'[realm.team]\nparent = "%s"\n[agent]\nmodel = "opus"\n'
    answer = governed("validate", "-", stdin=document % b"org")
    assert (answer.code, answer.out.split(":")[0]) == (4, "/agent/tokens")
    governed.ok("validate", "-", stdin=document % b"fine")
    answer = governed("validate", "-", "-o", "json", stdin=document % b"nobody")
    assert (answer.code, answer.error["code"]) == (4, "lineage_error")
    answer = governed("validate", "-", "-o", "json", stdin=document % b"team")
    assert answer.error["code"] == "lineage_error"
    assert governed.head()[1] == 3
    governed.ok("parent", "set", "fine", "--expected-generation", "3")
    governed.ok("set", "agent.tokens", "0", "--realm", "fine")
    own = governed.ok("get", "--own", "-o", "json").out.encode()
    assert governed("validate", "-", stdin=own).code == governed("validate").code == 4


def test_validate_takes_no_effective_view(governed):
    """What it says of that would be of a document that nobody can write."""
    text = governed.ok("get").out.encode()
    assert governed("validate", "-", "-o", "json", stdin=text).error["code"] == "invalid_argument"


# --- set ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("agent.version", "1.10", "1.10"),
        ("agent.version", "true", "true"),
        ("agent.version", "12", "12"),
        ("agent.version", "[1]", "[1]"),
        ("agent.version", "99999999999999999999", "99999999999999999999"),
        ("agent.version", '"quoted"', "quoted"),
        ("agent.version", "plain", "plain"),
        ("agent.tokens", "12", 12),
        ("agent.ratio", "12", 12),
        ("agent.ratio", "0.5", 0.5),
        ("agent.tools", '["1"]', ["1"]),
        ("agent.tools.0", "1", "1"),
        ("agent.on", "true", True),
        ("agent.limits", "{ a = 1 }", {"a": 1}),
        ("agent.either", "12", 12),
        ("agent.either", "1.5", "1.5"),
        ("agent.model", "opus", "opus"),
        ("elsewhere", "12", 12),
        ("elsewhere", "text", "text"),
    ],
)
def test_value_is_read_as_the_type_that_the_schema_wants(governed, path, text, value):
    """Where it wants text a number is text; elsewhere it is what TOML says, and where it wants nothing, as ever."""
    governed.ok("set", "agent.tools", '["a"]')
    governed.ok("set", path, text)
    stored = governed.ok("get", path, "--own", "-o", "json", "--show-secrets").json
    assert stored == value
    assert type(stored) is type(value)


@pytest.mark.parametrize(
    ("path", "text"),
    [("agent.tokens", "many"), ("agent.tokens", "1.5"), ("agent.on", "yes"), ("agent.tools", "a")],
)
def test_value_of_no_type_that_the_schema_wants_is_refused(governed, path, text):
    """It is not bent into one."""
    answer = governed("set", path, text, "-o", "json")
    assert (answer.code, answer.error["code"]) == (4, "schema_violation")
    assert answer.error["violations"][0]["pointer"] == f"/{path.replace('.', '/')}"


def test_schema_of_an_ancestor_says_what_set_reads(governed):
    """What governs the realm, wherever it is attached."""
    governed.realm = "child"
    governed.ok("parent", "set", "team")
    assert governed.ok("set", "agent.version", "1.10").out.startswith(
        'agent.version = "1.10" (string)'
    )


def test_text_is_text_whatever_the_schema_says(governed):
    """``--text`` is for whoever knows better, and may be refused."""
    assert governed("set", "agent.tokens", "12", "--text").code == 4


def test_value_that_the_schema_calls_secret_is_printed_as_a_mark(governed):
    """As everywhere."""
    answer = governed.ok("set", "agent.key", "hidden")
    assert answer.out.startswith('agent.key = "«secret:')
    assert answer.out.splitlines()[0].endswith("(string)")


# --- errors ------------------------------------------------------------------------------------------------


def test_every_violation_is_on_a_line_of_its_own(governed):
    """All of them, not the first few; as JSON all of them too."""
    text = json.dumps({"agent": {f"unknown{n}": 1 for n in range(9)}})
    answer = governed("replace", "--json", text)
    assert answer.code == 4
    first, *lines = answer.err.splitlines()
    assert (
        first
        == "realmconf: the configuration of realm team does not fit its schema [schema_violation]"
    )
    assert len(lines) == 9
    assert lines[0].startswith("  /agent/unknown0: ")
    assert len(governed("replace", "--json", text, "-o", "json").error["violations"]) == 9


# --- status, warnings -----------------------------------------------------------------------------------------


def test_configuration_that_a_parent_made_invalid(governed):
    """The parent is not vetoed; its writer is told, and so is everybody who reads or looks at the child."""
    governed.ok("schema", "unset")
    governed.ok("set", "agent.model", "opus", "--realm", "org")
    governed.ok("unset", "agent.model")
    governed.ok("parent", "set", "org")
    governed.ok("schema", "set", "s.json")
    written = governed.ok("set", "agent.model", "haiku", "--realm", "org", "-o", "json").json
    assert [one["code"] for one in written["warnings"]] == ["descendant_invalid"]
    answer = governed.ok("get", "agent.model")
    assert answer.out == "haiku\n"
    assert "warning: the configuration does not fit its schema" in answer.err
    state = governed.ok("status", "-o", "json").json
    assert state["effective"] == "invalid"
    assert state["violations"][0]["pointer"] == "/agent/model"
    assert state["lineage_error"] is None
    text = governed.ok("status").out
    assert "effective configuration: invalid (it does not fit its schema)" in text
    assert "    /agent/model: " in text
    assert governed("validate").code == 4
    every = {
        one["realm"]: one["effective"] for one in governed.ok("status", "--all", "-o", "json").json
    }
    assert every == {"org": "valid", "team": "invalid"}


# --- init --------------------------------------------------------------------------------------------------------


def test_init_attaches_a_schema(shell, tmp_path):
    """With a first document, in one generation."""
    (tmp_path / "s.json").write_text(json.dumps({"required": ["a"]}))
    (tmp_path / "first.toml").write_text("a = 1\n")
    words = ["init", "--realm", "web", "--from", "first.toml", "--schema", "s.json", "-o", "json"]
    answer = shell.raw(*words)
    assert (answer.code, answer.json["generation"]) == (0, 1)
    assert shell.raw("schema", "show", "-o", "json").json == {"required": ["a"]}
    assert shell.raw("get", "a").out == "1\n"
    assert shell.raw("unset", "a").code == 4


def test_init_attaches_a_schema_to_a_project_that_is_there(shell, tmp_path):
    """Without ``--from`` the document stays, and has to fit."""
    (tmp_path / "s.json").write_text(json.dumps({"required": ["a"]}))
    assert shell.raw("init", "--realm", "web").code == 0
    assert shell.raw("init", "--schema", "s.json").code == 4
    shell.raw("set", "a", "1")
    assert shell.raw("init", "--schema", "s.json").code == 0
    assert shell.raw("schema", "show", "-o", "json").json == {"required": ["a"]}


@pytest.mark.parametrize("text", ["", "[1, 2]", '{"type": 5}', "a = "])
def test_init_with_a_schema_that_is_none_makes_nothing(shell, tmp_path, text):
    """It is read before the folder is made."""
    (tmp_path / "s.json").write_text(text)
    assert shell.raw("init", "--schema", "s.json").code == 4
    assert shell.raw("init", "--schema", "nothing").code == 4
    assert not (tmp_path / ".realmconf").exists()


# --- completion -----------------------------------------------------------------------------------------------------


def test_completion_offers_what_the_schema_names(governed):
    """Also what nothing was set for yet."""
    offered = governed.ok("completion", "paths").out.split()
    assert {"agent", "agent.model", "agent.tokens", "agent.limits"} <= set(offered)


def test_completion_of_a_schema_that_refers_to_itself(shell):
    """It ends."""
    properties = {f"k{n}": {"$ref": "#"} for n in range(30)}
    shell.ok("schema", "set", "-", stdin=json.dumps({"properties": properties}).encode())
    assert 0 < len(shell.ok("completion", "paths").out.split()) < 2_000
