"""The command line: parse, call `api`, print, exit.  No logic, and nothing heavy imported before a command needs it."""

from __future__ import annotations

import os
import sys
from contextvars import ContextVar
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter
from cyclopts.validators import Number

from bench.errors import BenchError, Exit

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
    speed: Annotated[float | None, Parameter(help="On mock: scenario time passes this many times faster.")] = None,
    max_cost: Annotated[
        float | None, Parameter(help="Stop before this many dollars.  Needed for --target api.")
    ] = None,
    max_requests: Annotated[int | None, Parameter(help="Stop after this many attempts.")] = None,
    max_time: Annotated[str | None, Parameter(help="Stop after this long, such as 10m.")] = None,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"], help="Folder for the results.")] = None,
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
    with api.progress(quiet=quiet) as observer:
        finished = api.run(loaded, out=out, observer=observer, command=_line.get())
    return _show(finished, json=json, quiet=quiet)


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


def _show(finished: object, *, json: bool, quiet: bool) -> int:
    from bench import api

    assert isinstance(finished, api.Finished)
    try:
        api.show(finished, json=json, quiet=quiet)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):  # rich turns the former into the latter, with a code of its own
        # Whoever read (head, say) has seen enough.  The exit code stays that of the run.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return finished.summary.exit_code
