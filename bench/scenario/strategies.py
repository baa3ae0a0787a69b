"""How requests are let through, and what follows a failed attempt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Discriminator, Field, Tag, ValidationInfo

from bench.scenario.fan_out import FanOut, Take, unpriced
from bench.scenario.notation import (
    Bytes,
    Duration,
    Model,
    PositiveDuration,
    Rate,
    Share,
    Sweep,
    Written,
    notations,
    wrong,
    wrong_at,
)
from bench.scenario.sizes import MOST_REQUESTS
from bench.scenario.units import BYTES, DURATION

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]
"""What can stand in a file name and in a list with commas."""

Count = Annotated[int, Field(ge=1, le=MOST_REQUESTS)]


class TokenBucket(Model):
    """What the token-bucket pacer keeps to.  A None rate is the tier's number for the model."""

    requests: float | None = None
    """Per second, like the two below."""
    input_tokens: float | None = None
    output_tokens: float | None = None
    share: float = 1.0
    """Fraction of the rates to use."""
    burst: float = 10.0
    """Seconds' worth of the rate that may go at once."""


class Adaptive(Model):
    """A limit that finds itself, from refusals, answer times and rate-limit headers; it does not look at the tier."""

    by: Literal["refusals", "ttft", "tpot"] = "refusals"
    """What makes it smaller beside refusals (429, 529): nothing, a growing time to first token, or a growing time per
    output token.  The latter two need streamed answers."""
    min_in_flight: Count = 1
    """How far it may fall."""
    max_in_flight: Count = 1000
    """How far it may rise."""


Percentile = Literal["p50", "p90", "p95", "p99"]
PERCENTILES = get_args(Percentile)


class Pool(Model):
    """A fixed number of workers on a queue that holds only so much."""

    workers: Count
    """How many requests are on their way at once; each worker stays with its request through its retries."""
    queue: Count
    """How many requests are made ahead and wait for a worker."""


class Hedge(Model):
    """A second attempt beside one that is late.  The first to answer goes on alone, the other is cancelled."""

    after: float | Percentile
    """How long to wait for an answer (of a stream: its first token): seconds, or a percentile of the pass so far."""
    most: float = 0.05
    """Share of the requests that may have one."""


MOST_ITEMS = 100_000
"""Requests that one message batch may have (batch page, 2026-10-08)."""

MOST_BYTES = 256e6
"""Bytes that the body which creates a batch may have: 256 MB (batch page, 2026-10-08), read as the smaller of the two
sizes that are called so."""


def _most_items(size: int) -> int:
    if size > MOST_ITEMS:
        raise wrong(f"a message batch has at most {MOST_ITEMS:,} requests, got {size:,}")
    return size


def _most_bytes(size: float) -> float:
    if size > MOST_BYTES:
        raise wrong(f"a message batch has at most {BYTES.write(MOST_BYTES)}, got {BYTES.write(size)}")
    return size


BatchSize = Annotated[int, Field(ge=1), AfterValidator(_most_items)]


class Poll(Model):
    """When a batch is looked at: after `first`, then each time `factor` times as long after, `cap` at most."""

    first: PositiveDuration = 60.0
    factor: Annotated[float, Field(ge=1)] = 2.0
    cap: PositiveDuration = 900.0


def _resolve_poll(form: float | Poll, _: ValidationInfo) -> Poll:
    return form if isinstance(form, Poll) else Poll(first=form, factor=1.0, cap=form)


PollForm = Annotated[
    Annotated[PositiveDuration, Tag("<one>")] | Annotated[Poll, Tag("<mapping>")],
    Discriminator(lambda value: "<mapping>" if isinstance(value, dict) else "<one>"),
]


class Sending(Model):
    """How requests go through message batches."""

    max_bytes: Annotated[Bytes, Field(ge=1), AfterValidator(_most_bytes)] = MOST_BYTES
    """Most bytes of the body that creates a batch."""
    poll: Annotated[Poll, Written(PollForm, _resolve_poll)] = Poll()
    """When batches are looked at: 1m, or {first: 1m, factor: 2, cap: 15m}."""
    hidden_for: PositiveDuration = 60.0
    """How long the API may take to show a new batch: so long a 404 means nothing, nor that it is not in the list."""
    cancel_on_stop: bool = False
    """Whether Ctrl-C cancels the batches and takes what they have by then.  Otherwise they go on, and `claude-bench
    resume` fetches their results."""
    keep_results: bool = False
    """Whether results are kept as they came, answers and all, in the run folder."""


class Batching(Sending):
    """What a strategy sends through message batches."""

    size: BatchSize = MOST_ITEMS
    """Most requests of a batch."""
    deadline: float | None = None
    """Seconds since the start of the pass until what is not back is cancelled; None is the API's own 24 hours."""
    attempts: int = 3
    """In how many batches a request may be."""
    share: float | None = 1.0
    """How much of the requests goes through batches; None is as much as the deadline allows."""


class Retry(Model):
    """What follows a failed attempt."""

    policy: Literal["none", "retry_after", "exponential", "sdk"] = "retry_after"
    """none: give up.  retry_after: wait as long as the server says.  exponential: ever longer waits.  sdk: the Python
    SDK's own rule."""
    attempts: Count = 10
    """Attempts in all, the first included."""
    base: Duration = 1.0
    """Wait before the second attempt (exponential, and where retry-after is missing)."""
    factor: Annotated[float, Field(ge=1)] = 2.0
    """By how much each wait is longer than the one before."""
    cap: Duration = 60.0
    """The longest wait that we choose ourselves."""
    jitter: Share = 0.0
    """Fraction of each delay that is random: added on top of a retry-after, taken off an exponential delay."""


class Strategy(Model):
    """How requests are let through: one row, after sweeps are unfolded."""

    name: str
    """Unique in the scenario, such as `semaphore-10`."""
    kind: Literal["sequential", "gather", "semaphore", "token_bucket", "adaptive", "pool", "batch", "hybrid"]
    limit: int | None = None
    """Most requests in flight; None is no limit."""
    pacer: TokenBucket | None = None
    adaptive: Adaptive | None = None
    pool: Pool | None = None
    hedge: Hedge | None = None
    batch: Batching | None = None
    """What goes through message batches.  Limit and pacer of a hybrid are those of its live part."""
    hold_slot: bool = True
    """Whether a request that waits to retry keeps its slot."""
    priority: bool = True
    """Whether streams of a higher priority go first."""
    take: Take | None = None
    """Which answers are taken where several models are asked; its own choice, or that of `fan_out`."""
    retry: Retry
    """Its own policy, or the scenario's."""


RetryForm = Annotated[
    Annotated[Literal["none", "retry_after", "exponential", "sdk"], Tag("<word>")] | Annotated[Retry, Tag("<mapping>")],
    notations(
        "none, retry_after, exponential, sdk or a mapping such as {policy: exponential, attempts: 5}",
        words=("none", "retry_after", "exponential", "sdk"),
    ),
]

ATTEMPTS = {"none": 1, "sdk": 3}
"""Attempts in all where a policy differs from `Retry`.  The SDK retries twice (anthropic 2.10, `_constants.py`)."""

DECIDED: Mapping[str, set[str]] = {
    "none": {"attempts", "base", "factor", "cap", "jitter"},
    "sdk": {"base", "factor", "cap", "jitter"},
}
"""What a policy decides itself, so that no file can set it in vain."""


def _resolve_retry(form: RetryForm, _: ValidationInfo) -> Retry:
    retry = Retry(policy=form) if isinstance(form, str) else form
    vain = retry.model_fields_set & DECIDED.get(retry.policy, set())
    wrong_at(((key,), f"`{retry.policy}` decides this itself; leave the key out") for key in sorted(vain))
    if "attempts" in retry.model_fields_set or retry.policy not in ATTEMPTS:
        return retry
    return retry.model_copy(update={"attempts": ATTEMPTS[retry.policy]})


RetryField = Annotated[Retry, Written(RetryForm, _resolve_retry)]


def _percentile_or_duration(value: object) -> str | None:
    if value in PERCENTILES:
        return "<word>"
    return "<duration>" if isinstance(value, str) and value[:1].isdigit() else None


class HedgeForm(Model):
    """A second attempt beside one that is late; the first to answer goes on alone.  Needs a budget."""

    after: Annotated[
        Annotated[Percentile, Tag("<word>")] | Annotated[PositiveDuration, Tag("<duration>")],
        Discriminator(
            _percentile_or_duration,
            custom_error_type="notation",
            custom_error_message="expected {expected}",
            custom_error_context={
                "expected": f"{', '.join(PERCENTILES)} (of the answers so far) or a duration such as 3s",
                "known": "|".join(PERCENTILES),
            },
        ),
    ]
    """How long to wait for an answer (of a stream: its first token): a duration, or a percentile of the pass so far."""
    most: Annotated[Share, Field(gt=0, le=1)] = 0.05
    """Share of the requests that may have one."""


def _resolve_hedge(form: HedgeForm, _: ValidationInfo) -> Hedge:
    return Hedge(after=form.after, most=form.most)


class Options(Model):
    """What any strategy may set for itself."""

    name: Name | None = None
    """What tables and --strategy call it; made from the strategy if left out."""
    hold_slot: bool = True
    """Whether a request that waits to retry keeps its place in flight."""
    priority: bool = True
    """Whether streams of a higher priority go first; false is first come, first served for all."""
    take: Take | None = None
    """Instead of what `fan_out` says: all, first or cheapest."""
    retry: RetryField | None = None
    """Instead of the scenario's `retry`."""
    hedge: Annotated[Hedge, Written(HedgeForm, _resolve_hedge)] | None = None
    """A second attempt beside one that is late."""


class SequentialForm(Options):
    """One at a time."""

    sequential: None


class GatherForm(Options):
    """All at once, without a limit."""

    gather: None


class SemaphoreForm(Options):
    """At most so many in flight.  A list is a sweep: a strategy for each."""

    semaphore: Sweep[Count]


class Pacing(Model):
    """Rates to stay under.  A rate left out is the tier's number for the model.  A list is a sweep."""

    requests: Rate | None = None
    """Such as 600/min."""
    input_tokens: Rate | None = None
    """Such as 450000/min."""
    output_tokens: Rate | None = None
    """Such as 90000/min."""
    share: Sweep[Annotated[Share, Field(gt=0)]] = Field([1.0])
    """How much of the rates to use."""
    burst: Sweep[PositiveDuration] = Field([10.0])
    """How much of a rate may go at once, in time: 10s of 600/min is 100 requests."""
    in_flight: Sweep[Count] | None = None
    """Most requests in flight."""


class TokenBucketForm(Options):
    """Paced so as to stay under requests, input tokens and output tokens per minute."""

    token_bucket: Annotated[
        Annotated[Literal["auto"], Tag("<word>")] | Annotated[Pacing, Tag("<mapping>")],
        notations("auto (the tier's numbers) or a mapping such as {share: 90%, burst: 10s}", words=("auto",)),
    ]


class AdaptiveForm(Options):
    """As many in flight as the server turns out to bear, without being told the tier."""

    adaptive: Annotated[
        Annotated[None, Tag("<nothing>")] | Annotated[Adaptive, Tag("<mapping>")],
        Discriminator(lambda value: "<nothing>" if value is None else "<mapping>"),
    ]


class Workers(Model):
    """Workers and the queue before them."""

    workers: Sweep[Count]
    """How many requests are on their way at once.  A list is a sweep."""
    queue: Count = 100
    """How many requests are made ahead and wait for a worker."""


class PoolForm(Options):
    """Workers on a bounded queue: requests are read from the workload only as fast as they are sent."""

    pool: Workers


LIVE = ("sequential", "gather", "semaphore", "token_bucket", "adaptive", "pool")
"""Strategies whose requests are answered one by one."""

LiveForm = Annotated[
    Annotated[Literal["sequential", "gather", "adaptive"], Tag("<word>")]
    | Annotated[SequentialForm, Tag("<sequential:>")]
    | Annotated[GatherForm, Tag("<gather:>")]
    | Annotated[SemaphoreForm, Tag("<semaphore:>")]
    | Annotated[TokenBucketForm, Tag("<token_bucket:>")]
    | Annotated[AdaptiveForm, Tag("<adaptive:>")]
    | Annotated[PoolForm, Tag("<pool:>")],
    notations(
        "a live strategy such as adaptive, {semaphore: 10} or {token_bucket: auto}",
        words=("sequential", "gather", "adaptive"),
        keys=LIVE,
    ),
]

BatchSizes = Sweep[BatchSize]


class InBatches(Sending):
    """All requests through message batches."""

    size: BatchSizes = Field([MOST_ITEMS])
    """Most requests of a batch.  A list is a sweep."""
    deadline: PositiveDuration | None = None
    """Since the start of the pass: what is not back by then is cancelled and fails.  Left out, a batch has the API's
    own 24 hours."""
    attempts: Count = 3
    """In how many batches a request that expires, or that the service fails, may be; 1 is no second try."""


class BatchForm(Options):
    """Through the Message Batches API: half the price, and answers within a day."""

    batch: Annotated[
        Annotated[None, Tag("<nothing>")] | Annotated[InBatches, Tag("<mapping>")],
        Discriminator(lambda value: "<nothing>" if value is None else "<mapping>"),
    ]


class HybridBatches(Sending):
    """The part of a hybrid that goes through message batches."""

    size: BatchSizes = Field([MOST_ITEMS])
    """Most requests of a batch.  A list is a sweep."""


class Hybrid(Model):
    """Batches for what need not be live, and a live strategy for the rest."""

    deadline: PositiveDuration
    """Since the start of the pass: when all is to be done."""
    live: LiveForm
    """How the rest goes, and what is not back from its batch in time."""
    share: Annotated[
        Annotated[Literal["auto"], Tag("<word>")] | Annotated[Share, Tag("<one>")],
        Discriminator(lambda value: "<word>" if value == "auto" else "<one>"),
    ] = "auto"
    """How much of the requests goes through batches: 60%, or auto, which is as much as the deadline allows."""
    batch: HybridBatches = HybridBatches()
    """How batches are made and looked at."""


class HybridForm(Options):
    """Batches and a live strategy together, so that all is done by a deadline."""

    hybrid: Hybrid


StrategyForm = Annotated[
    Annotated[Literal["sequential", "gather", "adaptive", "batch"], Tag("<word>")]
    | Annotated[SequentialForm, Tag("<sequential:>")]
    | Annotated[GatherForm, Tag("<gather:>")]
    | Annotated[SemaphoreForm, Tag("<semaphore:>")]
    | Annotated[TokenBucketForm, Tag("<token_bucket:>")]
    | Annotated[AdaptiveForm, Tag("<adaptive:>")]
    | Annotated[PoolForm, Tag("<pool:>")]
    | Annotated[BatchForm, Tag("<batch:>")]
    | Annotated[HybridForm, Tag("<hybrid:>")],
    notations(
        "sequential, gather, adaptive, batch, {semaphore: 10}, {token_bucket: auto} or {pool: {workers: 32}}",
        words=("sequential", "gather", "adaptive", "batch"),
        keys=(*LIVE, "batch", "hybrid"),
    ),
]


Variant = tuple[str, dict[str, Any]]
"""One value of a sweep: the ending it gives the name, and the attributes of its strategy."""


def _variants(form: Options) -> list[Variant]:
    """What one entry unfolds to; a single variant where nothing is swept."""
    match form:
        case SequentialForm():
            return [("", {"kind": "sequential", "limit": 1})]
        case SemaphoreForm():
            return [(f"-{limit}", {"kind": "semaphore", "limit": limit}) for limit in form.semaphore]
        case TokenBucketForm():
            return _paced(Pacing() if form.token_bucket == "auto" else form.token_bucket)
        case AdaptiveForm():
            limit = form.adaptive or Adaptive()
            return [("" if limit.by == "refusals" else f"-{limit.by}", {"kind": "adaptive", "adaptive": limit})]
        case PoolForm():
            queue = form.pool.queue
            return [(f"-{n}", {"kind": "pool", "pool": Pool(workers=n, queue=queue)}) for n in form.pool.workers]
        case BatchForm():
            batches = form.batch or InBatches()
            own = {"deadline": batches.deadline, "attempts": batches.attempts}
            return [(ending, {"kind": "batch", "batch": batching}) for ending, batching in _batched(batches, own)]
        case HybridForm():
            return list(_hybrids(form.hybrid))
        case _:
            return [("", {"kind": "gather"})]


def _paced(pacing: Pacing) -> list[Variant]:
    in_flight: list[int | None] = [*pacing.in_flight] if pacing.in_flight else [None]
    rates = {key: getattr(pacing, key) for key in ("requests", "input_tokens", "output_tokens")}
    return [
        (
            (f"-share-{share * 100:g}" if len(pacing.share) > 1 else "")
            + (f"-burst-{DURATION.write(burst)}" if len(pacing.burst) > 1 else "")
            + (f"-in-flight-{limit}" if len(in_flight) > 1 else ""),
            {"kind": "token_bucket", "limit": limit, "pacer": TokenBucket(**rates, share=share, burst=burst)},
        )
        for share, burst, limit in product(pacing.share, pacing.burst, in_flight)
    ]


def _batched(form: InBatches | HybridBatches, own: Mapping[str, Any]) -> list[tuple[str, Batching]]:
    """A variant for each size, with what the strategy says itself."""
    shared = {name: getattr(form, name) for name in Sending.model_fields}
    many = len(form.size) > 1
    return [(f"-{size}" if many else "", Batching(**shared, **own, size=size)) for size in form.size]


def _hybrids(hybrid: Hybrid) -> Iterator[Variant]:
    """Every variant of the live strategy with every variant of the batches."""
    own = {"deadline": hybrid.deadline, "share": None if hybrid.share == "auto" else hybrid.share, "attempts": 1}
    live_variants = _variants(_form(hybrid.live))
    for live_ending, live in live_variants:
        for ending, batching in _batched(hybrid.batch, own):
            both = (live_ending if len(live_variants) > 1 else "") + ending
            yield both, {**live, "kind": "hybrid", "batch": batching}


def _of_hybrid(hybrid: Hybrid, place: int) -> Iterator[tuple[tuple[int | str, ...], str]]:
    """What a hybrid says in vain, or cannot work out."""
    live = _form(hybrid.live)
    for key in sorted(live.model_fields_set & Options.model_fields.keys()):
        yield (place, "hybrid", "live", key), "give this beside `hybrid`"
    if hybrid.share == "auto" and not isinstance(live, TokenBucketForm | AdaptiveForm):
        words = "nobody knows beforehand how fast this goes: use token_bucket or adaptive, or give a `share`"
        yield (place, "hybrid", "live"), words


def _name(form: Options, ending: str, kind: str, *, swept: bool) -> str:
    if form.name is not None:
        return form.name + ending if swept else form.name
    return kind.replace("_", "-") + ending


def _useless(strategy: Strategy, place: int, *, streamed: bool) -> Iterator[tuple[tuple[int | str, ...], str]]:
    """What a strategy is asked that it cannot do."""
    if strategy.hedge is not None and strategy.limit == 1:
        yield (place, "hedge"), "with one request in flight there is never room for a second attempt"
    if strategy.hedge is not None and strategy.kind == "batch":
        yield (place, "hedge"), "no answer of a batch is late: all of them take hours"
    if (own := strategy.adaptive) is None:
        return
    if own.by != "refusals" and not streamed:
        yield (place, "adaptive", "by"), f"`{own.by}` can only be seen of streamed answers; add workload.stream: true"
    if own.min_in_flight > own.max_in_flight:
        yield (place, "adaptive", "min_in_flight"), f"more than max_in_flight, which is {own.max_in_flight:,}"


def _taken_in_vain(
    take: Take | None, fan_out: FanOut | None, place: int
) -> Iterator[tuple[tuple[int | str, ...], str]]:
    """What is wrong with a strategy's own `take`."""
    if take is not None and fan_out is None:
        yield (place, "take"), "only with `fan_out`, which says which models to ask"
    elif take == "cheapest" and fan_out is not None and fan_out.take != "cheapest":
        yield from unpriced(fan_out.models, (place, "take"))


def _resolve_strategies(forms: list[StrategyForm], info: ValidationInfo) -> tuple[Strategy, ...]:
    default = info.data.get("retry", Retry())
    fan_out = info.data.get("fan_out")
    strategies: dict[str, Strategy] = {}
    streamed = getattr(info.data.get("workload"), "stream", True)
    problems: list[tuple[tuple[int | str, ...], str]] = []
    for place, written in enumerate(forms):
        form = _form(written)
        if isinstance(form, HybridForm):
            problems += _of_hybrid(form.hybrid, place)
        variants = _variants(form)
        problems += _taken_in_vain(form.take, fan_out, place) if "fan_out" in info.data else ()
        take = None if fan_out is None else form.take or fan_out.take
        for ending, attributes in variants:
            name = _name(form, ending, attributes["kind"], swept=len(variants) > 1)
            if name in strategies:
                problems.append(((place,), f"a second strategy called `{name}`; give one of them a `name`"))
            retry = default if form.retry is None else form.retry
            strategies[name] = Strategy(
                name=name,
                hold_slot=form.hold_slot,
                priority=form.priority,
                take=take,
                retry=retry,
                hedge=form.hedge,
                **attributes,
            )
            problems += _useless(strategies[name], place, streamed=streamed)
    wrong_at(problems)
    return tuple(strategies.values())


_WORDS: Mapping[str, Options] = {
    "sequential": SequentialForm(sequential=None),
    "gather": GatherForm(gather=None),
    "adaptive": AdaptiveForm(adaptive=None),
    "batch": BatchForm(batch=None),
}


def _form(written: str | Options) -> Options:
    """What a word stands for, or the mapping itself."""
    return _WORDS[written] if isinstance(written, str) else written


StrategiesField = Annotated[
    tuple[Strategy, ...], Written(Annotated[list[StrategyForm], Field(min_length=1)], _resolve_strategies)
]
"""Needs the scenario's `retry` and `fan_out`, which are therefore declared before it."""
