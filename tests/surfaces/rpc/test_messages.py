"""What is a message, what is refused, and whom an answer is for."""

from __future__ import annotations

import json

import pytest
from tests.surfaces.rpc.conftest import END

from realmconf.surfaces.rpc.frames import FRAME_BYTES_MAX

REQUEST = {"jsonrpc": "2.0", "id": 1, "method": "store/info"}


@pytest.mark.parametrize(
    "raw",
    [b"x", b"{", b"[", b"\xff", b"nul", b'{"a":NaN}', b"\x00", b"\xef\xbb\xbf{}", b'"\n'.strip()],
)
def test_what_is_not_json(rpc, raw):
    """A line that is not JSON is answered with -32700 and the id null, and the next one is read."""
    message = rpc.error(raw)
    assert (message["id"], message["error"]["code"]) == (None, -32700)
    assert message["error"]["data"]["code"] == "parse_error"
    assert rpc.call("store/info")


@pytest.mark.parametrize(
    "change",
    [
        {"jsonrpc": "1.0"},
        {"jsonrpc": 2.0},
        {"jsonrpc": None},
        {"method": 1},
        {"method": None},
        {"expected_generation": 4},
    ],
)
def test_what_is_no_request(rpc, change):
    """A request of another form is refused with -32600 and its id; a member that is not known too."""
    message = rpc.error(json.dumps({**REQUEST, **change}).encode())
    assert (message["id"], message["error"]["code"]) == (1, -32600)
    assert message["error"]["data"]["code"] == "invalid_request"


@pytest.mark.parametrize("raw", [b"1", b'"a"', b"null", b"true", b"{}", b"[]", b'{"id":{}}'])
def test_what_is_no_request_and_has_no_id(rpc, raw):
    """What has no id that could be given back is refused with the id null."""
    message = rpc.error(raw)
    assert (message["id"], message["error"]["code"]) == (None, -32600)


@pytest.mark.parametrize("identity", [0, -1, 2**53 + 1, 1.5, "", "a", "ß\u2028", "\n", None])
def test_ids_come_back_as_they_were(rpc, identity):
    """An id is a number, a string or null, and comes back as it was."""
    rpc.send({**REQUEST, "id": identity})
    message = rpc.read()
    assert (message["id"], type(message["id"])) == (identity, type(identity))
    assert message["result"]["name"] == "embedded"


@pytest.mark.parametrize("identity", [True, [], {}])
def test_ids_of_another_kind(rpc, identity):
    """Anything else is no id."""
    message = rpc.error(json.dumps({**REQUEST, "id": identity}).encode())
    assert (message["id"], message["error"]["code"]) == (None, -32600)


def test_unknown_method(rpc):
    """A method that there is not is refused with -32601; those of other surfaces are not here."""
    for name in ("config/frobnicate", "", "token/create", "x" * 10_000):
        refused = rpc.refused(name)
        assert (refused.code, refused.data["code"]) == (-32601, "method_not_found")
        assert len(str(refused)) < 300


def test_positional_parameters(rpc):
    """Parameters are an object of names; anything else is refused with -32602."""
    for params in ([], [1], "text", 1, False):
        refused = rpc.refused("store/info", params)
        assert (refused.code, refused.data["code"]) == (-32602, "invalid_argument")
    rpc.send({**REQUEST, "id": "none", "params": None})
    assert rpc.answer("none")


def test_notifications(rpc):
    """What has no id is carried out and not answered, whatever becomes of it."""
    rpc.tell("config/set", config={"a": 1})
    rpc.tell("config/set", config=7)
    rpc.tell("nope")
    rpc.send({"jsonrpc": "2.0", "method": "store/info", "params": [1]})
    # Writes are carried out in order, so when this one is answered the others were.
    assert rpc.call("config/unset", path="none", expected_generation=1)["generation"] == 1
    assert rpc.call("config/get")["config"] == {"a": 1}
    rpc.end()
    assert rpc.rest() == []


def test_batch(rpc):
    """Requests in an array are answered in one, in any order; notifications among them have no answer."""
    rpc.send(
        [
            {"jsonrpc": "2.0", "id": "a", "method": "config/set", "params": {"config": {"a": 1}}},
            {"jsonrpc": "2.0", "method": "config/set_value", "params": {"path": "b", "value": 2}},
            {"jsonrpc": "2.0", "id": "c", "method": "config/get"},
            {"jsonrpc": "2.0", "id": "d", "method": "nope"},
            {"id": "e"},
            7,
            [],
        ]
    )
    answers = rpc.read()
    assert isinstance(answers, list)
    found = {one["id"]: one for one in answers if one["id"] is not None}
    assert found.keys() == {"a", "c", "d", "e"}
    assert found["a"]["result"]["generation"] == 1
    assert found["d"]["error"]["code"] == -32601
    assert found["e"]["error"]["code"] == -32600
    assert [one["error"]["code"] for one in answers if one["id"] is None] == [-32600, -32600]
    assert rpc.call("config/unset", path="none")["config"] == {"a": 1, "b": 2}


def test_batch_of_notifications(rpc):
    """A batch in which nobody waits for an answer has none."""
    rpc.send([{"jsonrpc": "2.0", "method": "config/set", "params": {"config": {"a": 1}}}] * 3)
    rpc.end()
    assert rpc.read() is END


def test_size_of_a_batch(rpc):
    """A batch has 1 to 64 requests; of a larger one none is carried out."""
    rpc.send([{**REQUEST, "id": number} for number in range(64)])
    assert sorted(one["id"] for one in rpc.read()) == list(range(64))
    rpc.send([{"jsonrpc": "2.0", "method": "config/set", "params": {"config": {}}}] * 65)
    message = rpc.read()
    assert (message["id"], message["error"]["code"]) == (None, -32048)
    assert message["error"]["data"]["limit"] == "batch_requests"
    assert rpc.call("config/get")["generation"] == 0


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ('{"config":{"a":1,"a":2}}', -32602),
        ('{"config":{"a":1e999}}', -32602),
        ('{"config":{"a":123456789012345678901234567890}}', -32602),
        ('{"config":{"a":"\\ud800"}}', -32602),
        ('{"config":' + '{"a":' * 100 + "1" + "}" * 101, -32048),
    ],
)
def test_json_that_is_not_taken(rpc, params, code):
    """A repeated key, a number that would not come back, half a character: refused with the request's id."""
    for place in ('"id":"x","params":%s', '"params":%s,"id":"x"'):
        message = rpc.error(
            ('{"jsonrpc":"2.0","method":"config/set",' + place % params + "}").encode()
        )
        assert (message["id"], message["error"]["code"]) == ("x", code)
    assert rpc.call("config/get")["generation"] == 0


def test_batch_that_is_not_taken(rpc):
    """Of a batch with such a request nothing is carried out, and everybody in it is told."""
    rpc.write(
        b'[{"jsonrpc":"2.0","id":1,"method":"config/set","params":{"config":{}}},'
        b'{"jsonrpc":"2.0","id":"2","method":"config/get","params":{"at":1e999}}]\n'
    )
    answers = rpc.read()
    assert sorted(str(one["id"]) for one in answers) == ["1", "2"]
    assert {one["error"]["code"] for one in answers} == {-32602}
    assert rpc.call("config/get")["generation"] == 0


def test_request_with_two_ids(rpc):
    """Who states two ids has none."""
    message = rpc.error(b'{"jsonrpc":"2.0","id":1,"id":2,"method":"store/info"}')
    assert (message["id"], message["error"]["code"]) == (None, -32602)


def test_line_ends(rpc):
    """Lines may end with CRLF, blank ones are passed over, and white space around a message is none of it."""
    line = json.dumps(REQUEST).encode()
    rpc.write(b"\n\r\n  \n" + line + b"\r\n\t" + line + b" \n\n")
    assert [rpc.read()["id"], rpc.read()["id"]] == [1, 1]


def test_last_line_without_an_end(rpc):
    """The last line need not have an end."""
    rpc.write(json.dumps(REQUEST).encode())
    rpc.end()
    assert rpc.read()["id"] == 1


def test_size_of_a_message(rpc):
    """A message has at most 4 MiB; a longer one is refused, if possible with its id, and the next one is read."""
    beginning = b'{"jsonrpc":"2.0","id":"x","method":"config/validate","params":{"config":{"a":"'
    end = b'"}}}'
    fitting = FRAME_BYTES_MAX - len(beginning) - len(end)
    rpc.write(beginning + b"a" * fitting + end + b"\n")
    # It is read; the document in it is another question.
    refused = rpc.read()
    assert refused["id"] == "x"
    assert refused["error"]["data"]["limit"] == "document_bytes"

    message = rpc.error(beginning + b"a" * (fitting + 1) + end)
    assert (message["id"], message["error"]["code"]) == ("x", -32048)
    assert message["error"]["data"]["limit"] == "frame_bytes"
    assert message["error"]["data"]["maximum"] == 4 * 1024 * 1024

    message = rpc.error(b"x" * (FRAME_BYTES_MAX + 1))
    assert (message["id"], message["error"]["code"]) == (None, -32048)
    assert rpc.call("store/info")


def test_long_messages_take_no_memory(rpc):
    """A message that is too long is not kept: 256 MiB of it take less than 32 MiB of memory."""
    rpc.call("config/set", config={"a": 1})
    before = rpc.memory_peak_bytes()
    piece = b"x" * (1024 * 1024)
    for _ in range(256):
        rpc.write(piece)
    message = rpc.error(b"")
    assert message["error"]["data"]["value"] == 256 * 1024 * 1024
    assert rpc.memory_peak_bytes() - before < 32 * 1024 * 1024
