"""The command line: its commands, and what their errors look like.

Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import version

from cyclopts import App, CycloptsError

from bench.commands.baseline import list_, save, show
from bench.commands.calibrate import calibrate
from bench.commands.compare import compare
from bench.commands.doctor import doctor
from bench.commands.explain import explain
from bench.commands.export import export
from bench.commands.init import init
from bench.commands.limits import limits
from bench.commands.observe import observe
from bench.commands.plan import plan
from bench.commands.printing import command_line
from bench.commands.recommend import recommend
from bench.commands.run import report, resume, run
from bench.commands.scenarios import scenarios, schema
from bench.commands.serve import serve
from bench.commands.sweep import sweep
from bench.errors import DISK, BenchError, Exit

READERS = ("report", "export", "compare", "baseline", "recommend", "calibrate")
"""Commands that only read what an earlier one has written.  Each file is checked by itself, and still two of them, be
it from somebody else, may say what cannot both be."""

app = App(
    name="claude-bench",
    help="Benchmark and load-test the Claude API: which strategy, how many in flight, how long, how much.",
    version=lambda: version("claude-bench"),
    result_action="return_value",
)
baseline = App(name="baseline", help="Save runs as a baseline to compare with: a small JSON file made to be committed.")

app.command(init)
app.command(run)
app.command(resume)
app.command(report)
app.command(compare)
app.command(baseline)
app.command(export)
app.command(plan)
app.command(sweep)
app.command(recommend)
app.command(explain)
app.command(limits)
app.command(calibrate)
app.command(observe)
app.command(doctor)
app.command(scenarios)
app.command(serve)
app.command(schema)
baseline.command(save)
baseline.command(list_, name="list")
baseline.command(show)


def main() -> None:
    """The installed command."""
    sys.exit(call(sys.argv[1:]))


def call(arguments: list[str]) -> int:
    """Run one command line and return its exit code.  Whatever goes wrong is said in words."""
    command_line.set(arguments)
    try:
        return int(app(arguments, exit_on_error=False, print_error=False) or Exit.OK)
    except CycloptsError as problem:
        return _fail(Exit.USAGE, str(problem), "See claude-bench --help.")
    except BenchError as problem:
        _publish_error(problem)
        return _fail(problem.exit_code, str(problem), problem.hint)
    except KeyboardInterrupt:
        return _fail(Exit.INTERRUPTED, "interrupted", "")
    except Exception as bug:
        from bench import api

        if isinstance(bug, OSError) and bug.errno in DISK:
            return _fail(Exit.NOT_VALID, f"cannot write {bug.filename or 'a file'}: {bug.strerror}", "Make room.")
        traceback = api.save_traceback()
        if arguments[0] in READERS:
            words = "what was read contradicts itself: it is damaged, or was changed by hand"
            return _fail(Exit.USAGE, words, f"If neither can be, it is a bug: please report it with {traceback}")
        return _fail(Exit.BUG, "a bug in claude-bench", f"Please report it with {traceback}")


def _fail(code: Exit, message: str, hint: str) -> int:
    from bench.results.redact import in_words

    for words in filter(None, (in_words(f"claude-bench: {message}"), hint)):  # hints are our own words
        print(words, file=sys.stderr, flush=True)
    return code


def _publish_error(problem: BenchError) -> None:
    if os.environ.get("GITHUB_ACTIONS"):
        from bench import api, ci

        ci.publish_error(problem, os.environ, api.to_stderr)
