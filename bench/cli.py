"""The command line: parse, call `api`, print, exit.  No logic, and nothing heavy imported before a command needs it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextvars import ContextVar
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter
from cyclopts.validators import Number

from bench.errors import INTERRUPTIONS, BenchError, Exit

_line: ContextVar[list[str]] = ContextVar("line")
"""The command line that is being run, as the run folder notes it down."""

app = App(
    name="claude-bench",
    help="Benchmark and load-test the Claude API: which strategy, how many in flight, how long, how much.",
    version=lambda: version("claude-bench"),
    result_action="return_value",
)


@app.command
def run(
    scenario: Annotated[str, Parameter(help="A shipped scenario's name, or the path of a scenario file.")],
    /,
    *,
    target: Annotated[
        str | None, Parameter(name=["--target", "-t"], help="sim, mock, api, or the URL of a gateway.")
    ] = None,
    tier: Annotated[str | None, Parameter(help="Rate limits to assume: start, build, scale ... or a file.")] = None,
    strategy: Annotated[str | None, Parameter(help="Only these strategies, separated by commas.")] = None,
    case: Annotated[str | None, Parameter(help="Only these cases of the scenario, separated by commas.")] = None,
    set_: Annotated[
        list[str] | None,
        Parameter(name="--set", negative="", help="Override a value: workload.requests=500.  May be repeated."),
    ] = None,
    seed: Annotated[int | None, Parameter(help="Seed of everything random.")] = None,
    repeat: Annotated[int | None, Parameter(name=["--repeat", "-r"], help="Run each strategy this often.")] = None,
    interleave: Annotated[  # noqa: ARG001  so that a line may say what it relies on
        bool, Parameter(negative="", help="Repeat in rounds, a b a b, so that both meet the same hour: always so.")
    ] = True,
    speed: Annotated[float | None, Parameter(help="On mock: scenario time passes this many times faster.")] = None,
    max_cost: Annotated[
        float | None, Parameter(help="Stop before this many dollars.  Needed for --target api.")
    ] = None,
    max_requests: Annotated[int | None, Parameter(help="Stop after this many attempts.")] = None,
    max_time: Annotated[str | None, Parameter(help="Stop after this long, such as 10m.")] = None,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"], help="Folder for the results.")] = None,
    live: Annotated[
        bool, Parameter(negative="", help="Serve a page on this machine that shows the run as it goes.")
    ] = False,
    live_port: Annotated[
        int | None, Parameter(help="The same, on this port.", validator=Number(gte=0, lte=65535))
    ] = None,
    prometheus: Annotated[
        int | None, Parameter(help="Serve /metrics on this port meanwhile.", validator=Number(gte=0, lte=65535))
    ] = None,
    otel: Annotated[
        bool, Parameter(negative="", help="Push OpenTelemetry metrics meanwhile, as the OTEL_ variables say.")
    ] = False,
    strict: Annotated[
        bool, Parameter(negative="", help="Fail when a threshold cannot be told, or the numbers not be believed.")
    ] = False,
    exit_zero: Annotated[
        bool, Parameter(negative="", help="Return 0 whatever is found: summary.json has the code and the reasons.")
    ] = False,
    json: Annotated[bool, Parameter(negative="", help="Print the summary as JSON on standard output.")] = False,
    quiet: Annotated[
        bool, Parameter(name=["--quiet", "-q"], negative="", help="Only the answer, no progress.")
    ] = False,
) -> int:
    """Run a scenario, print the answer, write a report.

    The default target is free: the API is only used when `--target api` is written out.
    """
    from bench import api

    loaded = api.load(
        scenario,
        flags=api.flags(
            target=target,
            tier=tier,
            seed=seed,
            repeat=repeat,
            speed=speed,
            max_cost=max_cost,
            max_requests=max_requests,
            max_time=max_time,
        ),
        settings=set_ or [],
        strategies=strategy.split(",") if strategy else [],
        cases=case.split(",") if case else [],
    )
    from bench import ci

    with api.live_page(loaded, port=0 if live and live_port is None else live_port, say=api.to_stderr) as page:
        with api.watched(
            loaded, quiet=quiet, prometheus=prometheus, otel=otel, beside=page.observer, say=api.to_stderr
        ) as observer:
            finished = api.run(loaded, out=out, observer=observer, command=_line.get(), strict=strict)
        code = _show(finished, json=json, quiet=quiet)
        ci.publish(finished.folder, finished.summary, os.environ, api.to_stderr)
        page.hand_over(finished)
    return Exit.OK if exit_zero and code not in INTERRUPTIONS else code


@app.command
def resume(
    folder: Annotated[Path, Parameter(help="The folder of a run that was killed or stopped.")],
    /,
    *,
    json: Annotated[bool, Parameter(negative="", help="Print the summary as JSON on standard output.")] = False,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", help="Only the answer.")] = False,
) -> int:
    """Bring a run to its end: fetch the results of its batches, submit what never was, run what had not begun.

    Nothing that was submitted is submitted again.
    """
    from bench import api

    with api.progress(quiet=quiet) as observer:
        finished = api.resume(folder, observer=observer)
    return _show(finished, json=json, quiet=quiet)


@app.command
def report(
    folder: Annotated[Path, Parameter(help="The folder of a finished, stopped or killed run.")],
    /,
    *,
    json: Annotated[bool, Parameter(negative="", help="Print the summary as JSON on standard output.")] = False,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", help="Only the answer.")] = False,
) -> int:
    """Rebuild the console summary and the HTML report of a run from its records.  Sends nothing."""
    from bench import api

    return _show(api.report(folder), json=json, quiet=quiet)


@app.command
def export(
    folder: Annotated[Path, Parameter(help="The folder of a finished, stopped or killed run.")],
    /,
    *,
    to: Annotated[
        str,
        Parameter(
            help="junit, markdown, csv, parquet, openmetrics, pytest-benchmark, gh-benchmark, gh-benchmark-bigger, bmf "
            "or otel."
        ),
    ],
    rows: Annotated[
        str | None, Parameter(help="Of csv and parquet: a row for each of requests, attempts or numbers.")
    ] = None,
    out: Annotated[
        Path | None, Parameter(name=["--out", "-o"], help="File to write instead of standard output.")
    ] = None,
) -> int:
    """Write a run in the format of another tool.  Sends nothing."""
    from bench import exporting

    return _printed(lambda: exporting.export(folder, to, out=out, rows=rows), Exit.OK)


@app.command
def compare(
    *sides: Annotated[str, Parameter(help="Base and new: run folders, quoted globs, baselines or reports.")],
    gate: Annotated[str | None, Parameter(help="Metrics it may fail on, by commas: ttft.p95,cost_per_success.")] = None,
    min_effect: Annotated[str | None, Parameter(help="The least change that matters, such as 10%.")] = None,
    strategy: Annotated[str | None, Parameter(help="Only these strategies, separated by commas.")] = None,
    across: Annotated[
        str | None, Parameter(help="What may differ between the two questions, by commas: model,tier.")
    ] = None,
    calibrate: Annotated[
        bool, Parameter(negative="", help="Hold one thing (runs, or a scenario to run) against itself.")
    ] = False,
    repeat: Annotated[int, Parameter(name=["--repeat", "-r"], help="To calibrate a scenario: run it so often.")] = 10,
    target: Annotated[
        str | None, Parameter(name=["--target", "-t"], help="To calibrate a scenario: sim, mock, api or a URL.")
    ] = None,
    strict: Annotated[bool, Parameter(negative="", help="Fail, with 4, when a gate is inconclusive.")] = False,
    html: Annotated[Path | None, Parameter(help="Write a page with the intervals drawn.")] = None,
    junit: Annotated[Path | None, Parameter(help="Write JUnit XML, a case a gate.")] = None,
    baselines: Annotated[Path, Parameter(help="Folder of the baselines.")] = Path("baselines"),
    json: Annotated[bool, Parameter(negative="", help="Print what was found as JSON.")] = False,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", help="Only the verdict.")] = False,
) -> int:
    """Tell whether NEW is slower, dearer or less reliable than BASE.

    The unit is the run.  Only the metrics of the scenario's `gate`, or of --gate, can make it fail: with 3.
    """
    from bench import api, ci, comparing, exporting

    if calibrate:
        named = comparing.one_side(sides)
        with api.progress(quiet=quiet) as observer:
            found = comparing.calibrate_named(
                named,
                gate=_words(gate),
                min_effect=min_effect,
                baselines=baselines,
                repeat=repeat,
                target=target,
                observer=observer,
                command=_line.get(),
                say=api.to_stderr,
            )
        return _printed(lambda: comparing.show_calibration(found, json=json), Exit.OK)
    compared = comparing.compare_sides(
        *comparing.two_sides(sides),
        gate=_words(gate),
        min_effect=min_effect,
        across=_words(across),
        strategies=_words(strategy),
        strict=strict,
        baselines=baselines,
    )
    if html:
        comparing.write_page(compared, html)
    if junit:
        exporting.export_comparison(compared, junit)
    code = _printed(lambda: comparing.show(compared, json=json, quiet=quiet), compared.exit_code)
    ci.publish_comparison(compared, os.environ, api.to_stderr)
    return code


baseline = App(name="baseline", help="Save runs as a baseline to compare with: a small JSON file made to be committed.")
app.command(baseline)


@baseline.command
def save(
    name: Annotated[str, Parameter(help="What to call it.")],
    *runs: Annotated[str, Parameter(help="Run folders, globs or reports.")],
    add: Annotated[bool, Parameter(negative="", help="Keep the runs it has, the last ten of all.")] = False,
    baselines: Annotated[Path, Parameter(help="Folder of the baselines.")] = Path("baselines"),
) -> int:
    """Save runs under a name."""
    from bench import finding

    print(finding.save(name, runs, baselines=baselines, add=add))
    return Exit.OK


@baseline.command(name="list")
def list_(*, baselines: Annotated[Path, Parameter(help="Folder of the baselines.")] = Path("baselines")) -> int:
    """List the baselines."""
    from bench import comparing

    comparing.print_baselines(baselines)
    return Exit.OK


@baseline.command
def show(
    name: Annotated[str, Parameter(help="Its name.")],
    *,
    baselines: Annotated[Path, Parameter(help="Folder of the baselines.")] = Path("baselines"),
) -> int:
    """Show what a baseline holds: its runs, and what is typical of them."""
    from bench import comparing

    comparing.print_baseline(name, baselines)
    return Exit.OK


@app.command
def scenarios() -> int:
    """List the shipped scenarios, one question each."""
    from bench import api

    api.print_scenarios()
    return Exit.OK


@app.command
def serve(
    *,
    tier: Annotated[
        str | None, Parameter(help="Rate limits to enforce: start, build, scale ..., or a .json file of limits.")
    ] = None,
    host: Annotated[str, Parameter(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, Parameter(help="Port to listen on; 0 takes a free one.", validator=Number(gte=0, lte=65535))
    ] = 8080,
    speed: Annotated[
        float, Parameter(help="Latencies and refills pass this many times faster.", validator=Number(gt=0))
    ] = 1.0,
    keys: Annotated[str | None, Parameter(help="File of keys, organisations and workspaces.")] = None,
    fault: Annotated[
        list[str] | None, Parameter(negative="", help="What goes wrong on purpose: overloaded=5%.  May be repeated.")
    ] = None,
    settings: Annotated[str | None, Parameter(help="File with everything that can be set.")] = None,
    profile: Annotated[str | None, Parameter(help="File of measured latencies, in place of the presets.")] = None,
) -> int:
    """Run the mock server alone, for any Claude client."""
    from bench import api

    api.serve(
        tier=tier,
        host=host,
        port=port,
        speed=speed,
        keys=keys,
        faults=fault or [],
        settings=settings,
        profile=profile,
    )
    return Exit.OK


@app.command
def schema(
    *, write: Annotated[bool, Parameter(negative="", help="Write it to scenarios/scenario.schema.json.")] = False
) -> int:
    """Print the JSON Schema (draft-07) of scenario files, for editors."""
    from bench import api

    api.print_schema(write=write)
    return Exit.OK


def main() -> None:
    """The installed command."""
    sys.exit(call(sys.argv[1:]))


def call(arguments: list[str]) -> int:
    """Run one command line and return its exit code.  Whatever goes wrong is said in words."""
    _line.set(arguments)
    try:
        return int(app(arguments, exit_on_error=False, print_error=False) or Exit.OK)
    except CycloptsError as problem:
        return _fail(Exit.USAGE, str(problem), "See claude-bench --help.")
    except BenchError as problem:
        _publish_error(problem)
        return _fail(problem.exit_code, str(problem), problem.hint)
    except KeyboardInterrupt:
        return _fail(Exit.INTERRUPTED, "interrupted", "")
    except Exception:
        from bench import api

        return _fail(Exit.BUG, "a bug in claude-bench", f"Please report it with {api.save_traceback()}")


def _fail(code: Exit, message: str, hint: str) -> int:
    for words in filter(None, (f"claude-bench: {message}", hint)):
        print(words, file=sys.stderr, flush=True)
    return code


def _publish_error(problem: BenchError) -> None:
    if os.environ.get("GITHUB_ACTIONS"):
        from bench import api, ci

        ci.publish_error(problem, os.environ, api.to_stderr)


def _show(finished: object, *, json: bool, quiet: bool) -> int:
    from bench import api

    assert isinstance(finished, api.Finished)
    return _printed(lambda: api.show(finished, json=json, quiet=quiet), finished.summary.exit_code)


def _printed(show: Callable[[], None], exit_code: int) -> int:
    """Print what was found and return its exit code."""
    try:
        show()
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):  # rich turns the former into the latter, with a code of its own
        # Whoever read (head, say) has seen enough.  The exit code stays that of what was found.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return exit_code


def _words(flag: str | None) -> list[str]:
    """What a flag names, separated by commas."""
    return [word.strip() for word in flag.split(",")] if flag else []
