"""Whole runs with conversations and prompt caching: what the cache does, by hand, on sim and over HTTP."""

from __future__ import annotations

import tracemalloc
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import pytest

from bench import api, clock
from bench.clock import Clock
from bench.results.record import Attempt, Record, Usage, read_records
from bench.results.summary import PassSummary
from bench.targets.client import Client
from bench.targets.inprocess import EngineTransport
from bench.targets.sdk import SdkClient
from bench.targets.sim import SimClient
from bench.workload.requests import Placed, sources_of
from mock_server.engine import Engine
from mock_server.settings import Settings

HEAD = """\
version: 1
question: Does it hold?
model: claude-sonnet-5
tier: unlimited
strategies: [gather]
mock: {latency: {service_time: 2s}}
"""


def run(tmp_path: Path, text: str, name: str = "run", **settings: str) -> tuple[PassSummary, list[Record]]:
    file = tmp_path / "made.yaml"
    file.write_text(HEAD + text)
    scenario = api.load(str(file), settings=[f"{key.replace('__', '.')}={value}" for key, value in settings.items()])
    [summary] = api.run(scenario, out=tmp_path / name, html=False).summary.passes
    return summary, sorted(read_records(tmp_path / name / "records.jsonl"), key=lambda record: record.seq)


def usages(records: list[Record]) -> list[Usage | None]:
    return [record.attempts[-1].usage for record in records]


TALK = """\
workload:
  conversations: {count: 1, turns: 3, think: 20s}
  system_tokens: 2000
  input_tokens: 100
  output_tokens: 50
  max_tokens: 500
  cache: 5m
  thinking: off
"""


def test_each_turn_reads_what_the_turn_before_wrote(tmp_path: Path) -> None:
    _, records = run(tmp_path, TALK)
    assert usages(records) == [
        Usage(0, 50, cache_write_5m=2100),
        Usage(0, 50, cache_read=2100, cache_write_5m=150),
        Usage(0, 50, cache_read=2250, cache_write_5m=150),
    ]
    assert [record.intended for record in records] == [0, 22, 44]
    assert [(record.conversation, record.turn, record.final) for record in records] == [
        (0, 0, False),
        (0, 1, False),
        (0, 2, True),
    ]


def test_only_the_shared_part_is_read_where_only_that_is_kept(tmp_path: Path) -> None:
    _, records = run(tmp_path, TALK, workload__cache="{breakpoints: [system]}")
    assert usages(records) == [
        Usage(100, 50, cache_write_5m=2000),
        Usage(250, 50, cache_read=2000),
        Usage(400, 50, cache_read=2000),
    ]


@pytest.mark.parametrize(("ttl", "read"), [("5m", 0), ("1h", 2100)])
def test_what_one_thinks_about_for_too_long_is_forgotten(tmp_path: Path, ttl: str, read: int) -> None:
    """Lifetimes count from the start of the request that last used an entry."""
    _, records = run(tmp_path, TALK, workload__cache=ttl, workload__conversations__think="299s")
    second = usages(records)[1]
    assert second is not None
    assert second.cache_read == read


def test_without_caching_the_whole_context_is_paid_for_in_each_turn(tmp_path: Path) -> None:
    kept, _ = run(tmp_path, TALK)
    plain, records = run(tmp_path, TALK, "plain", workload__cache="off")
    assert usages(records) == [Usage(2100, 50), Usage(2250, 50), Usage(2400, 50)]
    assert plain.cost.total is not None
    assert kept.cost.total is not None
    assert plain.values["cache_saving"] is None
    assert kept.values["cache_saving"] == pytest.approx(plain.cost.total - kept.cost.total)
    # $2 a million in, $2.50 to write, $0.20 to read
    assert kept.values["cache_saving"] == pytest.approx((4350 * 1.8 - 2400 * 0.5) / 1e6)


FAN_OUT = """\
workload:
  requests: 40
  system_tokens: 20000
  input_tokens: 100
  output_tokens: 50
  max_tokens: 500
  cache: 5m
  thinking: off
"""


def test_simultaneous_first_requests_all_miss_and_one_that_goes_first_saves_their_price(tmp_path: Path) -> None:
    cold, records = run(tmp_path, FAN_OUT)
    assert usages(records) == [Usage(100, 50, cache_write_5m=20000)] * 40
    warm, records = run(tmp_path, FAN_OUT, "warm", workload__cache="{warm: true}")
    first, *others = usages(records)
    assert first == Usage(1, 0, cache_write_5m=20000)
    assert others == [Usage(100, 50, cache_read=20000)] * 40
    assert [record.intended for record in records] == [0.0] * 41
    assert {record.attempts[0].sent for record in records[1:]} == {2.0}  # once the first was answered
    assert (cold.values["requests"], warm.values["requests"]) == (40, 41)
    assert cold.cost.total is not None
    assert warm.cost.total is not None
    # 40 writes against one write, 40 reads and the two tokens of the first request
    assert cold.cost.total - warm.cost.total == pytest.approx((39 * 20000 * 2.5 - 40 * 20000 * 0.2 - 1 * 2) / 1e6)
    assert [warning.code for warning in cold.warnings if warning.code == "dear_cache"] == ["dear_cache"]


def test_a_token_bucket_counts_on_what_is_in_the_cache(tmp_path: Path) -> None:
    """100 prompts of 20,100 tokens are 5 minutes of tier-2's 450,000 a minute; but for the cache they are seconds."""
    settings = {"tier": "tier-2", "workload__requests": "100", "strategies": "[token_bucket: auto]"}
    warm, _ = run(tmp_path, FAN_OUT, "warm", workload__cache="{warm: true}", **settings)
    plain, _ = run(tmp_path, FAN_OUT, "plain", workload__cache="off", **settings)
    assert warm.values["rate_limited"] == plain.values["rate_limited"] == 0
    assert warm.values["makespan"] is not None
    assert plain.values["makespan"] is not None
    assert warm.values["makespan"] < 15
    assert plain.values["makespan"] > 240


def test_without_a_warming_request_a_token_bucket_reserves_in_full_until_the_first_answer(tmp_path: Path) -> None:
    settings = {"tier": "tier-2", "workload__requests": "100", "strategies": "[token_bucket: auto]"}
    paced, records = run(tmp_path, FAN_OUT, **settings)
    assert paced.values["rate_limited"] == 0
    writes = sum(usage is not None and usage.cache_write_5m > 0 for usage in usages(records))
    assert 1 < writes <= 75_000 // 20_100 + 1  # as many as the bucket held before anything had been written


def test_a_turn_that_fails_for_good_ends_its_conversation(tmp_path: Path) -> None:
    faults = "{latency: {service_time: 2s}, faults: {server_error: {rate: 100%, start: 20s, end: 25s}}}"
    summary, records = run(
        tmp_path, TALK, mock=faults, workload__conversations="{count: 3, turns: 3, think: 20s}", retry="none",
        arrivals="{constant: 0.1/s}",
    )  # fmt: skip
    assert [(record.conversation, record.turn, record.ok) for record in records] == [
        (0, 0, True),
        (0, 1, False),
        (1, 0, True),
        (1, 1, True),
        (1, 2, True),
        (2, 0, False),
    ]
    assert summary.values["conversations_completed"] == pytest.approx(1 / 3)


AGENTS = """\
workload:
  conversations: {count: 4, turns: {uniform: [1, 3]}, think: 50ms, opening_tokens: 900}
  tools: {count: 4, tokens: 1200, calls: {uniform: [0, 3]}, result_tokens: {uniform: [50, 900]}, time: 20ms}
  system_tokens: 1500
  input_tokens: {lognormal: {median: 80, p95: 200}}
  output_tokens: {uniform: [20, 90]}
  max_tokens: 500
  cache: {ttl: 1h, warm: true}
  thinking: adaptive
  effort: low
  stream: true
arrivals: {users: 2, think: 50ms}
"""


def test_over_http_the_mock_counts_what_sim_counts(tmp_path: Path) -> None:
    service = "{latency: {service_time: 50ms}}"
    sim, expected = run(tmp_path, AGENTS, mock=service)
    http, found = run(tmp_path, AGENTS, "http", mock=service, target="mock")
    assert sim.values["failed"] == http.values["failed"] == 0
    assert len(expected) > 10

    def counted(record: Record) -> tuple[object, ...]:
        last = record.attempts[-1]
        return record.seq, record.conversation, record.turn, record.final, last.usage, last.stop_reason

    assert list(map(counted, found)) == list(map(counted, expected))
    for name in ("conversations", "conversations_completed", "cache_hit_share", "cost", "cache_saving"):
        assert http.values[name] == sim.values[name]


def test_the_sdk_sends_conversations_as_the_simulation_reads_them(tmp_path: Path) -> None:
    """The same requests through the SDK and directly, in virtual time: the same answers to the last token."""
    (tmp_path / "agents.yaml").write_text(HEAD + AGENTS)
    scenario = api.load(str(tmp_path / "agents.yaml"))

    def answers(*, direct: bool) -> list[Attempt]:
        async def main() -> list[Attempt]:
            time, engine = Clock(), Engine(Settings(tier="unlimited", seed=3))
            async with AsyncExitStack() as stack:
                client: Client = SimClient(engine, time, seed=3, timeout=60.0)
                if not direct:
                    http = httpx2.AsyncClient(transport=EngineTransport(engine, time))
                    sdk = SdkClient(
                        time, http, base_url="http://engine", api_key="sk-ant-test", timeout=60.0,
                        headers=lambda spec, attempt: hints(spec.seq, attempt, spec.output_tokens),
                    )  # fmt: skip
                    client = await stack.enter_async_context(sdk)
                return await in_turn(client, time)

        return clock.run(main(), virtual=True)

    async def in_turn(client: Client, time: Clock) -> list[Attempt]:
        [source] = sources_of(scenario)
        assert source.after is not None
        waiting, attempts = list(source.arrivals), []
        while waiting:
            place, arrival = waiting.pop(0)
            await time.sleep_until(arrival.at)
            attempts.append(await client.send(source.spec(place, arrival), 1))
            waiting += source.after(place, attempts[-1].ended, True)
        return attempts

    direct, sdk = answers(direct=True), answers(direct=False)
    assert all(attempt.ok for attempt in direct)
    assert {attempt.stop_reason for attempt in direct} >= {"end_turn", "tool_use", "max_tokens"}
    assert direct == sdk


def hints(seq: int, attempt: int, output_tokens: int) -> Mapping[str, str]:
    return {"x-mock-key": f"3.{seq}.{attempt}", "x-mock-output-tokens": str(output_tokens)}


def test_a_thousand_conversations_at_once_take_little_memory(tmp_path: Path) -> None:
    """Nothing is kept of a conversation that thinks: the line holds its next place and time."""

    def peak(count: int) -> int:
        size = f"{{count: {count}, turns: 3, think: 1h, opening_tokens: 20000}}"
        (tmp_path / "many.yaml").write_text(HEAD + TALK)
        scenario = api.load(str(tmp_path / "many.yaml"), settings=[f"workload.conversations={size}"])
        [source] = sources_of(scenario)
        assert source.after is not None
        tracemalloc.start()
        waiting = list(source.arrivals)
        for _ in range(3):
            following: list[Placed] = []
            for place, arrival in waiting:
                source.spec(place, arrival)
                following += source.after(place, arrival.at + 1, True)
            waiting = following
        size_at_most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size_at_most

    peak(10)
    assert peak(1000) < 2_000_000


# Shipped scenarios


def passes(name: str, out: Path, *settings: str) -> dict[tuple[str | None, str], PassSummary]:
    summary = api.run(api.load(name, settings=settings), out=out, html=False).summary
    return {(one.case, one.strategy): one for one in summary.passes}


def cost(one: PassSummary) -> float:
    assert one.cost.total is not None
    return one.cost.total


def test_sending_all_at_once_writes_the_cache_a_hundred_times(tmp_path: Path) -> None:
    found = passes("caching-warm-up", tmp_path / "run")
    plain, cold, warm = (found[case, "gather"] for case in ("uncached", "all-at-once", "warm-first"))
    assert cold.distributions["ttft_cold"].n == 100
    assert warm.distributions["ttft_warm"].n == 100
    assert cost(cold) - cost(plain) == pytest.approx(100 * 15_000 * (2.5 - 2) / 1e6)
    assert cost(warm) < cost(plain) / 5
    assert found["all-at-once", "semaphore-10"].distributions["ttft_cold"].n == 10
    means = [one.distributions[name].mean for one, name in ((cold, "ttft_cold"), (warm, "ttft_warm"))]
    assert means[0] is not None
    assert means[1] is not None
    assert means[0] > means[1]


def test_an_hour_pays_where_people_take_minutes_and_five_minutes_where_they_take_seconds(tmp_path: Path) -> None:
    few = "workload.conversations.count=50"
    slow = passes("chat-with-history", tmp_path / "slow", few)
    quick = passes("chat-with-history", tmp_path / "quick", few, "workload.conversations.think={exponential: 20s}")
    five, hour = ("five-minutes", "gather"), ("an-hour", "gather")
    assert cost(slow[hour]) < cost(slow[five]) < cost(slow["uncached", "gather"])
    assert cost(quick[five]) < cost(quick[hour]) < cost(quick["uncached", "gather"])


def test_agents_are_held_back_by_a_limit_that_caching_takes_away(tmp_path: Path) -> None:
    found = {case: one for (case, _), one in passes("agents-growing-context", tmp_path / "run").items()}
    kept, plain, less = found["start"], found["start-uncached"], found["tier-2-uncached"]
    assert all(one.values["conversations_completed"] == 1 and one.values["rate_limited"] == 0 for one in found.values())
    assert cost(kept) < cost(plain) / 4
    times = [one.distributions["turn_time"].p50.value or 0 for one in (kept, plain, less)]
    assert times[0] * 2 < times[1] < times[2] / 2
    assert kept.turns[0].input_tokens < kept.turns[1].input_tokens
