"""Whether a batch exists whose creation nobody saw succeed: the one thing that keeps it from being submitted twice.

The API has no key that would make a second creation harmless.  So the list of batches is searched for one that is as
new and as large and not known already, and what tells whether it is ours is the names in its results.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Container, Set
from functools import partial

import msgspec

from bench.clock import Clock
from bench.engine.batch_calls import Calls
from bench.results.batches import Intended
from bench.scenario.strategies import Sending
from bench.strategies.poll import waits
from bench.targets.answer import Item, read_item
from bench.targets.batches import BatchCallError, BatchClient, BatchState

CLOCKS_DIFFER = 600.0
"""Seconds by which our clock and the server's may differ."""

LOOK_AGAIN = 10.0
"""Seconds until the list is read again while a new batch may not be in it yet."""

_TICK = 1e-6


async def find(
    intended: Intended,
    names: Set[str],
    known: Container[str],
    client: BatchClient,
    calls: Calls,
    clock: Clock,
    sending: Sending,
) -> str | None:
    """The id of the batch that was intended, with requests of these names and none of the known ids; None if there is
    certainly none.  Raises BatchCallError and LeftError."""
    shown = intended.unix + sending.hidden_for
    strangers: set[str] = set()
    while True:
        looked = client.unix_time()
        for state in await calls.until_it_works(lambda: _listed(client.since(intended.unix - CLOCKS_DIFFER))):
            if state.total != intended.count or state.id in strangers or state.id in known:
                continue
            if await _bears(names, state.id, client, calls, clock, sending):
                return state.id
            strangers.add(state.id)
        if looked >= shown - _TICK:
            return None
        await calls.pause(clock.now() + min(LOOK_AGAIN, shown - looked))


async def _bears(
    names: Set[str], batch_id: str, client: BatchClient, calls: Calls, clock: Clock, sending: Sending
) -> bool:
    """Whether the requests of a batch have these names: only the results tell, so its end is waited for."""
    hidden_until = clock.now() + sending.hidden_for
    for wait in waits(sending.poll):
        state = await calls.until_it_works(lambda: client.retrieve(batch_id), hidden_until=hidden_until)
        if state.ended:
            break
        await calls.pause(clock.now() + wait)
    hidden_until = clock.now() + sending.hidden_for
    return await calls.until_it_works(partial(_all_of, names, batch_id, client), hidden_until=hidden_until)


async def _all_of(names: Set[str], batch_id: str, client: BatchClient) -> bool:
    async for line in client.results(batch_id):
        if read_line(line).custom_id not in names:
            return False
    return True


async def _listed(states: AsyncIterator[BatchState]) -> list[BatchState]:
    return [state async for state in states]


def read_line(line: bytes) -> Item:
    """One line of results.  BatchCallError for what is none: reading them all again may help."""
    try:
        return read_item(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BatchCallError("stream_error", f"a line of the results cannot be read: {error}") from None
