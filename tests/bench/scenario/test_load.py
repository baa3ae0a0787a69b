from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import Exit, ScenarioError, UsageError
from bench.scenario.load import find, load, select, shipped
from bench.scenario.model import (
    Adaptive,
    Diurnal,
    Exponential,
    Fault,
    Fixed,
    FromTrace,
    Gamma,
    Lognormal,
    Point,
    Poisson,
    Ramp,
    Retry,
    Rounds,
    Scenario,
    Strategy,
    TokenBucket,
    Trace,
    Uniform,
    Users,
    Workload,
)

SMALL = """\
version: 1
question: How long?
model: claude-sonnet-5
workload: {requests: 10, input_tokens: 100, output_tokens: 20, max_tokens: 50}
strategies: [sequential]
"""

TRACE = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.68,374,44\n2023-11-16 18:15:50.99,396,109\n"


def write(folder: Path, text: str, name: str = "job.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def loaded(folder: Path, changes: dict[str, str]) -> Scenario:
    return load(write(folder, SMALL), overrides=changes)


def workload_of(scenario: Scenario) -> Workload:
    assert scenario.workload is not None
    return scenario.workload


def problems(folder: Path, text: str, **changes: str) -> str:
    """All problems of a file, with its folder cut off."""
    with pytest.raises(ScenarioError) as caught:
        load(write(folder, text), overrides=changes)
    assert caught.value.exit_code == Exit.USAGE
    return str(caught.value).replace(f"{folder}/", "")


def test_a_small_file_gets_all_defaults(tmp_path: Path) -> None:
    scenario = load(write(tmp_path, SMALL))
    assert scenario.name == "job"
    assert scenario.source == tmp_path / "job.yaml"
    assert (scenario.target, scenario.tier, scenario.speed, scenario.timeout.attempt) == ("sim", "start", 1.0, 600.0)
    assert scenario.arrivals.kind == "backlog"
    assert scenario.strategies == (Strategy(name="sequential", kind="sequential", limit=1, retry=Retry()),)


@pytest.mark.parametrize(
    ("written", "strategies"),
    [
        ("[gather]", {"gather": ("gather", None)}),
        ("[{gather: , name: all}]", {"all": ("gather", None)}),
        ("[{sequential: null, hold_slot: false}]", {"sequential": ("sequential", 1)}),
        ("[{semaphore: 10}]", {"semaphore-10": ("semaphore", 10)}),
        ("[{semaphore: 10, name: pool}]", {"pool": ("semaphore", 10)}),
        ("[{semaphore: [4, 8], name: pool}]", {"pool-4": ("semaphore", 4), "pool-8": ("semaphore", 8)}),
        (
            "[{semaphore: [4, 8]}, {semaphore: 2}]",
            {"semaphore-4": ("semaphore", 4), "semaphore-8": ("semaphore", 8), "semaphore-2": ("semaphore", 2)},
        ),
        ("[adaptive]", {"adaptive": ("adaptive", None)}),
        ("[{adaptive: , name: own}]", {"own": ("adaptive", None)}),
        (
            "[adaptive, {adaptive: {max_in_flight: 50}, name: few}]",
            {"adaptive": ("adaptive", None), "few": ("adaptive", None)},
        ),
        ("[{token_bucket: auto}]", {"token-bucket": ("token_bucket", None)}),
        ("[{token_bucket: {in_flight: 50}}]", {"token-bucket": ("token_bucket", 50)}),
        (
            "[{token_bucket: {share: [80%, 90%], burst: 2.5s, in_flight: [5, 6]}}]",
            {
                "token-bucket-share-80-in-flight-5": ("token_bucket", 5),
                "token-bucket-share-80-in-flight-6": ("token_bucket", 6),
                "token-bucket-share-90-in-flight-5": ("token_bucket", 5),
                "token-bucket-share-90-in-flight-6": ("token_bucket", 6),
            },
        ),
    ],
)
def test_a_list_is_a_sweep(tmp_path: Path, written: str, strategies: dict[str, tuple[str, int | None]]) -> None:
    scenario = loaded(tmp_path, {"strategies": written})
    assert {s.name: (s.kind, s.limit) for s in scenario.strategies} == strategies


def test_a_token_bucket_in_si_units(tmp_path: Path) -> None:
    written = "[{token_bucket: {requests: 600/min, input_tokens: 6/s, output_tokens: 3600/h, share: 90%, burst: 5s}}]"
    (strategy,) = loaded(tmp_path, {"strategies": written}).strategies
    assert strategy.pacer == TokenBucket(requests=10.0, input_tokens=6.0, output_tokens=1.0, share=0.9, burst=5.0)


def test_an_adaptive_limit(tmp_path: Path) -> None:
    written = "[{adaptive: {by: ttft, min_in_flight: 2, max_in_flight: 50}}]"
    (strategy,) = loaded(tmp_path, {"workload.stream": "true", "strategies": written}).strategies
    assert strategy.name == "adaptive-ttft"
    assert strategy.adaptive == Adaptive(by="ttft", min_in_flight=2, max_in_flight=50)
    (plain,) = loaded(tmp_path, {"strategies": "[adaptive]"}).strategies
    assert plain.adaptive == Adaptive()


@pytest.mark.parametrize(
    ("written", "retry"),
    [
        ("none", Retry(policy="none", attempts=1)),
        ("retry_after", Retry()),
        ("sdk", Retry(policy="sdk", attempts=3)),
        ("{policy: sdk, attempts: 5}", Retry(policy="sdk", attempts=5)),
        (
            "{policy: exponential, base: 500ms, factor: 3, cap: 2m, jitter: 25%}",
            Retry(policy="exponential", base=0.5, factor=3, cap=120, jitter=0.25),
        ),
    ],
)
def test_retry(tmp_path: Path, written: str, retry: Retry) -> None:
    assert loaded(tmp_path, {"retry": written}).strategies[0].retry == retry


def test_a_strategys_own_retry_goes_before_the_scenarios(tmp_path: Path) -> None:
    scenario = loaded(tmp_path, {"retry": "sdk", "strategies": "[gather, {semaphore: 2, retry: none}]"})
    assert [s.retry.policy for s in scenario.strategies] == ["sdk", "none"]


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("300", Fixed(value=300)),
        ("{uniform: [100, 500]}", Uniform(low=100, high=500)),
        ("{lognormal: {median: 800, p95: 2000}}", Lognormal(median=800, p95=2000)),
        ("{exponential: 300}", Exponential(mean=300)),
        ("trace", FromTrace()),
    ],
)
def test_sizes(tmp_path: Path, written: str, size: object) -> None:
    write(tmp_path, TRACE, "t.csv")
    scenario = loaded(tmp_path, {"workload.input_tokens": written, "arrivals": "{trace: {path: t.csv}}"})
    assert workload_of(scenario).input_tokens == size


def test_arrivals(tmp_path: Path) -> None:
    trace = write(tmp_path, TRACE, "t.csv")
    assert loaded(tmp_path, {"arrivals": "{poisson: 600/min}"}).arrivals == Poisson(rate=10.0)
    written = "{trace: {path: t.csv, start: 1s, window: 30m, time_factor: 2, rate_factor: 0.5}}"
    expected = Trace(path=trace, start=1.0, window=1800.0, time_factor=2, rate_factor=0.5)
    assert loaded(tmp_path, {"arrivals": written}).arrivals == expected


def test_the_mocks_latency(tmp_path: Path) -> None:
    latency = "{service_time: 5s, ttft: {median: 600ms, p95: 1.4s}, tokens_per_second: 60}"
    mock = loaded(tmp_path, {"mock.latency": latency, "mock.burst": "1s"}).mock
    assert mock.burst == 1.0
    assert mock.latency.service_time == 5.0
    assert mock.latency.ttft == Lognormal(median=0.6, p95=1.4)
    assert mock.latency.tokens_per_second == 60


def test_faults(tmp_path: Path) -> None:
    written = (
        "{overloaded: 5%, stall: {rate: 1%, delay: 20s}, reset: {start: 1m, end: 2m, on: 5s, off: 1m},"
        " cut: {endpoints: [messages, batches]}}"
    )
    faults = loaded(tmp_path, {"mock.faults": written}).mock.faults
    assert faults == (
        Fault(kind="overloaded", rate=0.05),
        Fault(kind="reset", start=60.0, end=120.0, on=5.0, off=60.0),
        Fault(kind="stall", rate=0.01, delay=20.0),
        Fault(kind="cut", endpoints=("messages", "batches")),
    )
    assert faults[-1].setting().endpoints == ("messages", "batches")


def test_thresholds_know_their_lines(tmp_path: Path) -> None:
    text = SMALL + "thresholds:\n  latency:\n    - p(95) < 2s\n    - p(50) < 1s\n  errors: [rate < 1%]\n"
    thresholds = load(write(tmp_path, text)).thresholds
    assert [(t.metric, t.aggregate, t.op, t.value, t.line) for t in thresholds] == [
        ("latency", "p95", "<", 2.0, 8),
        ("latency", "p50", "<", 1.0, 9),
        ("errors", "rate", "<", 0.01, 10),
    ]


def test_a_path_in_a_file_is_relative_to_it_and_only_its_name_shapes_the_run(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    write(tmp_path / "data", '{"text": "Hello"}\n', "p.jsonl")
    text = SMALL.replace("input_tokens: 100", "dataset: {path: data/p.jsonl, field: text}")
    scenario = load(write(tmp_path, text))
    dataset = workload_of(scenario).dataset
    assert dataset is not None
    assert dataset.path == tmp_path / "data" / "p.jsonl"
    assert scenario.resolved()["workload"]["dataset"] == {"path": "p.jsonl", "field": "text"}


def test_the_question_asked_does_not_change_with_comments_or_place(tmp_path: Path) -> None:
    text = SMALL + "thresholds: {latency: [p(95) < 2s]}\n"
    (tmp_path / "other").mkdir()
    here, there = load(write(tmp_path, text)), load(write(tmp_path / "other", f"# a comment\n{text}"))
    assert here.resolved() == there.resolved()


def test_python_code_gives_plain_numbers() -> None:
    assert Retry(base=1.5, jitter=0.25).base == 1.5


# Every problem at once, each with its place, what was expected and the nearest name.

BAD = """\
version: 2
name: a b
questions: How long?
model: 5
target: simm
tier: strat
workload:
  requests: 0
  duration: 5
  input_tokens: {uniform: [500, 100]}
  output_tokens: {lognorml: {median: 800, p95: 2000}}
  max_token: 100
  stream: yes
  system: ""
arrivals: {poisson: 10}
strategies:
  - sequental
  - semaphore
  - {semaphore: [0, x]}
  - {semaphore: 10, nam: x}
  - {semaphor: 10}
  - {token_bucket: {share: 110%, burst: 5, requests: 600}}
  - {token_bucket: atuo}
  - {gather: 5}
  - 7
retry: {policy: sdk, jiter: 10%}
timeout: -5s
seed: 1.5
warmup: 5
slo: {ttft: 2}
thresholds:
  latency: [p(95) < 2]
  latncy: [p(95) < 2s]
budget: {max_cost: 15, max_requests: 1e3}
mock: {latency: {ttft: 600, tokens_per_second: {median: 90, p95: 60}}}
speed: .inf
seed: 3
claim: ${CLAIM}
"""

NO_LOGIC = (
    "variables and templates such as ${NAME} or {{ name }} are not replaced in scenario files: write the value, "
    "give it with --set, or make the scenario in Python"
)
STRATEGIES = (
    "expected sequential, gather, adaptive, batch, {semaphore: 10}, {token_bucket: auto} or {pool: {workers: 32}}"
)


def test_every_problem_of_a_file_at_once(tmp_path: Path) -> None:
    assert problems(tmp_path, BAD).splitlines() == [
        "job.yaml:1:1  version: expected 1, got 2",
        "job.yaml:1:1  question: missing",
        "job.yaml:2:1  name: expected a name of letters, digits, `.`, `_` and `-`, got `a b`",
        "job.yaml:3:1  questions: unknown key. Did you mean question?",
        "job.yaml:4:1  model: expected text, got 5",
        "job.yaml:5:1  target: expected sim, mock, api or a URL, got `simm`. Did you mean sim?",
        "job.yaml:6:1  tier: expected start, build, scale, tier-1, tier-2, tier-3, tier-4, tutorial-1, tutorial-2, "
        "tutorial-3, tutorial-4, unlimited or a .json file, got `strat`. Did you mean start?",
        "job.yaml:7:1  workload.max_tokens: missing",
        "job.yaml:8:3  workload.requests: expected at least 1, got 0",
        "job.yaml:9:3  workload.duration: expected a duration such as 90s or 5m, got 5 without a unit",
        "job.yaml:10:18  workload.input_tokens.uniform: expected the lowest first, got [500, 100]",
        "job.yaml:11:3  workload.output_tokens: expected a number of tokens such as 300, {uniform: [100, 500]}, "
        "{lognormal: {median: 800, p95: 2000}}, {exponential: 300} or trace, got a mapping with lognorml. "
        "Did you mean lognormal?",
        "job.yaml:12:3  workload.max_token: unknown key. Did you mean max_tokens?",
        "job.yaml:13:3  workload.stream: expected true or false, got `yes`",
        "job.yaml:14:3  workload.system: expected some text, got no text",
        "job.yaml:15:12  arrivals.poisson: expected a rate such as 10/s or 600/min, got 10 without a unit",
        f"job.yaml:17:5  strategies[0]: {STRATEGIES}, got `sequental`. Did you mean sequential?",
        f"job.yaml:18:5  strategies[1]: {STRATEGIES}, got `semaphore`",
        "job.yaml:19:18  strategies[2].semaphore[0]: expected at least 1, got 0",
        "job.yaml:19:21  strategies[2].semaphore[1]: expected a whole number, got `x`",
        "job.yaml:20:21  strategies[3].nam: unknown key. Did you mean name?",
        f"job.yaml:21:5  strategies[4]: {STRATEGIES}, got a mapping with semaphor. Did you mean semaphore?",
        "job.yaml:22:21  strategies[5].token_bucket.share: expected a percentage from 0% to 100%, such as 10%, "
        "got `110%`",
        "job.yaml:22:34  strategies[5].token_bucket.burst: expected a duration such as 90s or 5m, got 5 without a unit",
        "job.yaml:22:44  strategies[5].token_bucket.requests: expected a rate such as 10/s or 600/min, "
        "got 600 without a unit",
        "job.yaml:23:6  strategies[6].token_bucket: expected auto (the tier's numbers) or a mapping such as "
        "{share: 90%, burst: 10s}, got `atuo`. Did you mean auto?",
        "job.yaml:24:6  strategies[7].gather: expected nothing after the colon (options stand beside this key), got 5",
        f"job.yaml:25:5  strategies[8]: {STRATEGIES}, got 7",
        "job.yaml:26:22  retry.jiter: unknown key. Did you mean jitter?",
        "job.yaml:27:1  timeout: expected a duration such as 90s or 5m, got `-5s`",
        "job.yaml:28:1  seed: expected a whole number, got 1.5",
        "job.yaml:29:1  warmup: expected a mapping, got 5",
        "job.yaml:30:7  slo.ttft: expected a duration such as 90s or 5m, got 2 without a unit",
        "job.yaml:32:13  thresholds.latency[0]: '2' is not a value with a unit that fits; "
        "expected one such as 2s, 500ms or 1.5min",
        "job.yaml:33:12  thresholds.latncy[0]: 'latncy' is not a metric. Did you mean latency?",
        "job.yaml:34:10  budget.max_cost: expected an amount such as $15 or $0.50, got 15 without a unit",
        "job.yaml:34:24  budget.max_requests: expected a whole number, got 1000.0",
        "job.yaml:35:18  mock.latency.ttft: expected a duration such as 90s or 5m, got 600 without a unit",
        "job.yaml:35:61  mock.latency.tokens_per_second.p95: the 95th percentile is below the median",
        "job.yaml:36:1  speed: expected a finite number, got inf",
        "job.yaml:37:1  seed: a second time; first in line 28",
        f"job.yaml:38:1  claim: {NO_LOGIC}; text that is meant as it stands goes in single quotes",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"retry": "{policy: sdk, base: 1s}"}, "retry.base: `sdk` decides this itself; leave the key out"),
        ({"retry": "{policy: none, attempts: 2}"}, "retry.attempts: `none` decides this itself; leave the key out"),
        ({"retry": "{policy: expo}"},
         "retry.policy: expected 'none', 'retry_after', 'exponential' or 'sdk', got `expo`"),
        ({"workload.output_tokens": "trace"}, "workload.output_tokens: `trace` needs arrivals from a trace"),
        ({"workload.output_tokens": "0"}, "workload.output_tokens: expected at least 1, got 0"),
        ({"workload.output_tokens": "true"}, "workload.output_tokens: expected a number of tokens such as 300, "
         "{uniform: [100, 500]}, {lognormal: {median: 800, p95: 2000}}, {exponential: 300} or trace, got true"),
        ({"workload.input_tokens": "{uniform: [1]}"},
         "workload.input_tokens.uniform: expected at least 2 of them, got a list"),
        ({"workload.duration": "5s"}, "workload.duration: a backlog is all there at once; give `requests`, or arrivals "
         "such as {poisson: 10/s}"),
        ({"workload": "{requests: 1, max_tokens: 5, output_tokens: 5}"},
         "workload: expected `input_tokens` for synthetic prompts, or a `dataset`"),
        ({"workload": "{max_tokens: 5, output_tokens: 5, input_tokens: 5}"},
         "workload: expected `requests`: how many the backlog has"),
        ({"arrivals": "{constant: 0/s}"}, "arrivals.constant: expected more than 0, got `0/s`"),
        ({"workload": "{requests: 1, dataset: none.jsonl, input_tokens: 5, output_tokens: 5, max_tokens: 5}"},
         "workload.input_tokens: not with a `dataset`, whose prompts have their own sizes\n"
         "--set workload  workload.dataset: no such file: none.jsonl"),
        ({"strategies": "[]"}, "strategies: expected at least 1 of them, got an empty list"),
        ({"strategies": "[gather, {gather: }]"},
         "strategies[1]: a second strategy called `gather`; give one of them a `name`"),
        ({"strategies": "[{semaphore: [4, 4]}]"},
         "strategies[0]: a second strategy called `semaphore-4`; give one of them a `name`"),
        ({"strategies": "[adaptve]"}, f"strategies[0]: {STRATEGIES}, got `adaptve`. Did you mean adaptive?"),
        ({"strategies": "[{adaptive: {buy: ttft}}]"}, "strategies[0].adaptive.buy: unknown key. Did you mean by?"),
        ({"strategies": "[{adaptive: {by: latency}}]"},
         "strategies[0].adaptive.by: expected 'refusals', 'ttft' or 'tpot', got `latency`"),
        ({"strategies": "[{adaptive: {by: tpot}}]"},
         "strategies[0].adaptive.by: `tpot` can only be seen of streamed answers; add workload.stream: true"),
        ({"strategies": "[{adaptive: {min_in_flight: 9, max_in_flight: 8}}]"},
         "strategies[0].adaptive.min_in_flight: more than max_in_flight, which is 8"),
        ({"workload": "{requests: 1, dataset: none.jsonl, output_tokens: 5, max_tokens: 5}"},
         "workload.dataset: no such file: none.jsonl"),
        ({"arrivals": "{trace: {path: none.csv}}"}, "arrivals.trace.path: no such file: none.csv"),
        ({"target": "https://"}, "target: expected sim, mock, api or a URL, got `https://`"),
        ({"transport": "aiohttpx"}, "transport: expected 'aiohttp' or 'httpx', got `aiohttpx`. Did you mean aiohttp?"),
        ({"client": "wires"}, "client: expected 'sdk' or 'wire', got `wires`. Did you mean wire?"),
        ({"mock.faults": "{overload: 5%}"}, "mock.faults.overload: unknown key. Did you mean overloaded?"),
        ({"mock.faults": "{overloaded: 0.05}"},
         "mock.faults.overloaded: expected a percentage from 0% to 100%, such as 10%, got 0.05 without a unit"),
        ({"mock.faults": "{stall: {delai: 5s}}"}, "mock.faults.stall.delai: unknown key. Did you mean delay?"),
        ({"mock.faults": "{stall: {start: 5s, end: 4s}}"}, "mock.faults.stall.end: must be after start"),
        ({"mock.faults": "{stall: {endpoints: []}}"}, "mock.faults.stall.endpoints: must name some of messages, "
         "count_tokens, batches, models, rate_limits"),
        ({"mock.faults": "{stall: {on: 5s}}"}, "mock.faults.stall.on: belong together: mean times of an episode"),
        ({"speed": "0"}, "speed: expected more than 0, got 0"),
        ({"thresholds": "{latency: p(95) < 2s}"}, "thresholds.latency: expected a list, got `p(95) < 2s`"),
    ],
)  # fmt: skip
def test_an_override_is_checked_like_the_file(tmp_path: Path, change: dict[str, str], message: str) -> None:
    (key,) = change
    assert problems(tmp_path, SMALL, **change) == f"--set {key}  {message}"


def test_a_transport_is_the_sdk_clients(tmp_path: Path) -> None:
    found = problems(tmp_path, SMALL + "client: wire\ntransport: httpx\n")
    assert "transport: not with `client: wire`, which has none but its own" in found
    assert loaded(tmp_path, {"client": "wire"}).client == "wire"


@pytest.mark.parametrize("kind", ["constant", "poisson"])
def test_arrivals_without_an_end_need_one(tmp_path: Path, kind: str) -> None:
    text = SMALL.replace("requests: 10, ", "") + f"arrivals: {{{kind}: 5/s}}\n"
    assert problems(tmp_path, text) == (
        f"job.yaml:4:1  workload: expected `requests` or `duration`: {kind} arrivals have no end of their own"
    )
    assert workload_of(load(write(tmp_path, text), overrides={"workload.duration": "1m"})).duration == 60.0


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("workload.requets", "5", "workload.requets: unknown key. Did you mean requests?"),
        ("model.name", "x", "model.name: the file has `claude-sonnet-5` at model; set that as a whole: "
         "--set 'model=...'"),
        ("strategies.4", "gather", "strategies[4]: the file has a list at strategies; set that as a whole: "
         "--set 'strategies=...'"),
        ("workload.requests", "[", "workload.requests: not valid YAML: expected the node content, "
         "but found '<stream end>'"),
    ],
)  # fmt: skip
def test_an_override_that_finds_no_place(tmp_path: Path, key: str, value: str, message: str) -> None:
    assert problems(tmp_path, SMALL, **{key: value}) == f"--set {key}  {message}"


def test_overrides_set_what_the_file_has_and_what_it_lacks(tmp_path: Path) -> None:
    scenario = loaded(
        tmp_path, {"workload.requests": "500", "mock.latency.service_time": "2s", "strategies.0": "gather"}
    )
    assert workload_of(scenario).requests == 500
    assert scenario.mock.latency.service_time == 2.0
    assert scenario.strategies[0].name == "gather"


def test_a_flag_of_its_own_goes_before_set_and_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, SMALL)
    assert load(path, overrides={"tier": "build"}, flags={"tier": "scale"}).tier == "scale"
    with pytest.raises(ScenarioError, match=r"^--max-cost  budget.max_cost: expected an amount"):
        load(path, flags={"budget.max_cost": "2"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "job.yaml:1:1  expected keys such as version, question, model and workload"),
        ("- a\n", "job.yaml:1:1  expected keys such as version, question, model and workload"),
        ("a: [1\nb: 2\n", "job.yaml:2:2  not valid YAML: expected ',' or ']', but got ':'"),
        ("a: 1\n\tb: 2\n", "job.yaml:2:1  not valid YAML: found character '\\t' that cannot start any token"),
        ("a: 1\n--- \nb: 2\n", "job.yaml:2:1  not valid YAML: but found another document"),
        ("a: *b\n", "job.yaml:1:4  not valid YAML: found undefined alias 'b'"),
        ("a: \0\n", "job.yaml:1:1  not valid YAML: unacceptable character #x0000: special characters are not allowed"),
        ("[" * 2000, "job.yaml:1:1  nested too deeply"),
    ],
)
def test_a_file_that_is_no_mapping(tmp_path: Path, text: str, message: str) -> None:
    assert problems(tmp_path, text) == message


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("claim: !include other.yaml", "claim: YAML tags such as !include are not read; write the value itself"),
        ("claim: '${CLAIM}'\nclaim: x", "claim: a second time; first in line 6"),
        ("claim: {{ claim }}", f"claim.?: expected a word as key; {NO_LOGIC}"),
        ('claim: "{{ claim }}"', f"claim: {NO_LOGIC}; text that is meant as it stands goes in single quotes"),
        ("<<: {claim: x}", "<<: unknown key."),
        ("<word>: x", "unknown key."),
        ('claim: "\\ud800"', "claim: an escape that is no character"),
        ("source: x", "source: unknown key."),
        ("on: x", "on: unknown key."),
    ],
)
def test_what_yaml_could_do_and_scenarios_cannot(tmp_path: Path, line: str, message: str) -> None:
    assert f"  {message}" in problems(tmp_path, SMALL + line + "\n")


def test_single_quotes_mean_the_text_itself(tmp_path: Path) -> None:
    assert load(write(tmp_path, SMALL + "claim: 'costs ${5}'\n")).claim == "costs ${5}"


def test_aliases_repeat_a_value_but_cannot_explode(tmp_path: Path) -> None:
    text = SMALL.replace("output_tokens: 20", "output_tokens: &n 20").replace("max_tokens: 50", "max_tokens: *n")
    assert workload_of(load(write(tmp_path, text))).max_tokens == 20
    levels = "".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]\n" for n in range(1, 12))
    assert "its aliases expand to too much" in problems(tmp_path, "x0: &x0 [1]\n" + levels)
    assert "its aliases expand to too much" in problems(tmp_path, "a: &a [*a]\n")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.jsonl", b"", "p.jsonl:1:1  the file has no rows"),
        ("p.jsonl", b'{"prompt": "a"}\n\n{"text": "b"}\n', "p.jsonl:3:1  no field `prompt` (its fields are text)"),
        ("p.jsonl", b'{"prompt": ""}\n', "p.jsonl:1:1  field `prompt` holds no text"),
        ("p.jsonl", b'{"prompt": 5}\n', "p.jsonl:1:1  field `prompt` holds no text"),
        ("p.jsonl", b'{"prompt": "a"\n', "p.jsonl:1:1  not valid JSON: "),
        ("p.jsonl", b'{"prompt": "\xff"}\n', "p.jsonl:1:1  not valid JSON: "),
        ("p.jsonl", b"[1]\n", "p.jsonl:1:1  not a JSON object"),
        ("p.csv", b"", "p.csv:1:1  no column prompt (the columns are none)"),
        ("p.csv", b"prompt,n\n", "p.csv:1:1  the file has no rows"),
        ("p.csv", b"text,n\na,1\n", "p.csv:1:1  no column prompt (the columns are text, n)"),
        ("p.csv", b"prompt,n\na,1\n\nb\n", "p.csv:4:1  1 cells where the header has 2"),
        ("p.csv", b'prompt,n\n"a,1\n', "p.csv:3:1  not valid CSV: unexpected end of data"),
        ("p.csv", b"prompt,n\n\xff,1\n", "p.csv:1:1  not valid CSV: "),
        ("p.txt", b"a\n", "--set workload  workload.dataset: expected a file that ends in .jsonl or .csv, got p.txt"),
    ],
)
def test_a_dataset_that_cannot_be_used(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    workload = f"{{requests: 1, dataset: {name}, output_tokens: 5, max_tokens: 5}}"
    assert problems(tmp_path, SMALL, workload=workload).startswith(message)


def test_bad_rows_are_reported_together_with_the_rest_up_to_twenty(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text("{}\n" * 50)
    found = problems(tmp_path, SMALL, workload="{requests: 0, dataset: p.jsonl, output_tokens: 5, max_tokens: 5}")
    assert found.count("no field `prompt`") == 20
    assert "workload.requests: expected at least 1, got 0" in found


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("", "t.csv:1:1  no column TIMESTAMP or ContextTokens or GeneratedTokens (the columns are none)"),
        ("TIMESTAMP,ContextTokens\n",
         "t.csv:1:1  no column GeneratedTokens (the columns are TIMESTAMP, ContextTokens)"),
        (TRACE + "yesterday,1,1\n", "t.csv:4:1  TIMESTAMP `yesterday` is neither a date and time such as "
         "2023-11-16 18:15:46.68 nor seconds"),
        (TRACE + "2023-11-16 18:15:49,1,1\n",
         "t.csv:4:1  TIMESTAMP 2023-11-16 18:15:49 is earlier than the row before; sort the trace by time"),
        (TRACE + "12.5,1,1\n", "t.csv:4:1  TIMESTAMP is written in another way than in the first row"),
        (TRACE + "2023-11-17T00:00:00Z,1,1\n", "t.csv:4:1  TIMESTAMP is written in another way than in the first row"),
        (TRACE + "2023-11-17,0,1\n", "t.csv:4:1  ContextTokens `0` is not a number of tokens"),
        (TRACE + "2023-11-17,1,x\n", "t.csv:4:1  GeneratedTokens `x` is not a number of tokens"),
        (TRACE + "2023-11-17,1\n", "t.csv:4:1  2 cells where the header has 3"),
    ],
)  # fmt: skip
def test_a_trace_that_cannot_be_used(tmp_path: Path, rows: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(rows)
    assert problems(tmp_path, SMALL, arrivals="{trace: {path: t.csv}}") == message


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read .*none.yaml: No such file"):
        load(tmp_path / "none.yaml")
    with pytest.raises(UsageError, match="Is a directory"):
        load(tmp_path)
    (tmp_path / "large.yaml").write_bytes(b"#" * 1_000_001)
    with pytest.raises(UsageError, match="larger than 1,000,000 bytes"):
        load(tmp_path / "large.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"version: 1\nquestion: \xe9\n")
    with pytest.raises(ScenarioError, match=r"latin.yaml:2:1  not UTF-8 text"):
        load(tmp_path / "latin.yaml")


def test_select_keeps_the_order_of_the_file(tmp_path: Path) -> None:
    scenario = loaded(tmp_path, {"strategies": "[sequential, gather, {semaphore: [5, 10]}]"})
    assert [s.name for s in select(scenario, ["semaphore-5", "sequential"]).strategies] == ["sequential", "semaphore-5"]
    with pytest.raises(UsageError, match=r"--strategy: no strategy `semaphore5`. Did you mean semaphore-5\?") as caught:
        select(scenario, ["semaphore5"])
    assert caught.value.hint == "The scenario has sequential, gather, semaphore-5, semaphore-10."


def test_find_knows_shipped_names_and_paths(tmp_path: Path) -> None:
    path = write(tmp_path, SMALL)
    assert find(str(path)) == path
    assert find("summarize-100").name == "summarize-100.yaml"
    with pytest.raises(UsageError, match=r"no scenario `summarise-100`. Did you mean summarize-100\?"):
        find("summarise-100")


def test_shipped_scenarios_each_answer_a_question() -> None:
    entries = shipped()
    assert [entry.name for entry in entries] == [
        "adaptive-or-fixed",
        "agents-growing-context",
        "batch-or-live",
        "caching-warm-up",
        "chat-users",
        "chat-with-history",
        "classify-500",
        "fan-out-three-models",
        "hedge-or-wait",
        "hold-slot",
        "interactive-and-background",
        "one-million",
        "output-classes",
        "replay-conversation",
        "retry-storm",
        "summarize-100",
        "thundering-herd",
        "time-of-day",
    ]
    assert all(entry.question.endswith("?") and load(entry.path).claim for entry in entries)


@pytest.mark.parametrize(
    ("written", "arrivals"),
    [
        ("{gamma: 600/min, burstiness: 2.5}", Gamma(rate=10.0, burstiness=2.5)),
        (
            "{ramp: [{rate: 0/s}, {after: 1m, rate: 5/s}]}",
            Ramp(points=(Point(at=0, rate=0), Point(at=60, rate=5)), burstiness=1),
        ),
        (
            "{steps: [{rate: 2/s, for: 1m}, {rate: 5/s}], burstiness: 0}",
            Ramp(points=(Point(at=0, rate=2), Point(at=60, rate=2), Point(at=60, rate=5)), burstiness=0),
        ),
        (
            "{steps: [{rate: 2/s, for: 1m}]}",
            Ramp(points=(Point(at=0, rate=2), Point(at=60, rate=2), Point(at=60, rate=0)), burstiness=1),
        ),
        (
            "{diurnal: {rate: 5/s, amplitude: 60%}}",
            Diurnal(rate=5, amplitude=0.6, period=86400, peak=43200, burstiness=1),
        ),
        (
            "{diurnal: {rate: 5/s, amplitude: 60%, period: 1h, peak: 0s}, burstiness: 2}",
            Diurnal(rate=5, amplitude=0.6, period=3600, peak=0, burstiness=2),
        ),
        ("{rounds: {every: 15m, requests: 3}}", Rounds(every=900, requests=3)),
        ("{rounds: {every: 90s}}", Rounds(every=90, requests=1)),
        ("{users: 20, think: 10s}", Users(count=20, think=10.0)),
        ("{users: 2, think: {exponential: 1m}, ramp_up: 30s}", Users(count=2, think=Exponential(mean=60), ramp_up=30)),
        ("{users: 2, think: {lognormal: {median: 8s, p95: 40s}}}", Users(count=2, think=Lognormal(median=8, p95=40))),
    ],
)
def test_every_kind_of_arrivals(tmp_path: Path, written: str, arrivals: object) -> None:
    assert loaded(tmp_path, {"arrivals": written}).arrivals == arrivals


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("{gamma: 10/s}", "burstiness: missing"),
        ("{gamma: 10/s, burstiness: 0}", "expected more than 0"),
        ("{ramp: [{rate: 1/s}]}", "at least 2"),
        ("{ramp: [{after: 5s, rate: 1/s}, {after: 9s, rate: 1/s}]}", "the first point is the start: 0s"),
        ("{ramp: [{rate: 1/s}, {after: 9s, rate: 1/s}, {after: 9s, rate: 2/s}]}", "expected a later moment"),
        ("{ramp: [{rate: 0/s}, {after: 9s, rate: 0/s}]}", "expected a rate above 0 somewhere"),
        ("{steps: [{rate: 1/s}, {rate: 2/s}]}", "only the last step can go on"),
        ("{users: 0, think: 1s}", "expected at least 1"),
        ("{users: 5}", "think: missing"),
        ("{users: 5, think: 3}", "expected a duration such as 90s or 5m, got 3 without a unit"),
        ("{users: 5, think: soon}", "expected a duration such as 90s or 5m, got `soon`"),
        ("{diurnal: {rate: 5/s, amplitude: 130%}}", "expected a percentage from 0% to 100%"),
        ("{diurnall: {rate: 5/s, amplitude: 10%}}", "Did you mean diurnal?"),
    ],
)
def test_arrivals_that_make_no_sense(tmp_path: Path, written: str, words: str) -> None:
    assert words in problems(tmp_path, SMALL + f"arrivals: {written}\n").replace("  ", ": ")


STREAMS = """\
version: 1
question: Who waits?
model: claude-sonnet-5
arrivals: {poisson: 10/s}
streams:
  - name: chat
    share: 20%
    priority: 2
    workload: &work {duration: 1m, input_tokens: 9, output_tokens: 9, max_tokens: 9}
  - {name: job, share: 80%, model: claude-haiku-4-5, workload: *work}
strategies: [gather, {semaphore: 2, priority: false}]
thresholds: {"latency{stream:chat}": ["p(95) < 2s"]}
"""


def test_streams(tmp_path: Path) -> None:
    scenario = load(write(tmp_path, STREAMS))
    assert scenario.workload is None
    assert [(one.name, one.share, one.priority) for one in scenario.streams] == [("chat", 0.2, 2), ("job", 0.8, 0)]
    assert scenario.models == {"claude-sonnet-5", "claude-haiku-4-5"}
    assert [one.priority for one in scenario.strategies] == [True, False]
    assert [(one.metric, one.aggregate, one.line) for one in scenario.thresholds] == [
        ("latency{stream:chat}", "p95", 12)
    ]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("80%", "70%", "streams: the shares come to 90.0000%; expected 100%"),
        ("name: job", "name: chat", "streams[1].name: a second stream called `chat`"),
        ("share: 80%, ", "", "streams[1]: expected `arrivals` of its own, or a `share`"),
        ("share: 80%,", "share: 80%, arrivals: {poisson: 1/s},", "streams[1].share: not with `arrivals` of its own"),
        ("{poisson: 10/s}", "backlog", "share: of how many?"),
        ("{poisson: 10/s}", "{users: 5, think: 1s}", "users cannot be shared out"),
        ("duration: 1m", "requestz: 5", "streams[0].workload.requestz: unknown key"),
        ("duration: 1m, ", "", "streams[0].workload: expected `requests` or `duration`"),
        ("input_tokens: 9", "input_tokens: trace", "`trace` needs arrivals from a trace"),
        ("streams:", "workload: {requests: 1}\nstreams:", "workload: not with `streams`"),
        ("stream:chat", "stream:chad", "no stream `chad`; there are chat, job. Did you mean chat?"),
        (
            "{stream:chat}",
            "{kind:chat}",
            "tag that is not known; expected one such as latency{stream:interactive}",
        ),
        ("streams:", "streamz:", "workload: missing (or `streams`"),
    ],
)
def test_streams_that_make_no_sense(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert words in problems(tmp_path, STREAMS.replace(old, new)).replace("  ", ": ")


LIMITS = """\
{"data": [{"type": "rate_limit", "group_type": "model_group", "models": ["claude-sonnet-5"],
           "limits": [{"type": "requests_per_minute", "value": 7}]}], "next_page": null}
"""


def test_a_tier_can_be_a_file_beside_the_scenario(tmp_path: Path) -> None:
    path = write(tmp_path, LIMITS, "limits.json")
    scenario = load(write(tmp_path, f"{SMALL}tier: limits.json\n"))
    assert scenario.tier == str(path)
    assert scenario.resolved()["tier"] == "limits.json"


def test_a_wrong_file_of_limits_is_said_with_its_place(tmp_path: Path) -> None:
    said = problems(tmp_path, f"{SMALL}tier: limits.json\n")
    assert "job.yaml:6" in said
    assert "limits.json: No such file" in said
    write(tmp_path, '{"data": []}', "limits.json")
    assert "no entries" in problems(tmp_path, f"{SMALL}tier: limits.json\n")
    assert "start" in problems(tmp_path, f"{SMALL}tier: strat\n")
