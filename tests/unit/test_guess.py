"""What looks like a secret by its value."""

from __future__ import annotations

import base64
import random
import string
import time
import uuid

import pytest

from realmconf.domain.guess import guesses_secret
from realmconf.runtime.checkup import WARNING, examine_realms
from realmconf.runtime.client import connect

BODY = "9fK2mQ7xLw4Zt8Rb3Vn6Yc1Hd5Js0Gp2aE"
"""As what follows a prefix; put together here, so that no scanner takes this file for a leak."""

SECRETS = {
    "anthropic": "sk-ant-" + "api03-" + BODY,
    "openai": "sk-" + BODY,
    "openai of a project": "sk-proj-" + BODY[:20] + "_" + BODY[20:],
    "openai in small letters": "sk-" + "a1b2c3d4e5f6g7h8",
    "stripe": "sk_" + "live_" + BODY,
    "stripe restricted": "rk_" + "live_" + BODY,
    "stripe hook": "whsec_" + BODY,
    "github": "ghp_" + BODY,
    "github app": "ghs_" + BODY,
    "github fine-grained": "github_pat_" + BODY,
    "gitlab": "glpat-" + BODY[:20],
    "slack": "xoxb-" + "123456789012-" + BODY,
    "aws": "AKIA" + "Q7XLW4ZT8RB3VN6Y",
    "google": "AIza" + BODY + "x",
    "hugging face": "hf_" + BODY,
    "npm": "npm_" + BODY + "1a",
    "pypi": "pypi-" + BODY,
    "sendgrid": "SG." + BODY[:22] + "." + BODY,
    "vault": "hvs." + BODY,
    "age": "AGE-SECRET-KEY-1" + "Q7XLW4ZT8RB3VN6YQ7XLW4ZT8RB3VN6Y",
    "json web token": "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0." + BODY,
    "private key": "-----BEGIN " + "PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----",
    "rsa key": "-----BEGIN " + "RSA PRIVATE KEY-----",
    "openssh key": "-----BEGIN " + "OPENSSH PRIVATE KEY-----",
    "pgp key": "-----BEGIN " + "PGP PRIVATE KEY BLOCK-----",
    "address": "postgresql://app:" + "hunter2@db.example.com/app",
    "address without a user": "redis://:" + "hunter2@cache:6379/0",
    "address with odd letters": "amqp://app:" + "p@ss:w0rd@mq",
    "address in a text": "use https://bot:" + "hunter2@git.example.com/x.git for that",
    "random": BODY,
    "random base64": "q83vEjRWeJCrze8SNFZ4kKvN" + "7xI0VniQq83vEjRWeJA=",
    "in a header": "Bearer " + BODY,
    "in a command": "curl -H 'Authorization: token ghp_" + BODY + "' https://api.example.com",
}


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_is_guessed_and_not_told(kind: str) -> None:
    """The answer says what it looks like, in a fixed phrase that has no part of the value."""
    value = SECRETS[kind]
    reason = guesses_secret(value)
    assert reason is not None
    assert len(reason) < 40
    assert not any(
        part in reason for part in (BODY[:6], BODY[-6:], "hunter2", "w0rd", "7XLW4", "eyJ")
    )


INNOCENT = [
    "",
    "sonnet",
    "claude-sonnet-4-5-20250929",
    "gpt-4o-mini-2024-07-18",
    "meta-llama/Llama-3.3-70B-Instruct-Turbo",
    "Qwen2-72B-Instruct-GPTQ-Int4-Turbo",
    "mistralai/Mixtral-8x7B-Instruct-v0.1",
    "ThisIsAVeryLongJavaClassName2Or3",
    "com.example.service.UserAccountController2",
    "SCREAMING_SNAKE_CASE_WITH_NUMBER_12_AND_7",
    "sk-learn-pipeline-tools-version2",
    "sk-",
    "sk-xxxxxxxxxxxxxxxxxxxxxxxx",
    "sk-your-own-key-goes-in-here",
    "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "AKIA",
    "AKIAGARA",
    "hf_hub_download_everything",
    "d41d8cd98f00b204e9800998ecf8427e",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "DA39A3EE5E6B4B0D3255BFEF95601890AFD80709",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "123e4567-e89b-12d3-a456-426614174000",
    "A1B2C3D4-E5F6-4a7b-8c9d-0e1f2a3b4c5d",
    "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "1.2.3-rc.1+build.20260102",
    "2026-01-02T03:04:05.123456+00:00",
    "/usr/local/lib/Python3.11/Site-Packages/Xy2/Ab9",
    "/Users/Ada/K8sA1/B2cD3/E4fG5/H6iJ7",
    "https://example.com/a/B7cD9eF1gH3iJ5kL7mN9oP1",
    "https://example.com:8443/path?user=a@b",
    "https://[::1]:8080/x",
    "git@github.com:example/project.git",
    "mailto:ada@example.com",
    "postgresql://app@db.example.com:5432/app",
    "postgresql://app:${DB_PASSWORD}@db/app",
    "postgresql://app:{password}@db/app",
    "postgresql://app:****@db/app",
    "postgresql://app:<password>@db/app",
    "scheme://[user:password@]host:port",
    "arn:aws:iam::123456789012:role/DeployRole",
    "secret://env/OPENAI_API_KEY",
    "secret://file/q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQ",
    "-----BEGIN CERTIFICATE-----",
    "-----BEGIN PUBLIC KEY-----",
    "AAAAC3NzaC1lZDI1NTE5AAAAIJ8k2mQ7xLw4Zt8Rb3Vn6Yc1Hd5Js0Gp2aE",
    "pk_live_" + BODY,
    "eyJhbGciOiJIUzI1NiJ9",
    "A sentence about 3 Things, with Capitals and 42 Digits in it, that is quite long.",
    "0123456789012345678901234567890123456789",
    "aB1" * 12,
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ",
]


@pytest.mark.parametrize("value", INNOCENT)
def test_what_is_no_secret_is_left_alone(value: str) -> None:
    """Digests, identifiers, paths, addresses, versions, names of models, references and placeholders."""
    assert guesses_secret(value) is None


def test_most_random_tokens_are_found() -> None:
    """Of made-up tokens of 32 letters and digits at most one in ten is missed, and no UUID is reported."""
    chance = random.Random(7)
    letters = string.ascii_letters + string.digits
    tokens = ["".join(chance.choices(letters, k=32)) for _ in range(500)]
    tokens += [base64.urlsafe_b64encode(chance.randbytes(24)).decode() for _ in range(500)]
    assert sum(guesses_secret(token) is not None for token in tokens) >= 900
    identifiers = [str(uuid.UUID(int=chance.getrandbits(128))) for _ in range(500)]
    identifiers += [chance.randbytes(size).hex() for size in (16, 20, 32) for _ in range(200)]
    assert not any(map(guesses_secret, identifiers))


@pytest.mark.parametrize(
    "piece",
    [
        "eyJ",
        "eyJaaaaaaaa.",
        "eyJaaaaaaaa.aaaaaaaa.",
        "sk-",
        "sk-a",
        "SG.aaaaaaaaaaaaaaaa.",
        "://",
        "://:",
        "://a:b",
        "a:",
        "@",
        "-----BEGIN ",
        "-----BEGIN A ",
        "AKIA",
        "xox",
        "a-",
        "aB1",
        "github_pat_",
        "Bearer ",
    ],
)
def test_time_grows_with_the_length_and_no_faster(piece: str) -> None:
    """G12: no large value takes seconds, whatever is repeated in it."""
    value = piece * (500_000 // len(piece))
    started = time.process_time()
    guesses_secret(value)
    assert time.process_time() - started < 5


def test_the_checkup_names_places_and_no_values() -> None:
    """Secrets at innocent places are a warning; what is hidden already, or a reference, is none."""
    with connect("memory://") as client:
        client.realm("team").set(
            {
                "note": SECRETS["github"],
                "servers": [{"url": SECRETS["address"], "password": SECRETS["random"]}],
                "api_key": SECRETS["openai"],
                "ref": "secret://env/X",
                "model": "claude-sonnet-4-5-20250929",
            }
        )
        client.realm("clean").set({"api_key": SECRETS["openai"], "model": "m"})
        findings = [one for one in examine_realms(client) if "at places that" in one.text]
    (finding,) = findings
    assert (finding.level, finding.subject) == (WARNING, "realm team")
    assert (
        "note (a token of GitHub), servers.0.url (an address with a password in it)" in finding.text
    )
    assert "secret://env/NAME" in finding.advice
    assert not any(value in repr(finding) for value in (BODY, "hunter2"))
    assert "api_key" not in finding.text
    assert "password" not in finding.text.replace("an address with a password in it", "")


def test_the_checkup_asks_the_schema_what_is_hidden() -> None:
    """A place that a schema calls secret is hidden from everybody, so it is named among those."""
    with connect("memory://") as client:
        realm = client.realm("team")
        realm.set({"door": SECRETS["random"]})
        realm.set_schema({"properties": {"door": {"type": "string", "writeOnly": True}}})
        texts = [one.text for one in examine_realms(client)]
    assert "literals that look secret: door" in texts
    assert not [text for text in texts if "at places that" in text]
