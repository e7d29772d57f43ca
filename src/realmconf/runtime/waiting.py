"""
Waiting for one step on an event loop: no thread, whoever waits and however many do.

Decides that a wait ends with the first thing that ends it, and leaves nothing behind.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from realmconf.runtime.aio import AsyncWatch

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from realmconf.runtime.hub import Hub
    from realmconf.runtime.operations.waiting import Wait


def watch_of(wait: Wait, hub: Hub) -> AsyncWatch[Any]:
    """What tells when *wait* is over; looks at the store, and is to be awaited on the loop of *hub*."""
    return AsyncWatch(hub, wait.handle, wait.place, view=wait.view, silence_seconds=wait.seconds)


async def has_step(watch: AsyncWatch[Any], *ends: Coroutine[Any, Any, object]) -> bool:
    """
    Whether *watch* has a step before its time is over and before one of *ends* returns; closes it.

    What an end raises is raised, if it comes first.
    """
    step = asyncio.ensure_future(_has_next(watch))
    others = [asyncio.ensure_future(end) for end in ends]
    try:
        await asyncio.wait((step, *others), return_when=asyncio.FIRST_COMPLETED)
        for one in others:
            if not step.done() and one.done():
                one.result()
        return step.done() and step.result()
    finally:
        watch.close()
        for one in (step, *others):
            one.cancel()
        await asyncio.gather(step, *others, return_exceptions=True)


async def _has_next(watch: AsyncWatch[Any]) -> bool:
    async for _ in watch:
        return True
    return False
