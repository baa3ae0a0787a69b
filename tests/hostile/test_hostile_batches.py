"""A Batches API that is broken or means harm: a failure in words, and nothing written where it does not belong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from bench import clock
from bench.engine.batch_names import Names
from bench.errors import UsageError
from bench.results.batches import Created, read_events
from bench.targets.batches import BatchCallError, BatchState
from bench.targets.batches_sdk import SdkBatches
from bench.targets.sdk import SdkClient

KEY = "sk-ant-secret-of-the-test"
COUNTS = {"processing": 1, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}
BATCH = {
    "id": "msgbatch_1",
    "type": "message_batch",
    "processing_status": "in_progress",
    "request_counts": COUNTS,
    "created_at": "2026-11-20T10:00:00Z",
}
Handler = Callable[[httpx2.Request], httpx2.Response]


def asked(handler: Handler, what: str = "retrieve") -> BatchState | list[bytes] | list[BatchState]:
    """What one call comes to."""

    async def main() -> BatchState | list[bytes] | list[BatchState]:
        http = httpx2.AsyncClient(transport=httpx2.MockTransport(handler))
        async with SdkClient(clock.Clock(), http, base_url="http://claude.test", api_key=KEY, timeout=9) as client:
            batches = SdkBatches(client.sdk, clock.Clock(), timeout=9)
            match what:
                case "results":
                    return [line async for line in batches.results("msgbatch_1")]
                case "since":
                    return [state async for state in batches.since(0)]
            return await batches.retrieve("msgbatch_1")

    return clock.run(main(), virtual=True)


def test_a_batch() -> None:
    assert asked(lambda _: httpx2.Response(200, json=BATCH)) == BatchState("msgbatch_1", False, 1, 1795168800.0)


@pytest.mark.parametrize(
    "told",
    [
        {"id": "../../../outside"},
        {"id": "a/b"},
        {"id": "msgbatch_1\n"},
        {"id": "x" * 1_000},
        {"id": 7},
        {"request_counts": None},
        {"request_counts": {}},
        {"request_counts": {**COUNTS, "processing": -1}},
        {"request_counts": {**COUNTS, "processing": "many"}},
        {"created_at": "yesterday"},
        {"created_at": None},
        {"processing_status": []},
    ],
)
def test_what_is_no_batch(told: dict[str, object]) -> None:
    with pytest.raises(BatchCallError) as failed:
        asked(lambda _: httpx2.Response(200, json={**BATCH, **told}))
    assert failed.value.cause == "malformed"


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b'"words"', b"{", b'{"id": "\xff"}', b'{"id": NaN}', b'{"a":' * 100_000, b"9" * 9_000]
)
def test_what_is_no_answer(body: bytes) -> None:
    with pytest.raises(BatchCallError):
        asked(lambda _: httpx2.Response(200, content=body, headers=JSON))


def test_the_key_is_in_no_message() -> None:
    error = {"type": "error", "error": {"type": "authentication_error", "message": f"{KEY} is not known"}}
    with pytest.raises(BatchCallError, match=r"^REDACTED is not known$"):
        asked(lambda _: httpx2.Response(401, json=error))


class Endless(httpx2.AsyncByteStream):
    def __init__(self, piece: bytes) -> None:
        self._piece = piece

    async def __aiter__(self):  # type: ignore[no-untyped-def]  # noqa: ANN204
        while True:
            await asyncio.sleep(0)
            yield self._piece


@pytest.mark.parametrize("piece", [b"x" * 2**20, b"{}\n" * 10_000])
def test_results_without_end(piece: bytes) -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/results"):
            return httpx2.Response(200, stream=Endless(piece))
        return httpx2.Response(200, json={**BATCH, "results_url": f"{request.url}/results"})

    with pytest.raises(BatchCallError, match="more results than a batch can have"):
        asked(handler, "results")


def test_a_list_without_end() -> None:
    page = {"data": [BATCH] * 5_000, "has_more": True, "first_id": "a", "last_id": "b"}
    body = json.dumps(page).encode()
    with pytest.raises(BatchCallError, match="has no end"):
        asked(lambda _: httpx2.Response(200, content=body, headers=JSON), "since")


def test_a_folder_that_names_a_file_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "batches.jsonl"
    path.write_text('{"event":"created","strategy":"s","pass":0,"number":0,"id":"../../x","sent":0.0}\n')
    with pytest.raises(UsageError, match="matching regex"):
        read_events(path)
    path.write_text('{"event":"created","strategy":"s","pass":0,"number":0,"id":"msgbatch_x","sent":0.0}\n')
    assert read_events(path) == [Created("s", 0, 0, "msgbatch_x", 0.0)]


def test_a_name_that_is_none_of_ours() -> None:
    names = Names("token", (None, "batch", 0))
    ours = names.of(0, 7)
    assert names.seq(0, ours) == 7
    assert names.seq(0, ours + "1" * 5_000) is None
