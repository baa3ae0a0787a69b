"""`run`, `resume` and `report`: all three end in a summary and a report."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from bench.commands.printing import command_line, may_send, passed, printed, words
from bench.errors import Exit, UsageError

if TYPE_CHECKING:
    from bench.preflight import Preflight
    from bench.scenario.model import Scenario


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
    workers: Annotated[
        int | None, Parameter(help="Share the load among so many processes.", validator=Number(gte=1, lte=10_000))
    ] = None,
    ray: Annotated[
        str | None, Parameter(help="The Ray cluster on which they run, such as 10.0.0.1:6379; local is this machine.")
    ] = None,
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
    yes: Annotated[
        bool, Parameter(name=["--yes", "-y"], negative="", help="Before a run on the API, do not ask.")
    ] = False,
    compare: Annotated[
        str | None, Parameter(help="Hold it against this in the end: a run, a quoted glob, a baseline, a report.")
    ] = None,
    across: Annotated[
        str | None, Parameter(help="What may differ from what it is compared with, by commas: model,tier.")
    ] = None,
    keep_text: Annotated[
        bool, Parameter(negative="", help="Keep some prompts and answers in a private file of the run's folder.")
    ] = False,
    no_html: Annotated[
        bool, Parameter(negative="", help="Draw no report.html: claude-bench report does it later.")
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

    is_live = live or live_port is not None
    if is_live and no_html:
        raise UsageError("the live page becomes the report in the end", "Leave out --no-html, or --live.")
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
    from bench import ci, comparing

    against = (
        comparing.against(compare, scenario=loaded, across=words(across), strict=strict)
        if compare is not None
        else None
    )
    api.refuse_undivided(loaded, workers, ray, keep_text=keep_text)
    checked = None
    if loaded.target == "api" and (checked := _agreed(loaded, yes=yes, quiet=quiet)) is None:
        return Exit.INTERRUPTED
    with api.live_page(loaded, port=0 if live and live_port is None else live_port, say=api.to_stderr) as page:
        with api.watched(
            loaded, quiet=quiet, prometheus=prometheus, otel=otel, beside=page.observer, say=api.to_stderr
        ) as observer:
            finished = api.run(
                loaded,
                out=out,
                observer=observer,
                command=command_line.get(),
                strict=strict,
                against=against,
                keep_text=keep_text,
                workers=workers,
                ray=ray,
                checked=checked,
                html=not no_html,
            )
        code = _show(finished, json=json, quiet=quiet)
        ci.publish(finished.folder, finished.summary, os.environ, api.to_stderr)
        if finished.comparison is not None:
            ci.publish_comparison(finished.comparison, os.environ, api.to_stderr)
        page.hand_over(finished)
    return passed(code, exit_zero=exit_zero)


def _agreed(loaded: Scenario, *, yes: bool, quiet: bool) -> Preflight | None:
    """What a preflight has found; None where a person who has seen what a run comes to does not want it."""
    from bench import api
    from bench.planning import plans
    from bench.preflight import offer, preflight

    if not may_send([loaded], yes=yes, quiet=quiet, more=offer(loaded)):
        return None
    found = preflight(loaded, api.to_stderr)
    if not quiet:
        api.to_stderr(str(found))
    if found.surprises and not plans.is_agreed("Send the rest all the same?", yes=yes):
        api.to_stderr("nothing but the preflight was sent")
        return None
    return found


def resume(
    folder: Annotated[Path, Parameter(help="The folder of a run that was killed or stopped.")],
    /,
    *,
    exit_zero: Annotated[bool, Parameter(negative="", help="Return 0 whatever is found.")] = False,
    json: Annotated[bool, Parameter(negative="", help="Print the summary as JSON on standard output.")] = False,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", help="Only the answer.")] = False,
) -> int:
    """Bring a run to its end: fetch the results of its batches, submit what never was, run what had not begun.

    Nothing that was submitted is submitted again.
    """
    from bench import api

    with api.progress(quiet=quiet) as observer:
        finished = api.resume(folder, observer=observer)
    return passed(_show(finished, json=json, quiet=quiet), exit_zero=exit_zero)


def report(
    folder: Annotated[Path, Parameter(help="The folder of a finished, stopped or killed run.")],
    /,
    *,
    compare: Annotated[
        str | None, Parameter(help="Hold it against this: a run, a quoted glob, a baseline, a report.")
    ] = None,
    across: Annotated[
        str | None, Parameter(help="What may differ from what it is compared with, by commas: model,tier.")
    ] = None,
    show_text: Annotated[
        bool, Parameter(negative="", help="Show the prompts and answers that run --keep-text has kept.")
    ] = False,
    sentence: Annotated[
        bool, Parameter(negative="", help="Print a sentence for each strategy that can be pasted into a ticket.")
    ] = False,
    exit_zero: Annotated[bool, Parameter(negative="", help="Return 0 whatever is found.")] = False,
    json: Annotated[bool, Parameter(negative="", help="Print the summary as JSON on standard output.")] = False,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", help="Only the answer.")] = False,
) -> int:
    """Rebuild the console summary and the HTML report of a run from its records, or of a sweep.  Sends nothing."""
    from bench import api, comparing
    from bench.results.sweep import is_sweep

    if is_sweep(folder):
        return passed(_report_sweep(folder, compare, json=json, quiet=quiet), exit_zero=exit_zero)

    against = None if compare is None else comparing.against(compare, across=words(across))
    finished = api.report(folder, against=against, show_text=show_text)
    if sentence:
        code = printed(lambda: api.show_sentences(finished), finished.summary.exit_code)
    else:
        code = _show(finished, json=json, quiet=quiet)
    return passed(code, exit_zero=exit_zero)


def _report_sweep(folder: Path, compare: str | None, *, json: bool, quiet: bool) -> int:
    from bench.planning import recommend as recommending

    swept = recommending.report(folder, compare=compare)
    return printed(lambda: recommending.show_sweep(swept, folder, json=json, quiet=quiet), swept.exit_code)


def _show(finished: object, *, json: bool, quiet: bool) -> int:
    from bench import api

    assert isinstance(finished, api.Finished)
    return printed(lambda: api.show(finished, json=json, quiet=quiet), finished.summary.exit_code)
