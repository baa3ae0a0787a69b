"""Every endpoint over real HTTP, spoken to by the official SDK, which should not notice the difference."""

import asyncio
import contextlib
import gzip
import json
import re
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic import AsyncAnthropic
from running import serving

from mock_server.catalog import RELEASED
from mock_server.settings import Ramp, Settings
from mock_server.tenants import Accounts, Key, Organization, Workspace
from mock_server.tiers import LimitValue, RateLimit, find_tier, limits_for

MODEL = "claude-sonnet-5-5"
ASK: dict[str, Any] = {"model": MODEL, "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
HEADERS = {"x-api-key": "any", "anthropic-version": "2023-06-01"}
LOWER = RateLimit((LimitValue("requests_per_minute", 2),), models=(MODEL,), group_type="model_group")
ACCOUNTS = Accounts(
    {
        "sk-one": Key("acme", "one"),
        "sk-two": Key("acme", "two"),
        "sk-other": Key("other", "one"),
        "sk-admin": Key("acme", admin=True),
    },
    {"acme": Organization("build", workspaces={"two": Workspace((LOWER,))})},
)


@pytest.fixture(scope="module")
def quick() -> Iterator[str]:
    """A batch takes six seconds of the clock: in a minute an hour passes."""
    settings = Settings(tier="start", service_time=1.0, batch_time=(30.0, 30.0), batch_hidden=0.0)
    with serving(settings, speed=60) as url:
        yield url


@pytest.fixture(scope="module")
def guarded() -> Iterator[str]:
    with serving(Settings(accounts=ACCOUNTS, service_time=1.0, batch_time=(30.0, 30.0)), speed=60) as url:
        yield url


def sdk(url: str, key: str = "any", max_retries: int = 0) -> AsyncAnthropic:
    return AsyncAnthropic(base_url=url, api_key=key, max_retries=max_retries)


def raw(url: str, method: str, path: str, **request: Any) -> httpx2.Response:  # noqa: ANN401
    headers = HEADERS | request.pop("headers", {})
    return httpx2.request(method, url + path, headers=headers, **request)


def reset(url: str) -> None:
    httpx2.post(f"{url}/_mock/reset").raise_for_status()


async def ended(client: AsyncAnthropic, batch_id: str) -> anthropic.types.messages.MessageBatch:
    """The batch once it has ended: it is asked for until then, without a wait of our own."""
    while (batch := await client.messages.batches.retrieve(batch_id)).processing_status != "ended":
        assert batch.results_url is None
        assert batch.request_counts.processing > 0
    return batch


def requests(count: int) -> list[Any]:
    return [{"custom_id": f"r{n}", "params": ASK if n else {**ASK, "max_tokens": 10**6}} for n in range(count)]


def test_the_whole_life_of_a_batch(quick: str) -> None:
    async def main() -> None:
        async with sdk(quick) as client:
            batches = client.messages.batches
            created = await batches.create(requests=requests(45))
            assert created.processing_status == "in_progress"
            assert (created.request_counts.processing, created.results_url) == (45, None)
            assert (created.expires_at - created.created_at).total_seconds() == 24 * 3_600
            with pytest.raises(anthropic.AnthropicError, match="results_url"):
                await batches.results(created.id)
            with pytest.raises(anthropic.BadRequestError):
                await batches.delete(created.id)
            batch = await ended(client, created.id)
            assert batch.request_counts.model_dump() == {
                "processing": 0,
                "succeeded": 44,
                "errored": 1,
                "canceled": 0,
                "expired": 0,
            }
            assert batch.results_url
            assert batch.results_url.startswith(quick)
            rows = {row.custom_id: row.result async for row in await batches.results(created.id)}
            assert rows.keys() == {f"r{n}" for n in range(45)}
            assert rows["r0"].type == "errored"
            assert rows["r0"].error.error.type == "invalid_request_error"
            assert rows["r1"].type == "succeeded"
            assert rows["r1"].message.usage.service_tier == "batch"
            deleted = await batches.delete(created.id)
            assert (deleted.id, deleted.type) == (created.id, "message_batch_deleted")
            with pytest.raises(anthropic.NotFoundError):
                await batches.retrieve(created.id)

    asyncio.run(asyncio.wait_for(main(), 60))


def test_a_batch_that_is_cancelled_ends_with_what_it_has(quick: str) -> None:
    async def main() -> None:
        async with sdk(quick) as client:
            batch = await client.messages.batches.create(requests=requests(3))
            canceled = await client.messages.batches.cancel(batch.id)
            assert canceled.processing_status == "canceling"
            assert canceled.cancel_initiated_at
            done = await ended(client, batch.id)
            assert sum(done.request_counts.model_dump().values()) == 3
            with pytest.raises(anthropic.BadRequestError):
                await client.messages.batches.cancel(batch.id)

    asyncio.run(asyncio.wait_for(main(), 60))


def test_batches_are_listed_newest_first_page_by_page(quick: str) -> None:
    async def main() -> None:
        reset(quick)
        async with sdk(quick) as client:
            made = [(await client.messages.batches.create(requests=requests(1))).id for _ in range(7)]
            assert [batch.id async for batch in client.messages.batches.list(limit=3)] == made[::-1]
            first = await client.messages.batches.list(limit=3)
            assert (first.has_more, first.first_id, first.last_id) == (True, made[6], made[4])
            back = client.messages.batches.list(limit=2, before_id=made[2])
            assert [batch.id async for batch in back] == [made[4], made[3], made[6], made[5]]
            with pytest.raises(anthropic.BadRequestError):
                await client.messages.batches.list(limit=0)

    asyncio.run(main())


def test_what_create_refuses_is_typed(quick: str) -> None:
    async def main() -> None:
        async with sdk(quick) as client:
            lists: list[list[Any]] = [[], requests(1) * 2, [{"custom_id": "a b", "params": ASK}]]
            for wrong in lists:
                with pytest.raises(anthropic.BadRequestError):
                    await client.messages.batches.create(requests=wrong)

    asyncio.run(main())


def test_models_are_listed_and_found(quick: str) -> None:
    async def main() -> None:
        async with sdk(quick) as client:
            models = [model async for model in client.models.list(limit=5)]
            assert len(models) == len(RELEASED)
            assert models[0].id == "claude-fable-5-2"
            assert [model.created_at for model in models] == sorted((m.created_at for m in models), reverse=True)
            for model in models:
                found = await client.models.retrieve(model.id)
                assert found == model
                assert model.line
                assert model.display_name.startswith(f"Claude {model.line.title()} ")
                assert model.capabilities
                assert model.capabilities.effort.supported or "4-5" in model.id
                assert model.max_input_tokens in (200_000, 1_000_000)
                assert model.max_tokens in (64_000, 128_000)
            alias = await client.models.retrieve("claude-sonnet-4-5")
            assert (alias.id, alias.lifecycle) == ("claude-sonnet-4-5-20250929", "deprecated")
            assert alias.retires_at
            page = await client.models.list()
            assert (len(page.data), page.has_more) == (min(20, len(models)), len(models) > 20)
            for unknown in ("claude-opus-4-1", "claude-3-haiku-20240307", "gpt-5", "claude-opus-9"):
                with pytest.raises(anthropic.NotFoundError):
                    await client.models.retrieve(unknown)

    asyncio.run(main())


def test_counted_tokens_are_those_of_the_usage(quick: str) -> None:
    async def main() -> None:
        async with sdk(quick) as client:
            ask = {"model": MODEL, "messages": ASK["messages"], "system": "Be brief."}
            counted = await client.messages.count_tokens(**ask)
            message = await client.messages.create(**ask, max_tokens=5)
            assert counted.input_tokens == message.usage.input_tokens
            with pytest.raises(anthropic.BadRequestError):
                await client.messages.count_tokens(model=MODEL, messages=[])

    asyncio.run(main())


def test_counting_has_a_limit_of_its_own() -> None:
    async def main(url: str) -> None:
        async with sdk(url) as client:
            for _ in range(33):
                await client.messages.count_tokens(model=MODEL, messages=ASK["messages"])
            with pytest.raises(anthropic.RateLimitError) as caught:
                await client.messages.count_tokens(model=MODEL, messages=ASK["messages"])
            assert caught.value.response.headers["retry-after"] == "1"
            await client.messages.create(**ASK)

    with serving(Settings(tier="start", burst=1.0, service_time=0.0), speed=0.001) as url:
        asyncio.run(main(url))


def test_a_spend_cap_is_its_own_error() -> None:
    async def main(url: str) -> None:
        async with sdk(url) as client:
            for call in (
                lambda: client.messages.create(**ASK),
                lambda: client.messages.batches.create(requests=requests(1)),
            ):
                with pytest.raises(anthropic.EnforcedSpendLimitReachedError) as caught:
                    await call()
                assert caught.value.status_code == 429
                assert "retry-after" not in caught.value.response.headers
                assert re.search(r"regain access on \d{4}-\d{2}-01 at 00:00 UTC", str(caught.value))

    with serving(Settings(spend_cap=0.0), speed=60) as url:
        asyncio.run(main(url))


def test_credit_that_is_used_up_is_its_own_error() -> None:
    async def main(url: str) -> None:
        async with sdk(url) as client:
            with pytest.raises(anthropic.PaymentRequiredError):
                await client.messages.create(**ASK)

    with serving(Settings(credit=0.0), speed=60) as url:
        asyncio.run(main(url))


def test_growth_that_is_too_fast_is_its_own_error_and_passes() -> None:
    async def main(url: str) -> None:
        async with sdk(url) as client:
            await client.messages.create(**ASK)
            with pytest.raises(anthropic.RampLimitExceededError) as caught:
                await client.messages.create(**ASK)
            assert 0 < int(caught.value.response.headers["retry-after"]) <= 60
            # The SDK would wait for retry-after by the wall clock, on which the minute has long passed.
            while True:
                with contextlib.suppress(anthropic.RampLimitExceededError):
                    assert (await client.messages.create(**ASK)).type == "message"
                    break

    with serving(Settings(ramp=Ramp(floor=1), service_time=0.0), speed=60) as url:
        asyncio.run(asyncio.wait_for(main(url), 120))


def test_every_key_has_its_place(guarded: str) -> None:
    async def main() -> None:
        seen = []
        for key in ("sk-one", "sk-two", "sk-other"):
            async with sdk(guarded, key) as client:
                response = await client.messages.with_raw_response.create(**ASK)
                names = ("anthropic-organization-id", "anthropic-workspace-id", "anthropic-ratelimit-requests-limit")
                seen.append([response.headers[name] for name in names])
        assert seen[0][0] == seen[1][0] != seen[2][0]
        assert len({row[1] for row in seen}) == 3
        assert [row[2] for row in seen] == ["5000", "2", "1000"]
        async with sdk(guarded, "sk-unknown") as client:
            with pytest.raises(anthropic.AuthenticationError) as caught:
                await client.messages.create(**ASK)
            assert "anthropic-workspace-id" not in caught.value.response.headers
        async with sdk(guarded, "sk-admin") as client:
            with pytest.raises(anthropic.PermissionDeniedError):
                await client.messages.create(**ASK)

    asyncio.run(main())


def test_no_workspace_sees_another_s_batches(guarded: str) -> None:
    async def main() -> None:
        async with sdk(guarded, "sk-one") as mine:
            batch = await mine.messages.batches.create(requests=requests(2))
            assert await ended(mine, batch.id)
            for key in ("sk-two", "sk-other"):
                async with sdk(guarded, key) as other:
                    for call in (other.messages.batches.retrieve, other.messages.batches.cancel):
                        with pytest.raises(anthropic.NotFoundError):
                            await call(batch.id)
                    assert (await other.messages.batches.list()).data == []

    asyncio.run(asyncio.wait_for(main(), 60))


def test_an_organization_reads_its_limits(guarded: str) -> None:
    async def main() -> None:
        async with sdk(guarded, "sk-admin") as client:
            limits = client.organization.rate_limits
            entries = [entry async for entry in limits.list()]
            assert [entry async for entry in limits.list(limit=3)] == entries
            for entry in entries:
                values = {limit.type: limit.value for limit in entry.limits}
                for model in entry.models or ():
                    assert tuple(values.values()) == limits_for("build", model)
            kinds = {entry.group.type: {limit.type: limit.value for limit in entry.limits} for entry in entries}
            assert kinds["batch"] == {"requests_per_minute": 2_000, "enqueued_batch_requests": 300_000}
            assert kinds["token_count"] == {"requests_per_minute": 4_000}
            one = [entry async for entry in limits.list(model="claude-opus-4-5-20251101")]
            assert len(one) == 1
            assert {"claude-opus-4-5", "claude-opus-4-8"} <= set(one[0].models or ())
            assert one[0].group.type == "model_group"
            assert one[0].group.display_name == "Claude Opus 4.x"
            assert [entry.group.type async for entry in limits.list(group_type="batch")] == ["batch"]
            with pytest.raises(anthropic.NotFoundError):
                await limits.list(model="claude-opus-4-1")

    asyncio.run(main())


def test_a_workspace_s_limits_are_what_differs(guarded: str) -> None:
    async def main() -> None:
        async with sdk(guarded, "sk-admin") as client:
            limits = client.organization.workspaces.rate_limits
            async with sdk(guarded, "sk-two") as two:
                response = await two.messages.batches.with_raw_response.list()
                workspace = response.headers["anthropic-workspace-id"]
            entries = [entry async for entry in limits.list(workspace)]
            assert len(entries) == 1
            assert entries[0].workspace_id == workspace
            assert entries[0].models == [MODEL]
            value = entries[0].limits[0]
            assert (value.type, value.value, value.org_limit, value.source.type) == (
                "requests_per_minute",
                2,
                5_000,
                "workspace",
            )
            everything = [entry async for entry in limits.list(workspace, include_inherited=True)]
            assert len(everything) == len([entry async for entry in client.organization.rate_limits.list()])
            with pytest.raises(anthropic.NotFoundError):
                await limits.list("wrkspc_unknown")

    asyncio.run(main())


def test_what_the_limits_endpoint_answers_is_a_tier_that_mirrors_it(guarded: str, tmp_path: Any) -> None:  # noqa: ANN401
    answer = raw(guarded, "GET", "/v1/organizations/rate_limits", headers={"x-api-key": "sk-admin"})
    path = tmp_path / "limits.json"
    path.write_bytes(answer.content)
    mirror, original = find_tier(str(path)), find_tier("build")
    for model in RELEASED:
        assert mirror.limits_of(model) == original.limits_of(model)
    assert (mirror.batch_requests, mirror.batch_queue, mirror.token_counts) == (2_000, 300_000, 4_000)


def test_only_an_admin_key_opens_the_admin_api(guarded: str) -> None:
    refused = raw(guarded, "GET", "/v1/organizations/rate_limits", headers={"x-api-key": "sk-one"})
    assert (refused.status_code, refused.json()["error"]["type"]) == (403, "permission_error")


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/v1/messages", 405, "invalid_request_error"),
        ("PUT", "/v1/messages/batches", 405, "invalid_request_error"),
        ("POST", "/v1/messages/batches/x", 405, "invalid_request_error"),
        ("GET", "/v1/messages/batches/x/cancel", 405, "invalid_request_error"),
        ("POST", "/v1/models", 405, "invalid_request_error"),
        ("GET", "/v1/messages/batches/x", 404, "not_found_error"),
        ("GET", "/v1/messages/batches/x/results", 404, "not_found_error"),
        ("GET", "/v1/messages/batches/x/y/results", 404, "not_found_error"),
        ("GET", "/v1/models/", 404, "not_found_error"),
        ("GET", "/v1/files", 404, "not_found_error"),
        ("GET", "/v1/organizations/rate_limits?group_type=everything", 400, "invalid_request_error"),
        ("GET", "/v1/organizations/rate_limits?page=nowhere", 400, "invalid_request_error"),
        ("GET", "/v1/models?limit=%FF", 400, "invalid_request_error"),
        ("GET", "/v1/models?after_id=nobody", 400, "invalid_request_error"),
    ],
)
def test_other_paths_and_methods_get_documented_errors(
    quick: str, method: str, path: str, status: int, kind: str
) -> None:
    response = raw(quick, method, path)
    assert (response.status_code, response.json()["error"]["type"]) == (status, kind)
    assert response.json()["request_id"] == response.headers["request-id"]


def test_results_are_lines_of_json(quick: str) -> None:
    created = raw(quick, "POST", "/v1/messages/batches", json={"requests": requests(3)}).json()
    while (batch := raw(quick, "GET", f"/v1/messages/batches/{created['id']}").json())["results_url"] is None:
        assert batch["processing_status"] == "in_progress"
    response = httpx2.get(batch["results_url"], headers=HEADERS)
    assert response.headers["content-type"] == "application/x-jsonl"
    assert len([json.loads(line) for line in response.text.splitlines()]) == 3


@pytest.mark.parametrize(
    ("content", "encoding", "status", "code"),
    [
        (gzip.compress(json.dumps(ASK).encode()), "gzip", 200, None),
        (gzip.compress(json.dumps(ASK).encode())[:-9], "gzip", 400, "request_body_encoding_invalid"),
        (json.dumps(ASK).encode(), "gzip", 400, "request_body_encoding_invalid"),
        (json.dumps(ASK).encode(), "br", 400, "request_body_encoding_unsupported"),
        (gzip.compress(bytes(33 << 20)), "gzip", 413, "request_body_too_large_after_decoding"),
    ],
    ids=["good", "cut", "plain", "brotli", "bomb"],
)
def test_compressed_bodies(quick: str, content: bytes, encoding: str, status: int, code: str | None) -> None:
    response = raw(quick, "POST", "/v1/messages", content=content, headers={"content-encoding": encoding})
    assert response.status_code == status
    assert response.json().get("error", {}).get("details", {}).get("error_code") == code


def test_a_declared_size_is_enough_to_refuse(quick: str) -> None:
    """The answer is there before the body: only its size has been sent."""
    host, port = quick.removeprefix("http://").split(":")

    async def main(path: str, size: int) -> bytes:
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\nx-api-key: a\r\nanthropic-version: 2023-06-01\r\n"
        writer.write(f"{head}content-length: {size}\r\n\r\n".encode())
        status = await reader.readline()
        writer.close()
        await writer.wait_closed()
        return status

    for path, most in (("/v1/messages", 32 << 20), ("/v1/messages/batches", 256 << 20)):
        assert b"413" in asyncio.run(asyncio.wait_for(main(path, most + 1), 20))
