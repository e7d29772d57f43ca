"""
A configuration in Redis: a hash with the document and its generation, and a list of all documents.

Written twice, as its users do: the compare-and-swap as a script that runs inside the server, and as WATCH, MULTI and
EXEC.  The server syncs its log before it answers; nothing says who wrote what, and a retry after a lost answer may
write again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

Document = dict[str, Any]

KEY = "config"
HISTORY = "config:history"
SWAP = """
local generation = tonumber(redis.call('HGET', KEYS[1], 'generation') or '0')
if generation ~= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'generation', generation + 1, 'document', ARGV[2])
redis.call('RPUSH', KEYS[2], ARGV[2])
return 1
"""


class RedisConfig:
    """One configuration, through one connection."""

    def __init__(self, socket: str) -> None:
        import redis

        self._client: Any = redis.Redis(unix_socket_path=socket)
        self._watch_error = redis.WatchError
        self._swap = self._client.register_script(SWAP)

    def get(self) -> tuple[Document, int]:
        """The document and its generation, of one moment."""
        return _read(self._client.hmget(KEY, "document", "generation"))

    def swap(self, document: Document, *, expected: int) -> bool:
        """Write *document* if the generation is *expected*; whether it was, by script."""
        return bool(self._swap(keys=[KEY, HISTORY], args=[expected, json.dumps(document)]))

    def watched_update(self, change: Callable[[Document], None]) -> bool:
        """Change what is there unless somebody writes meanwhile; whether nobody did, by WATCH."""
        with self._client.pipeline() as pipeline:
            pipeline.watch(KEY)
            document, generation = _read(pipeline.hmget(KEY, "document", "generation"))
            change(document)
            text = json.dumps(document)
            pipeline.multi()
            pipeline.hset(KEY, mapping={"generation": generation + 1, "document": text})
            pipeline.rpush(HISTORY, text)
            try:
                pipeline.execute()
            except self._watch_error:
                return False
            return True

    def history(self) -> int:
        """How many documents there have been."""
        return int(self._client.llen(HISTORY))

    def close(self) -> None:
        self._client.close()


def _read(fields: list[Any]) -> tuple[Document, int]:
    document, generation = fields
    return json.loads(document or "{}"), int(generation or 0)
