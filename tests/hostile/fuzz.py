"""Changes files at random, as nobody would by hand, and sees what the commands say: words, never a traceback.

    python tests/hostile/fuzz.py MINUTES [SEED]

prints every finding with the seed that makes it again; those go to `test_fuzz_of_files.py`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from unittest.mock import patch

from bench.cli import call
from bench.clock import utc_now
from bench.errors import Exit
from bench.results.ceilings import keep
from bench.results.diagnosis import Diagnosis, Level, Reach, Reaches
from bench.results.environment import machine, versions
from bench.results.folder import rfc3339

HERE = Path(__file__).resolve().parent
SCENARIOS = HERE.parents[1] / "scenarios"
# fmt: off
JUNK = (
    b"\x00", b"\xff", b"\xed\xa0\x80", b"\n", b"\r", b'"', b"'", b"{", b"}", b"[", b"]", b",", b":", b"-", b"#", b"&a ",
    b"*a", b"!x ", b"null", b"NaN", b"Infinity", b"1e400", b"-1", b"0", b"9" * 25, b"9" * 5_000, b"0.0", b"true",
    b'""', b"[]", b"{}", b"\x1b[31m", b"\\ud800", b"\\u0000", b"../..", b"/etc/passwd", b"<script>", b"%s", b"$1",
    b"10%", b"10/s", b"0s", b"-1s", b"99999999999h", b"trace", b"auto", b"x" * 300, b"1970", b"2026-01-01T00:00:00Z",
)
# fmt: on
SMALL = """\
version: 1
question: Does it hold?
model: claude-sonnet-5
workload: {requests: 30, input_tokens: 50, output_tokens: 20, max_tokens: 50, stream: true}
strategies: [{semaphore: 30, name: many}, {semaphore: 4, name: few}]
thresholds: {latency: ["p(95) < 1h"]}
gate: [makespan]
mock: {faults: {overloaded: 10%}}
"""
OF_DATASET = "workload: {requests: 6, dataset: rows.%s, output_tokens: 20, max_tokens: 50}"
OF_TRACE = "arrivals: {trace: {path: rows.%s}}"
BATCHED = "strategies: [{batch: {size: 10}}]"
TIER = b"""{"data": [{"type": "rate_limit", "group_type": "model_group", "models": ["claude-sonnet-5"], "limits":
[{"type": "requests_per_minute", "value": 50}, {"type": "input_tokens_per_minute", "value": 30000}]}]}"""
LIMITS = b"""{"data": [{"type": "rate_limit", "id": "rl_1", "group": {"id": "g", "display_name": "Sonnet", "type":
"model_group"}, "models": ["claude-sonnet-5"], "limits": [{"type": "requests_per_minute", "value": 50},
{"type": "input_tokens_per_minute", "value": 30000}, {"type": "output_tokens_per_minute", "value": 8000}]},
{"type": "rate_limit", "group_type": "batch", "models": null, "limits": [{"type": "requests_per_minute", "value": 50},
{"type": "enqueued_batch_requests", "value": 100000}]}, {"type": "rate_limit", "group_type": "token_count", "models":
null, "limits": [{"type": "requests_per_minute", "value": 100}]}], "next_page": null}"""
KEYS = b"""{"keys": {"sk-ant-a": {"organization": "acme", "workspace": "prod"}, "sk-ant-b": {"organization": "acme",
"admin": true}}, "organizations": {"acme": {"tier": "build", "credit": 5.0, "workspaces": {"prod": {"spend_limit": 100,
"limits": [{"type": "rate_limit", "group_type": "model_group", "models": ["claude-sonnet-5"], "limits":
[{"type": "requests_per_minute", "value": 20}]}]}}}}}"""
SETTINGS = b"""{"tier": "start", "burst": 15.0, "ttft": [0.8, 2.5], "tokens_per_second": [75.0, 105.0], "seed": 3,
"batch_time": [60.0, 90.0], "spend_cap": 5.0, "chars_per_token": {"sonnet": 3.0},
"faults": {"overloaded": {"rate": 0.1, "retry_after": 2.0}, "stall": {"rate": 0.01, "delay": 5.0}}}"""
PROFILE = b"""{"families": {"sonnet": {"ttft": [0.8, 2.5], "tokens_per_second": [75.0, 105.0], "load": 0.06}}}"""
SPANS = b"""{"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "chat", "spanId": "1", "startTimeUnixNano": "1000",
"attributes": [{"key": "gen_ai.usage.input_tokens", "value": {"intValue": "5"}},
{"key": "gen_ai.usage.output_tokens", "value": {"intValue": "5"}}]}]}]}]}"""
ROWS = {
    "jsonl": b'{"prompt": "one"}\n{"prompt": "two"}\n',
    "csv": b'prompt,n\none,1\n"two\nlines",2\n',
}
TRACES = {
    "csv": b"TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.68,374,44\n2023-11-16 18:15:50.95,396,109\n",
    "jsonl": b'{"TIMESTAMP": 1.0, "ContextTokens": 5, "GeneratedTokens": 6}\n{"TIMESTAMP": 2.0, "ContextTokens": 5, '
    b'"GeneratedTokens": 6}\n',
    "json": SPANS,
}
PLAYED = ["run", "job.yaml", "--target=mock", "--speed=100", "--set=workload.requests=3", "--quiet", "--out=done"]
OF_RUN = ("run.json", "records.jsonl", "summary.json", "passes.json", "batches.jsonl", "texts.jsonl")
READERS = (
    ["report", "run"], ["report", "run", "--json"], ["report", "run", "--show-text"], ["compare", "run", "other"],
    ["compare", "other", "run", "--html", "c.html"], ["export", "run", "--to", "csv"], ["export", "run", "--to=junit"],
    ["export", "run", "--to", "openmetrics"], ["export", "run", "--to", "otel"], ["export", "run", "--to", "bmf"],
    ["export", "run", "--to", "markdown"], ["baseline", "save", "b", "run"], ["resume", "run"], ["recommend", "run"],
    ["calibrate", "run"],
)  # fmt: skip


def mutated(content: bytes, draw: random.Random) -> bytes:
    """The same with up to four changes."""
    for _ in range(draw.randint(1, 4)):
        place = draw.randint(0, len(content))
        end = min(len(content), place + draw.choice((0, 0, 1, 1, 3, 10, 60)))
        match draw.randint(0, 9):
            case 0:
                content = content[:place]
            case 1:
                content = content[:end] + content[place:end] * draw.choice((1, 2, 50)) + content[end:]
            case 2:
                words = content[place:].split(b" ", 2)
                content = content[:place] + b" ".join([*words[:1], draw.choice(JUNK), *words[2:]])
            case 3 | 4 | 5:
                content = _value_replaced(content, place, draw)
            case _:
                content = content[:place] + draw.choice(JUNK) + content[end:]
    return content


def changed(content: bytes, draw: random.Random) -> bytes:
    """JSON, or lines of it, of which up to three values are others or gone; any other file mutated."""
    if draw.random() < 0.3:
        return mutated(content, draw)
    try:
        whole = [json.loads(content)]
    except ValueError:
        whole = [json.loads(line) for line in content.splitlines()]
    for _ in range(draw.randint(1, 3)):
        _change(draw.choice(whole or [{}]), draw)
    indent = 2 if len(whole) == 1 else None
    return b"".join(json.dumps(one, indent=indent).encode() + b"\n" for one in whole)


def _change(value: object, draw: random.Random) -> None:
    """One value in it, at any depth, becomes another or goes."""
    while isinstance(value, dict | list) and value:
        key = draw.choice(list(value)) if isinstance(value, dict) else draw.randrange(len(value))
        inner = value[key]
        if not isinstance(inner, dict | list) or not inner or draw.random() < 0.15:
            if draw.random() < 0.2:
                del value[key]
            else:
                value[key] = deepcopy(draw.choice(VALUES))
            return
        value = inner


# fmt: off
VALUES: tuple[object, ...] = (
    None, True, -1, 0, 1, 7, 10**9, 10**15, 2**63, -(2**63), 10**40, 0.5, -1e308, 1e308, 5e-324, [], {}, [[]], [1],
    "", "x", "x" * 5_000, "\x1b[31m", "\ud800", "../../x", "<script>", "gather", "sim", "2026-13-99", "NaN", "\n", "%s",
    {"a": 1}, [None], {"": {}}, "p(95) < 1s", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z",
)
# fmt: on


def _value_replaced(content: bytes, place: int, draw: random.Random) -> bytes:
    """The next value behind a colon becomes another."""
    start = content.find(b":", place) + 1
    if not start:
        return content
    ends = [end for mark in (b",", b"}", b"\n", b"]") if (end := content.find(mark, start)) >= 0]
    value = draw.choice((*JUNK, b'"text"', b"[1]", b'{"a": 1}', b"-5", b"1e308", b"9223372036854775808", b"2"))
    return content[:start] + b" " + value + content[min(ends, default=len(content)) :]


KINDS = (
    "shipped", "small", "planned", "dataset", "trace", "tier", "limits", "profile", "calibrated", "run", "run", "run",
    "baseline", "report", "sweep", "sweep", "doctor", "keys", "settings",
)  # fmt: skip


def attempts(draw: random.Random) -> list[list[str]]:
    """Write changed files to this folder, and say which commands read them."""
    kind = draw.choice(KINDS)
    run = ["run", "job.yaml", "--quiet", "--out", "done", "--exit-zero"]
    job = Path("job.yaml")
    job.write_text(SMALL)
    match kind:
        case "shipped":
            chosen = draw.choice(sorted(SCENARIOS.glob("*.yaml")))
            job.write_bytes(mutated(chosen.read_bytes(), draw))
            return [["explain", "job.yaml"]]
        case "small":
            job.write_bytes(mutated(SMALL.encode(), draw))
            return [["explain", "job.yaml"], [*run, "--set=workload.requests=9"]]
        case "planned":
            job.write_bytes(mutated(SMALL.encode(), draw))
            return [["plan", "job.yaml", "--html=p.html"], ["sweep", "job.yaml", "--in-flight=1,2", "--seeds=1"]]
        case "dataset":
            ending = draw.choice(sorted(ROWS))
            Path(f"rows.{ending}").write_bytes(mutated(ROWS[ending], draw))
            job.write_text(with_lines(OF_DATASET % ending))
        case "trace":
            ending = draw.choice(sorted(TRACES))
            Path(f"rows.{ending}").write_bytes(mutated(TRACES[ending], draw))
            job.write_text(
                with_lines(OF_TRACE % ending, "workload: {input_tokens: trace, output_tokens: trace, max_tokens: 50}")
            )
        case "tier":
            Path("tier.json").write_bytes(changed(TIER, draw))
            return [["explain", "tier.json"], [*run, "--tier=tier.json", "--set=workload.requests=9"]]
        case "limits":
            Path("limits.json").write_bytes(changed(LIMITS, draw))
            return [["explain", "limits.json"], ["plan", "job.yaml", "--closed-form", "--tier=limits.json"]]
        case "keys" | "settings":
            Path("it.json").write_bytes(changed(KEYS if kind == "keys" else SETTINGS, draw))
            return [
                ["serve", f"--{kind}=it.json", "--host=203.0.113.1"]
            ]  # an address that is nobody's: it cannot listen
        case "sweep":
            Path("swept/sweep.json").write_bytes(changed(Path("swept/sweep.json").read_bytes(), draw))
            return [["report", "swept"], ["recommend", "swept", "--json"], ["report", "swept", "--quiet"]]
        case "doctor":
            found = Path("cache/claude-bench/doctor.json")
            found.write_bytes(changed(found.read_bytes(), draw))
            return [PLAYED]
        case "profile" | "calibrated":
            content = PROFILE if kind == "profile" else Path("calibrated.json").read_bytes()
            Path("profile.json").write_bytes(changed(content, draw))
            job.write_text(with_lines("mock: {latency: {profile: profile.json}}"))
        case "run":
            name = draw.choice([name for name in OF_RUN if Path("run", name).exists()])
            Path("run", name).write_bytes(changed(Path("run", name).read_bytes(), draw))
            if name == "records.jsonl" and draw.random() < 0.5:
                Path("run", "summary.json").unlink()
            return draw.sample(READERS, 3)
        case "baseline":
            Path("baselines/kept.json").write_bytes(changed(Path("baselines/kept.json").read_bytes(), draw))
            return [["baseline", "list"], ["baseline", "show", "kept"], ["compare", "kept", "other"]]
        case "report":
            Path("other.html").write_bytes(mutated(Path("other/report.html").read_bytes(), draw))
            return [["compare", "other.html", "run"]]
    return [run]


def with_lines(*lines: str) -> str:
    """The small scenario, with these lines instead of those of the same keys."""
    replaced = {line.partition(":")[0] for line in lines}
    return "\n".join([*(one for one in SMALL.splitlines() if one.partition(":")[0] not in replaced), *lines, ""])


def prepare(folder: Path) -> None:
    """Runs, a baseline and a report to change."""
    with contextlib.chdir(folder), quiet():
        Path("job.yaml").write_text(SMALL)
        Path("batched.yaml").write_text(with_lines(BATCHED))
        call(["run", "job.yaml", "--quiet", "--out", "other"])
        call(["run", "job.yaml", "--quiet", "--out", "live", "--keep-text"])
        call(["run", "batched.yaml", "--quiet", "--out", "batched"])
        call(["baseline", "save", "kept", "other", "--quiet"])
        call(["baseline", "save", "kept", "other"])
        call(["sweep", "job.yaml", "--in-flight=1,4", "--seeds=2", "--processes=1", "--quiet", "--out=swept"])
        call(["run", "job.yaml", "--quiet", "--set=workload.requests=60", "--out=longer"])
        call(["calibrate", "longer", "--quiet", "--out=calibrated.json"])
        keep(_diagnosis(), folder / "cache" / "claude-bench")


def _diagnosis() -> Diagnosis:
    """What the doctor would have found of this machine just now."""
    levels = (Level(10.0, 30, 0.01, 0.02, 0.3, 0.0), Level(20.0, 60, 0.1, None, 0.9, 0.01))
    reach = Reach(10.0, 20.0, levels)
    both = Reaches(reach, reach, reach)
    return Diagnosis(
        measured_at=rfc3339(utc_now()), versions=versions(), machine=machine(), event_loop="asyncio",
        clock_resolution=1e-9, open_files=1024, load=0.1, quick=True, sdk=both, wire=both,
    )  # fmt: skip


def tried(seed: int, prepared: Path, folder: Path, before: Callable[[list[str]], None] = lambda _: None) -> list[str]:
    """What is a bug in the commands that this seed makes; none is what it should be."""
    draw = random.Random(seed)
    shutil.copytree(prepared, folder, dirs_exist_ok=True)
    shutil.move(folder / draw.choice(("live", "batched")), folder / "run")
    found = []
    with contextlib.chdir(folder), patch.dict(os.environ, XDG_CACHE_HOME=str(folder / "cache")):
        for arguments in attempts(draw):
            before(arguments)
            with quiet() as said:
                code = call(arguments)
            if code == Exit.BUG or code not in set(Exit):
                _, known, kept = said.getvalue().rpartition("report it with ")
                words = Path(kept.strip()).read_text() if known else f"exit code {code}"
                found.append(f"{seed}: {' '.join(arguments)}\n{words}")
    return found


@contextlib.contextmanager
def quiet() -> Iterator[io.StringIO]:
    """What commands say, kept from the terminal."""
    said = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="surrogateescape")
    errors = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(errors):
        yield errors


def main(minutes: float, seed: int) -> None:
    """Try one seed after the other."""
    end, last = time.monotonic() + 60 * minutes, ""
    with tempfile.TemporaryDirectory() as place:
        prepared = Path(place) / "prepared"
        prepared.mkdir()
        prepare(prepared)
        began = seed
        while time.monotonic() < end:
            started = time.process_time()
            folder = Path(place) / "tried"
            for finding in tried(seed, prepared, folder):
                if (where := finding.strip().splitlines()[-1]) != last:
                    print(finding, flush=True)
                last = where
            if (took := time.process_time() - started) > 10:
                print(f"{seed}: took {took:.0f} s of this processor", flush=True)
            shutil.rmtree(folder)
            seed += 1
        print(f"{seed - began} tries")


if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "agg")
    main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
