"""G12 through the command line: whatever comes in, a typed error, nothing changed, no traceback."""

from __future__ import annotations

import json
import os

import pytest

JSON_BOMBS = {
    "deep arrays": b'{"a": ' + b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "deep and closed": b'{"a": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    "many digits": b'{"a": ' + b"9" * 100_000 + b"}",
    "beyond 64 bits": b'{"a": 9223372036854775808}',
    "infinite": b'{"a": 1e400}',
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": -Infinity}',
    "twice the same key": b'{"a": 1, "a": 2}',
    "half a surrogate": b'{"a": "\\ud800"}',
    "surrogate in a key": b'{"\\udc00": 1}',
    "null in an array": b'{"a": [null]}',
    "not UTF-8": b'{"a": "\xff"}',
    "trailing comma": b'{"a": 1,}',
    "trailing text": b'{"a": 1} b',
    "long key": json.dumps({"k" * 513: 1}).encode(),
    "many keys": json.dumps({f"k{number}": 1 for number in range(50_001)}).encode(),
    "large": json.dumps({"a": "x" * 1_100_000}).encode(),
    "longer than anything": b'{"a": "' + b"x" * 5_000_000,
    "unfinished": b'{"a": ',
}
TOML_BOMBS = {
    "long dotted key": b".".join([b"a"] * 20_000) + b" = 1",
    "many dotted keys": b"\n".join(b".".join([b"k%d" % n] * 60) + b" = 1" for n in range(3_000)),
    "deep arrays": b"a = " + b"[" * 10_000,
    "deep and closed": b"a = " + b"[" * 1_000 + b"]" * 1_000,
    "deep inline tables": b"a = " + b"{a=" * 1_000 + b"1" + b"}" * 1_000,
    "many digits": b"a = " + b"9" * 5_000,
    "beyond 64 bits": b"a = 9223372036854775808",
    "inf": b"a = inf",
    "nan": b"a = nan",
    "not UTF-8": b'a = "\xff"',
    "byte order mark": b"\xef\xbb\xbfa = 1",
    "unterminated": b'a = """' + b'"" ' * 50_000,
    "many quotes": b'a = "' + b'\\"' * 200_000,
    "twice the same key": b"a = 1\na = 2",
    "no TOML": b"nonsense",
    "control character": b'a = "\x00"',
    "long date": b"a = 99999-01-01",
    "large": b'a = "' + b"x" * 1_100_000 + b'"',
    "markers": b"<<<<<<< yours\na = 1\n=======\na = 2\n>>>>>>> theirs\n",
}
PATCH_BOMBS = {
    "no array": b"{}",
    "unknown operation": b'[{"op": "increase", "path": "/a"}]',
    "no path": b'[{"op": "remove"}]',
    "no value": b'[{"op": "add", "path": "/a"}]',
    "bad pointer": b'[{"op": "remove", "path": "a"}]',
    "bad escape": b'[{"op": "remove", "path": "/~2"}]',
    "null value": b'[{"op": "add", "path": "/b", "value": null}]',
    "no object": b"[1]",
    "path is no text": b'[{"op": "remove", "path": 1}]',
    "into itself": b'[{"op": "move", "from": "/a", "path": "/a/b"}]',
    "many": json.dumps([{"op": "add", "path": "/b", "value": 1}] * 5_000).encode(),
    "doubling": json.dumps(
        [{"op": "add", "path": "/b", "value": "x" * 1_000}]
        + [{"op": "copy", "from": "/b", "path": f"/c{n}"} for n in range(4_000)]
    ).encode(),
}

CASES = [
    *(
        (command, name, text)
        for command in ("replace", "patch")
        for name, text in JSON_BOMBS.items()
    ),
    *(
        (command, name, text)
        for command in ("replace", "patch")
        for name, text in TOML_BOMBS.items()
    ),
    *(("json-patch", name, text) for name, text in (JSON_BOMBS | PATCH_BOMBS).items()),
    ("replace", "null", b'{"a": null}'),
    ("replace", "no object", b'"text"'),
    ("patch", "no object", b"1"),
    ("set", "number", b""),
]


@pytest.mark.parametrize(
    ("command", "text"),
    [pytest.param(command, text, id=f"{command}: {name}") for command, name, text in CASES],
)
def test_bomb_is_refused(shell, command, text):
    """JSON and TOML that are too deep, long, large, ambiguous or no documents at all."""
    shell.ok("set", "a", "1")
    words = [command, "-"] if command != "set" else ["set", "a", "[" * 10_000]
    answer = shell(*words, "-o", "json", stdin=text)
    assert answer.code == 4, answer.out[:300]
    assert answer.error["code"] in {
        "invalid_document", "invalid_patch", "invalid_pointer", "invalid_argument",
        "limit_exceeded", "patch_inapplicable",
    }  # fmt: skip
    assert len(answer.out) < 2_000
    assert shell.head() == ({"a": 1}, 1)


@pytest.mark.parametrize("text", [b"", b" \n\t\n"])
@pytest.mark.parametrize("words", [["replace"], ["replace", "-"]])
def test_empty_standard_input_is_no_document(shell, words, text):
    """A pipe that brings nothing empties no document; ``--toml ''`` does."""
    shell.ok("set", "a", "1")
    answer = shell(*words, "-o", "json", stdin=text)
    assert (answer.code, answer.error["code"]) == (4, "invalid_document")
    assert "--toml ''" in answer.error["message"]
    assert shell.head() == ({"a": 1}, 1)
    shell.ok("replace", "--toml", "")
    assert shell.head() == ({}, 2)


@pytest.mark.parametrize("name", ["nothing", "folder", "folder/nothing"])
def test_file_that_cannot_be_read(shell, tmp_path, name):
    """It is named, with the reason."""
    (tmp_path / "folder").mkdir()
    answer = shell("replace", str(tmp_path / name), "-o", "json")
    assert (answer.code, answer.error["code"]) == (4, "invalid_argument")
    assert name in answer.error["message"]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--author", "a\nb"),
        ("--author", "a" * 257),
        ("--author", " "),
        ("--message", "a" * 2_001),
        ("--message", "bell\x07"),
        ("--write-id", "a" * 129),
        ("--write-id", "a\tb"),
        ("--expected", "5"),
        ("--expected", "5-xyz"),
        ("--expected", "W/5-000000000000"),
        ("--expected", ""),
        ("--depends-on", "a..b"),
        ("--on-conflict", "rebase"),
    ],
)
def test_malformed_option_of_a_write(shell, option, value):
    """A malformed precondition or text is refused, and never ignored."""
    shell.ok("set", "a", "1")
    answer = shell("set", "a", "2", option, value, "-o", "json")
    assert (answer.code, answer.error["code"] in ("invalid_argument", "limit_exceeded", "invalid_pointer")) == (
        4, True
    ), answer.out  # fmt: skip
    assert shell.head() == ({"a": 1}, 1)


@pytest.mark.parametrize(
    ("store", "code"),
    [
        ("nonsense://x", 4),
        ("sqlite://relative", 4),
        ("memory://?x=1", 4),
        ("", 4),
        ("a\x01b/../c", 0),
    ],
)
def test_store_that_is_none(shell, store, code):
    """A URL that names no store is refused; an odd folder name is a folder name."""
    assert shell.raw("--store", store, "--realm", "r", "set", "a", "1").code == code


def test_store_in_the_way(shell, tmp_path):
    """A file where the folder should be is a typed error of the store."""
    (tmp_path / "file").write_text("")
    answer = shell.raw(
        "--store", str(tmp_path / "file"), "--realm", "r", "set", "a", "1", "-o", "json"
    )
    assert answer.code == 6
    assert answer.error["code"].startswith("store_")


def test_two_names_that_differ_by_case(shell):
    """They cannot both exist."""
    shell.ok("set", "a", "1")
    shell.realm = "Team"
    answer = shell("set", "a", "1", "-o", "json")
    assert (answer.code, answer.error["code"]) in {(4, "invalid_realm"), (4, "invalid_argument")}


def test_project_file_that_is_broken(shell, tmp_path):
    """It is named."""
    (tmp_path / ".realmconf").mkdir()
    for text in ("realm = ", "realm = 5", "realm = '../x'", 'realm = ""'):
        (tmp_path / ".realmconf" / "project.toml").write_text(text)
        assert shell.raw("set", "a", "1").code == 4


def test_init_with_another_store(shell, tmp_path):
    """``init`` makes the project's own store: it does not pass over one that was named, and makes nothing then."""
    os.chdir(tmp_path)
    answer = shell.raw("init", "--store", str(tmp_path / "elsewhere"), "-o", "json")
    assert (answer.code, answer.error["code"]) == (4, "invalid_argument")
    assert "schema set" in answer.error["message"]
    assert list(tmp_path.iterdir()) == []


def test_folder_that_is_gone(shell, tmp_path):
    """A command in a folder that was removed says so."""
    place = tmp_path / "gone"
    place.mkdir()
    os.chdir(place)
    place.rmdir()
    for words in (["get"], ["init"]):
        answer = shell.raw(*words, "-o", "json")
        assert (answer.code, answer.error["code"]) == (4, "invalid_argument")
