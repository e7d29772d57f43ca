"""
A file of credentials, as ``nsc`` writes it: who somebody is (a token that the server's operator has signed), and the
key with which they prove it.

Decides what such a file must have in it.  What is wrong with one is told without any of its content.
"""

from __future__ import annotations

import base64
import binascii
import re

from realmconf.errors import StoreNotInstalled, StoreUnavailable

FILE_BYTES_MAX = 1 << 20
_PART = re.compile(rb"-+BEGIN (NATS USER JWT|USER NKEY SEED)-+\s+(\S+)\s")
_USERS_KEY = bytes((18 << 3 | 20 >> 2, (20 & 3) << 6))
"""What a user's key begins with: two numbers of five bits behind each other, 18 for a secret and 20 for a user's."""
_KEY_BYTES = 32
_CHECK_BYTES = 2


class Credentials:
    """What a file has in it; the key is used, and never shown."""

    __slots__ = ("_key", "_token")

    def __init__(self, token: bytes, key: bytes) -> None:
        self._token = token
        self._key = key

    def token(self) -> bytes:
        """Who it is."""
        return self._token

    def signature(self, challenge: str) -> bytes:
        """What proves it, for this *challenge* of the server's."""
        from nacl.signing import SigningKey

        return base64.b64encode(SigningKey(self._key).sign(challenge.encode()).signature)


def read(path: str) -> Credentials:
    """
    The credentials in the file at *path*; it may have changed since it was last read.

    Raises:
        StoreUnavailable: It cannot be read, or is none.
        StoreNotInstalled: What signs is not there.
    """
    try:
        with open(path, "rb") as file:
            parts = dict(_PART.findall(file.read(FILE_BYTES_MAX)))
    except OSError as failure:
        raise StoreUnavailable(
            f"the file that creds= names cannot be read: {failure.strerror or 'no such file'}",
            retryable=False,
        ) from None
    try:
        import nacl.signing  # noqa: F401 - whoever connects needs it in a moment
    except ImportError:
        raise StoreNotInstalled("a nats:// store with creds=", extra="nats") from None
    token = parts.get(b"NATS USER JWT", b"")
    key = _key_in(parts.get(b"USER NKEY SEED", b""))
    if not token or key is None:
        raise StoreUnavailable(
            "the file that creds= names has no user's token and key in it, as nsc writes them",
            retryable=False,
        )
    return Credentials(token, key)


def _key_in(text: bytes) -> bytes | None:
    """The key that *text* stands for; None if it is none of a user's."""
    try:
        raw = base64.b32decode(text + b"=" * (-len(text) % 8))
    except ValueError:
        return None
    if len(raw) != 2 + _KEY_BYTES + _CHECK_BYTES or raw[:2] != _USERS_KEY:
        return None
    content = raw[:-_CHECK_BYTES]
    if binascii.crc_hqx(content, 0) != int.from_bytes(raw[-_CHECK_BYTES:], "little"):
        return None
    return content[2:]
