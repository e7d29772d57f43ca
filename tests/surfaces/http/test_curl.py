"""curl, as a real client of somebody else's: what the documentation shows is what it does."""

from __future__ import annotations

import json
import subprocess

import pytest

CONFIG = "/v1/realms/team/config"


@pytest.fixture
def curl(server):
    server.client.realm("team").set({"agent": {"model": "m"}})

    def ask(path, *options, token=True):
        """Status, headers and body of one call."""
        known = ["-H", f"Authorization: Bearer {server.tokens['admin']}"] if token else []
        done = subprocess.run(
            ["curl", "-sS", "-i", "--max-time", "30", *known, *options, server.url + path],
            capture_output=True,
            check=True,
        )
        raw = done.stdout
        while raw.startswith(b"HTTP/1.1 1"):
            raw = raw.partition(b"\r\n\r\n")[2]
        head, _, body = raw.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])
        }
        return int(lines[0].split()[1]), headers, body

    return ask


def test_get_patch_conflict(curl):
    """Read, change under the entity-tag that was read, and be told of a conflict the second time."""
    status, headers, body = curl(CONFIG)
    assert (status, json.loads(body)["config"]) == (200, {"agent": {"model": "m"}})
    change = (
        "-X",
        "PATCH",
        "-H",
        "Content-Type: application/merge-patch+json",
        "-H",
        f"If-Match: {headers['etag']}",
        "--data",
        '{"agent": {"model": "n"}}',
    )
    status, written, body = curl(CONFIG, *change)
    assert (status, json.loads(body)["changed"]) == (200, True)
    status, _, body = curl(CONFIG, *change)
    assert (status, json.loads(body)["code"]) == (412, "generation_conflict")
    status, _, body = curl(CONFIG, "-H", f"If-None-Match: {written['etag']}")
    assert (status, body) == (304, b"")


def test_files(curl, tmp_path):
    """A file goes up as it is, and the answer comes down as TOML."""
    file = tmp_path / "config.toml"
    file.write_text('[agent]\nmodel = "from a file"\n')
    status, _, _ = curl(CONFIG, "-T", str(file), "-H", "Content-Type: application/toml")
    assert status == 200
    status, _, body = curl(CONFIG, "-H", "Accept: application/toml")
    assert (status, body) == (200, file.read_bytes())


def test_head(curl):
    """``curl -I`` is answered like the GET, without its body."""
    status, headers, body = curl(CONFIG, "-I")
    assert (status, body) == (200, b"")
    assert headers["etag"]


def test_a_form_is_no_request(curl):
    """What curl sends unless told otherwise is a form, which is 415."""
    status, headers, _ = curl(CONFIG, "-X", "PATCH", "--data", '{"a": 1}')
    assert status == 415
    assert "application/merge-patch+json" in headers["accept-patch"]


def test_a_large_upload(curl, tmp_path):
    """curl asks before it sends much, and is refused before it does."""
    file = tmp_path / "large.json"
    file.write_bytes(b" " * 6_000_000)
    status, _, body = curl(CONFIG, "-T", str(file), "-H", "Content-Type: application/json")
    assert (status, json.loads(body)["code"]) == (413, "limit_exceeded")


def test_without_a_token(curl):
    """Without a token curl is told how to ask."""
    status, headers, body = curl(CONFIG, token=False)
    assert (status, json.loads(body)["code"]) == (401, "unauthenticated")
    assert headers["www-authenticate"].startswith("Bearer")
