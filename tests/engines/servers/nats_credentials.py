"""
An operator of NATS servers, as ``nsc`` sets one up: users are known by tokens that an account has signed, and accounts
by tokens of the operator's.

Decides who is who in a test; every key is made anew and worth nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import time
from typing import Any

from nacl.signing import SigningKey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

OPERATOR, ACCOUNT, USER, SECRET = 14, 0, 20, 18
"""What a key is of; the first letter of its name, in base 32."""

_ACCOUNT_LIMITS = {
    **dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), -1),
    "wildcards": True,
}
_JETSTREAM_LIMITS = dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), -1)
_USER_LIMITS = {"subs": -1, "data": -1, "payload": -1, "pub": {}, "sub": {}}


class Operated:
    """An operator with one account and two users of it, and a user of an account that is not theirs."""

    def __init__(self, folder: Path) -> None:
        operator, system, account, foreign = (
            _Key(kind) for kind in (OPERATOR, ACCOUNT, ACCOUNT, ACCOUNT)
        )
        limits = {system: _ACCOUNT_LIMITS, account: _ACCOUNT_LIMITS | _JETSTREAM_LIMITS}
        accounts = {
            one.name: operator.signed(one, {"type": "account", "limits": granted})
            for one, granted in limits.items()
        }
        preloaded = "\n".join(f"{name}: {token}" for name, token in accounts.items())
        self.settings = f"""
            operator: {operator.signed(operator, {"type": "operator"})}
            system_account: {system.name}
            resolver: MEMORY
            resolver_preload: {{ {preloaded} }}
        """
        self.credentials = folder / "user.creds"
        self.credentials.write_text(_credentials(account))
        self.other_credentials = _credentials(account)
        self.foreign_credentials = _credentials(foreign)


def _credentials(account: _Key) -> str:
    """A file of a new user of *account*, as nsc writes it."""
    user = _Key(USER)
    token = account.signed(user, {"type": "user", **_USER_LIMITS})
    return (
        f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
        "************************* IMPORTANT *************************\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n"
    )


class _Key:
    """A key of somebody's."""

    def __init__(self, kind: int) -> None:
        self._pair = SigningKey.generate()
        self.seed = _written(bytes((SECRET << 3 | kind >> 2, (kind & 3) << 6)) + bytes(self._pair))
        self.name = _written(bytes((kind << 3,)) + bytes(self._pair.verify_key))

    def signed(self, subject: _Key, claims: Mapping[str, Any]) -> str:
        """A token that says *claims* of *subject*."""
        content = {
            "iat": int(time.time()),
            "iss": self.name,
            "sub": subject.name,
            "name": "of a test",
            "nats": {"version": 2, **claims},
        }
        digest = hashlib.sha256(json.dumps(content).encode()).digest()
        content["jti"] = base64.b32encode(digest).decode().rstrip("=")
        parts = [_part({"typ": "JWT", "alg": "ed25519-nkey"}), _part(content)]
        signature = self._pair.sign(".".join(parts).encode()).signature
        return ".".join([*parts, _text(signature)])


def _written(key: bytes) -> str:
    """A key as text, with its check sum."""
    whole = key + binascii.crc_hqx(key, 0).to_bytes(2, "little")
    return base64.b32encode(whole).decode().rstrip("=")


def _part(content: Mapping[str, Any]) -> str:
    return _text(json.dumps(content, separators=(",", ":")).encode())


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
