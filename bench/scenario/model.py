"""The parsed, validated, frozen scenario.  Times are seconds, rates are per second, shares are fractions.

Python code makes these with plain numbers.  `load.py` makes them from a file, in which the same keys are written with
units (`90s`, `10%`) and some values in a shape of their own (`semaphore: [4, 8]`): `notation.py` has the reading of
both in one declaration, from which the JSON Schema comes too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, PlainSerializer, PrivateAttr, Tag, ValidationInfo

from bench.results.folder import Recipe
from bench.results.redact import in_words
from bench.scenario.arrivals import (
    Arrivals,
    ArrivalsField,
    Backlog,
    Constant,
    Diurnal,
    Gamma,
    Point,
    Poisson,
    Ramp,
    Rounds,
    Trace,
    Users,
)
from bench.scenario.fan_out import FanOut, FanOutField
from bench.scenario.faults import Fault, FaultsField
from bench.scenario.gate import Gate, GateField
from bench.scenario.notation import (
    Dollars,
    Duration,
    InputFile,
    Model,
    PositiveDuration,
    Rate,
    Share,
    Written,
    unknown,
    wrong,
    wrong_at,
)
from bench.scenario.sizes import Exponential, Fixed, FromTrace, Lognormal, Quantiles, Size, Uniform
from bench.scenario.strategies import Adaptive, Count, Name, Retry, RetryField, StrategiesField, Strategy, TokenBucket
from bench.scenario.timeouts import Timeout, TimeoutField
from bench.scenario.traces import Columns
from bench.scenario.workload import (
    Cache,
    Conversations,
    Dataset,
    ThinkingBudget,
    Tools,
    Workload,
)
from mock_server.profile import read_profile
from mock_server.tiers import TIERS, find_tier

__all__ = [
    "Adaptive",
    "Arrivals",
    "Backlog",
    "Budget",
    "Cache",
    "Case",
    "Columns",
    "Constant",
    "Conversations",
    "Dataset",
    "Diurnal",
    "Exponential",
    "FanOut",
    "Fault",
    "Fixed",
    "FromTrace",
    "Gamma",
    "Gate",
    "Latency",
    "Lognormal",
    "Mock",
    "Model",
    "Point",
    "Poisson",
    "Ramp",
    "Retry",
    "Rounds",
    "Scenario",
    "Size",
    "Slo",
    "Strategy",
    "Stream",
    "ThinkingBudget",
    "Threshold",
    "Timeout",
    "TokenBucket",
    "Tools",
    "Trace",
    "Uniform",
    "Users",
    "Warmup",
    "Workload",
]

Text = Annotated[str, Field(min_length=1)]


class Stream(Model):
    """One of several streams of traffic that share the limits."""

    name: Name
    """What records, tables and thresholds call it."""
    workload: Workload
    """What it sends, and how much."""
    arrivals: ArrivalsField | None = None
    """When its requests come; left out: at the scenario's `arrivals`, of which it takes its `share`, or, where those
    are a trace that names streams, the rows of its name."""
    share: Annotated[Share, Field(gt=0)] | None = None
    """How much of the scenario's `arrivals` are its own."""
    priority: int = 0
    """Where requests wait, those of the highest priority go first."""
    model: Text | None = None
    """Instead of the scenario's model."""


def _in_order(forms: list[Stream], _: ValidationInfo) -> tuple[Stream, ...]:
    return tuple(forms)


class Warmup(Model):
    """Requests sent before each pass and not counted."""

    requests: Annotated[int, Field(ge=0)] = 0
    """How many."""


class Slo(Model):
    """What a request must meet to count as goodput; None is no demand."""

    ttft: PositiveDuration | None = None
    """Time to first token."""
    tpot: PositiveDuration | None = None
    """Time per output token after the first."""
    latency: PositiveDuration | None = None
    """From the send to the end of the answer."""
    response_time: PositiveDuration | None = None
    """From the moment the request was meant to go to the end of the answer."""


class Threshold(Model):
    """One condition on a metric, such as `p(95) < 2s`."""

    metric: str
    expression: str
    """As written."""
    aggregate: str
    """`p95`, `mean`, `min`, `max`, `value` ..."""
    op: Literal["<", "<=", ">", ">="]
    value: float
    """In the metric's unit."""
    abort_after: float | None = None
    """Seconds since the start of a pass from which on a failure ends the run; None lets it go on to its end."""
    line: int = 0
    """Where in the file it stands, 1-based."""


class ThresholdForm(Model):
    """A condition that may end the run before its time."""

    condition: str
    """Such as p(95) < 2s."""
    abort: bool = False
    """Stop the run as soon as the condition does not hold on what has ended so far."""
    delay: Annotated[Duration, Field(ge=0)] = 0.0
    """With `abort`: how long each pass goes on before the condition is looked at."""


ThresholdsForm = dict[
    str,
    list[
        Annotated[
            Annotated[str, Tag("<text>")] | Annotated[ThresholdForm, Tag("<mapping>")],
            Discriminator(lambda value: "<mapping>" if isinstance(value, dict) else "<text>"),
        ]
    ],
]


def _resolve_thresholds(form: Mapping[str, list[str | ThresholdForm]], _: ValidationInfo) -> tuple[Threshold, ...]:
    from bench.results.thresholds import parse_threshold  # numpy comes with it; most scenarios do without

    thresholds: list[Threshold] = []
    problems: list[tuple[tuple[int | str, ...], str]] = []
    for metric, expressions in form.items():
        for place, each in enumerate(expressions):
            written = each if isinstance(each, ThresholdForm) else ThresholdForm(condition=each)
            if written.delay and not written.abort:
                problems.append(((metric, place, "delay"), "of what?  Only a condition with `abort: true` waits"))
            try:
                parsed = parse_threshold(metric, written.condition)
            except ValueError as problem:
                problems.append(((metric, place), str(problem)))
                continue
            thresholds.append(
                Threshold(
                    metric=metric,
                    expression=written.condition,
                    aggregate=parsed.aggregate,
                    op=parsed.op,
                    value=parsed.value,
                    abort_after=written.delay if written.abort else None,
                )
            )
    wrong_at(problems)
    return tuple(thresholds)


class Budget(Model):
    """Where a run stops by itself.  None is no bound."""

    max_cost: Dollars | None = None
    """Checked before each request against the worst case of what is in flight."""
    max_requests: Count | None = None
    """Attempts in all."""
    max_time: PositiveDuration | None = None
    """Scenario time, over all passes."""


Positive = Annotated[float, Field(gt=0)]


class DurationQuantiles(Quantiles):
    """The median and 95th percentile of a duration."""

    median: PositiveDuration
    p95: PositiveDuration


class NumberQuantiles(Quantiles):
    """The median and 95th percentile of a number."""

    median: Positive
    p95: Positive


def _resolve_quantiles(form: float | Quantiles, _: ValidationInfo) -> float | Lognormal:
    return form.resolve() if isinstance(form, Quantiles) else form


_one_or_quantiles = Discriminator(lambda value: "<mapping>" if isinstance(value, dict) else "<one>")
DurationsForm = Annotated[
    Annotated[PositiveDuration, Tag("<one>")] | Annotated[DurationQuantiles, Tag("<mapping>")], _one_or_quantiles
]
NumbersForm = Annotated[
    Annotated[Positive, Tag("<one>")] | Annotated[NumberQuantiles, Tag("<mapping>")], _one_or_quantiles
]


def _a_profile(path: Path) -> Path:
    read_profile(path)
    return path


class Latency(Model):
    """The mock's answer times.  What is left out is the preset of the model's family."""

    service_time: PositiveDuration | None = None
    """Every answer takes exactly this long, whatever its length."""
    ttft: Annotated[float | Lognormal, Written(DurationsForm, _resolve_quantiles)] | None = None
    """Time to first token: constant, or lognormal from {median: 600ms, p95: 1.4s}."""
    tokens_per_second: Annotated[float | Lognormal, Written(NumbersForm, _resolve_quantiles)] | None = None
    """Tokens a second of one answer: constant, or lognormal from {median: 60, p95: 90}."""
    profile: Annotated[InputFile, AfterValidator(_a_profile)] | None = None
    """A JSON file of measured speeds, relative to the scenario, in place of the presets."""
    load: Annotated[float, Field(ge=0)] = 0.0
    """By how much a hundred answers at a time slow each other down: 0.5 makes all times half as long again.  0 is what
    the profile says, if there is one."""
    daily_swing: Annotated[Share, Field(lt=1)] = 0.0
    """By how much answers are slower at the busiest hour of the day, and faster at the quietest."""


class Mock(Model):
    """How the mock server and the simulation behave."""

    burst: PositiveDuration = 60.0
    """How much of each limit a full bucket holds, in time: 1s is the strictest reading of the API's page, 60s the
    loosest."""
    reserve_max_tokens: bool = False
    """Take max_tokens from the output bucket at the start, as the API did before 2026-02-19."""
    rejected_count: bool = False
    """Whether a 429 itself uses up one of the requests per minute."""
    latency: Latency = Latency()
    chunk_tokens: Count = 5
    """Tokens per streamed event."""
    chars_per_token: dict[str, Annotated[float, Field(ge=1)]] | None = None
    """Characters per token of prompts, by model or line, such as {sonnet: 3.2}; left out: the estimator's own."""
    output_factor: Positive = 1.0
    """How long answers are, as a multiple of the workload's `output_tokens`: with 2 it expects half of what comes."""
    batch_time: Annotated[float | Lognormal, Written(DurationsForm, _resolve_quantiles)] | None = None
    """How long a message batch takes: constant, or lognormal; left out, {median: 15m, p95: 1h}."""
    batch_hidden: Annotated[Duration, Field(ge=0)] = 0.0
    """How long a new message batch is not found, as has been seen for some seconds."""
    faults: FaultsField = ()
    """What goes wrong on purpose: {overloaded: 5%, stall: {rate: 1%, delay: 20s}}."""
    seed: Annotated[int, Field(ge=0)] | None = None
    """Other answers to the same requests: each number is another day of the service, in its times and its faults."""


TARGETS = ("sim", "mock", "api")


def _known_tier(tier: str, info: ValidationInfo) -> str:
    if info.context is None or tier in TIERS:
        return tier
    if not tier.endswith(".json"):
        raise unknown(f"{', '.join(TIERS)} or a .json file", TIERS)
    path = str(info.context.find(Path(tier)))
    try:
        find_tier(path)
    except ValueError as error:
        raise wrong(str(error)) from None
    return path


def _tier_name(tier: str) -> str:
    """Only the name of a file shapes the run: folders differ."""
    return Path(tier).name if tier.endswith(".json") else tier


def _known_target(target: str, info: ValidationInfo) -> str:
    if info.context is not None and target not in TARGETS and not re.fullmatch(r"https?://[^\s/]+\S*", target):
        raise unknown("sim, mock, api or a URL", TARGETS)
    return target


class Case(Model):
    """One of several circumstances under which a scenario is run."""

    name: Name
    """What records, tables and --case call it."""
    scenario: Scenario
    """The scenario as it is in this case, which has no cases itself."""


def _not_merged(_: dict[str, dict[str, Any]], __: ValidationInfo) -> tuple[Case, ...]:
    """A case changes the file, which is not at hand here: `load.py` merges them and puts them in this place."""
    return ()


class Scenario(Model):
    """One scenario file as resolved: defaults filled in, sweeps unfolded, overrides applied."""

    version: Literal[1]
    """Version of this file format."""
    name: Name
    """What runs and reports are called; the file's name if left out."""
    question: Annotated[Text, AfterValidator(in_words)]
    """What the scenario answers, as a question.  Reports repeat it."""
    claim: Annotated[Text, AfterValidator(in_words)] | None = None
    """What is said elsewhere about this job, with its source; the report sets it beside what was measured."""
    model: Text
    """Model id, such as claude-sonnet-5.  Left out where `fan_out` names several."""
    target: Annotated[str, AfterValidator(_known_target)] = "sim"
    """Who answers: sim (virtual time) or mock (a local server).  The API, which costs money, and a URL get your key and
    are only taken from --target."""
    tier: Annotated[str, AfterValidator(_known_tier), PlainSerializer(_tier_name)] = "start"
    """The rate limits to assume on sim and mock, and that `token_bucket: auto` keeps to: a name, or a .json file,
    relative to the scenario file, with what GET /v1/organizations/rate_limits answers."""
    workload: Workload | None = None
    """What is sent: how much, how large.  None where there are `streams`, which have their own."""
    arrivals: ArrivalsField = Backlog()
    """When requests come: backlog (all at once), a rate such as {poisson: 10/s}, {users: 20, think: 10s}, a trace."""
    streams: Annotated[tuple[Stream, ...], Written(Annotated[list[Stream], Field(min_length=1)], _in_order)] = ()
    """Several streams of traffic at once, instead of `workload`."""
    fan_out: FanOutField | None = None
    """Ask several models each prompt at once, instead of one `model`."""
    retry: RetryField = Retry()
    """What follows a failed attempt: none, retry_after, exponential, sdk, or a mapping."""
    strategies: StrategiesField
    """How requests are let through.  Each is run over the same workload."""
    cases: Annotated[tuple[Case, ...], Written(dict[Name, dict[str, Any]], _not_merged)] = ()
    """Circumstances to compare: by name, what is different, such as build: {tier: build}.  Every strategy is run in
    each of them."""
    timeout: TimeoutField = Timeout()
    """How long to wait: a duration for each attempt, or a mapping such as {attempt: 60s, request: 5m, stall: 20s}."""
    client: Literal["sdk", "wire"] = "sdk"
    """What sends over HTTP: sdk (the official SDK) or wire, which sends the same bytes for a tenth of the CPU time, for
    hundreds of streams at once."""
    transport: Literal["aiohttp", "httpx"] = "aiohttp"
    """What the SDK sends with: aiohttp costs least, httpx is the SDK's default."""
    speed: Positive = 1.0
    """How many times faster than the wall clock scenario time passes (mock only)."""
    pause: Annotated[Duration, Field(ge=0)] = 60.0
    """Between passes, on a target whose limits cannot be reset (the API, a URL)."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of everything random."""
    warmup: Warmup = Warmup()
    """Requests to open connections with before each pass; they do not count."""
    repeat: Count = 1
    """How often each strategy is run."""
    volume: Rate | None = None
    """How many requests there are in life, such as 50000/day: what a month of them costs is then worked out."""
    slo: Slo = Slo()
    """What a request must meet to count as goodput."""
    thresholds: Annotated[tuple[Threshold, ...], Written(ThresholdsForm, _resolve_thresholds)] = ()
    """Conditions on metrics, such as ttft: ["p(95) < 2s"], of what tags leave: ttft{strategy:pool,stream:chat}.  A run
    that breaks one exits with 99; {condition: "p(95) < 2s", abort: true, delay: 30s} ends it at once."""
    gate: GateField | None = None
    """The only metrics that `claude-bench compare` may fail on: [ttft.p95, goodput]."""
    budget: Budget = Budget()
    """Where the run stops by itself."""
    mock: Mock = Mock()
    """Behaviour of the mock server and the simulation; other targets take no notice of it."""
    _source: Path | None = PrivateAttr(None)
    _recipe: Recipe | None = PrivateAttr(None)

    @property
    def variants(self) -> tuple[tuple[str | None, Scenario], ...]:
        """What is run: the scenario of each case by its name, or, without cases, the scenario itself."""
        return tuple((case.name, case.scenario) for case in self.cases) or ((None, self),)

    @property
    def models(self) -> set[str]:
        """Every model that is asked."""
        return {model for _, scenario in self.variants for model in scenario.models_asked}

    @property
    def models_asked(self) -> set[str]:
        """The same without regard to cases."""
        if self.fan_out is not None:
            return set(self.fan_out.models)
        return {self.model if one.model is None else one.model for one in self.streams} or {self.model}

    @property
    def source(self) -> Path | None:
        """The file it came from."""
        return self._source

    @property
    def recipe(self) -> Recipe | None:
        """How it is loaded again; None where it did not come from a file."""
        return self._recipe

    def resolved(self) -> dict[str, Any]:
        """Everything that shapes the run, as plain JSON values; its hash names the question asked.

        Of each case it has what differs from the scenario, None for what the case does without.
        """
        plain = self.model_dump(
            mode="json", exclude={"cases": True, "thresholds": {"__all__": {"line"}}}, exclude_none=True
        )
        if not self.cases:
            return plain
        return plain | {"cases": {case.name: _difference(plain, case.scenario.resolved()) for case in self.cases}}


def _difference(usual: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    return {key: own.get(key) for key in {**usual, **own} if own.get(key) != usual.get(key)}
