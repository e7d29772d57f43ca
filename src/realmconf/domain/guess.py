"""
What looks like a secret by its value, wherever it stands.

Decides by form alone: known prefixes, keys and tokens of known shapes, and text that nobody would
choose.  It is a guess, for advice and never for access, so it would rather miss one than cry wolf.
Every answer is one of a few fixed phrases, so that it can be printed.
"""

from __future__ import annotations

import re
from itertools import pairwise

from realmconf.domain.secrets import REFERENCE_PREFIX

_TOKENS = tuple(
    (owner, re.compile(rf"(?<![A-Za-z0-9_-])(?:{start})({rest})"))
    # A token starts where a word does: so each word is looked at once, however long the text.
    for owner, start, rest in (
        ("a key of Anthropic", r"sk-ant-", r"[A-Za-z0-9_-]{16,}"),
        ("a key of OpenAI or one like it", r"sk-", r"[A-Za-z0-9_-]{16,}"),
        ("a key of Stripe", r"(?:sk|rk)_(?:live|test)_|whsec_", r"[A-Za-z0-9]{10,}"),
        ("a token of GitHub", r"gh[pousr]_", r"[A-Za-z0-9]{20,}"),
        ("a token of GitHub", r"github_pat_", r"[A-Za-z0-9_]{20,}"),
        ("a token of GitLab", r"gl(?:pat|dt|rt|cbt|ptt|ft)-", r"[A-Za-z0-9_-]{16,}"),
        ("a token of Slack", r"xox[abeoprs]-|xapp-", r"[A-Za-z0-9-]{10,}"),
        ("an access key of AWS", r"AKIA|ASIA", r"[A-Z0-9]{16}(?![A-Za-z0-9])"),
        ("a key of Google", r"AIza", r"[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
        ("a token of Hugging Face", r"hf_", r"[A-Za-z0-9]{20,}"),
        ("a token of npm", r"npm_", r"[A-Za-z0-9]{36}(?![A-Za-z0-9])"),
        ("a token of PyPI", r"pypi-", r"[A-Za-z0-9_-]{32,}"),
        ("a key of SendGrid", r"SG\.", r"[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
        ("a token of HashiCorp Vault", r"hv[sbr]\.", r"[A-Za-z0-9_-]{20,}"),
        ("an age key", r"AGE-SECRET-KEY-1", r"[A-Z0-9]{20,}"),
        (
            "a JSON web token",
            r"eyJ",
            r"[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",
        ),
    )
)
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY")
_PLACEHOLDER_LETTERS_MAX = 5
"""``xxxxxxxx`` and ``12341234`` stand for a token and are none."""

_RANDOM_CHARS_MIN = 24
_RANDOM_CHARS_MAX = 512
"""Longer text is data of some kind."""
_RANDOM = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
_SCHEMES = ("Bearer ", "Basic ", "Token ", "token ")
_PUBLIC = ("sha1-", "sha256-", "sha384-", "sha512-", "pk_live_", "pk_test_", "AAAA", "/")
"""Digests, publishable keys, public keys as SSH writes them, and paths."""
_HEXADECIMAL = frozenset("0123456789abcdefABCDEF-")
_SWITCHES_MIN = 0.42
_WORDS_MAX = 0.4
_BITS_MIN = 3.5
_WORD = re.compile(r"[a-z]{3,}")


def guesses_secret(value: str) -> str | None:
    """
    Why *value* looks like a secret, as "a token of GitHub" or "long random text", or None.

    Digests, UUIDs, paths, addresses, versions and names of models do not, nor do references
    (``secret://…``) and placeholders.  Takes time in proportion to the length.
    """
    if value.startswith(REFERENCE_PREFIX):
        return None
    if _PRIVATE_KEY.search(value):
        return "a private key"
    for owner, pattern in _TOKENS:
        if any(_is_made_up(found[1]) for found in pattern.finditer(value)):
            return owner
    if _has_password(value):
        return "an address with a password in it"
    for scheme in _SCHEMES:
        value = value.removeprefix(scheme)
    return "long random text" if _is_random(value) else None


def _is_made_up(rest: str) -> bool:
    """
    Whether a machine made what follows a known prefix: ``sk-learn-pipeline-tools`` has one, too.

    Some kinds have few digits and some no capitals, but none reads as words.
    """
    if len(set(rest)) <= _PLACEHOLDER_LETTERS_MAX:
        return False
    has_digit = any(map(str.isdigit, rest))
    if has_digit and rest != rest.lower():
        return True
    longest = max(map(len, rest.replace("_", "-").split("-")))
    return has_digit and longest >= 10


def _has_password(value: str) -> bool:
    """Whether an address ``scheme://user:password@host`` stands in *value*, and its password is no placeholder."""
    # Every piece ends before the next "://", so no part of the text is looked at twice.
    for rest in value.split("://")[1:]:
        authority = re.split(r"[\s/?#\[\]\"'<>]", rest, maxsplit=1)[0]
        named, at, _ = authority.rpartition("@")
        password = named.partition(":")[2]
        is_placeholder = password.startswith(("$", "{", "%(", "*")) or set(password) <= {"x"}
        if at and password and not is_placeholder:
            return True
    return False


def _is_random(value: str) -> bool:
    """
    Whether *value* is one word that no person would choose.

    Between two letters picked at random the kind (small, capital, digit) changes in 62 of 100 cases, and
    16 of 100 letters stand among three small ones or more; in words, however joined, it is 40 and 60.
    """
    if not _RANDOM_CHARS_MIN <= len(value) <= _RANDOM_CHARS_MAX or value.startswith(_PUBLIC):
        return False
    if _RANDOM.fullmatch(value) is None or _HEXADECIMAL.issuperset(value):
        return False
    kinds = [_kind(letter) for letter in value]
    if kinds.count("digit") < 2 or not {"small", "capital"} <= set(kinds):
        return False
    pairs = [(one, other) for one, other in pairwise(kinds) if one != "joint" and other != "joint"]
    switches = sum([one != other for one, other in pairs])
    in_words = sum(map(len, _WORD.findall(value)))
    return (
        switches >= _SWITCHES_MIN * len(pairs)
        and in_words < _WORDS_MAX * len(value)
        and _bits(value) >= _BITS_MIN
    )


def _kind(letter: str) -> str:
    if letter.isdigit():
        return "digit"
    if letter.isupper():
        return "capital"
    return "small" if letter.islower() else "joint"


def _bits(value: str) -> float:
    """Shannon's entropy of the letters, for each."""
    from math import log2

    shares = [value.count(letter) / len(value) for letter in set(value)]
    return -sum([share * log2(share) for share in shares])
