"""Rewrites a page whose figures are measured: runs every command that its template names and fills in what came out.

    python docs/measured.py claims > docs/claims.md

A template holds the words, and beside each verdict the condition under which it may be said: where a figure no longer
bears its sentence out, nothing is written.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2
import msgspec

from bench.planning.rates import allowed, binding, in_flight
from bench.results import format
from bench.results.summary import PassSummary, StreamSummary, Summary
from mock_server.tiers import limits_for

DOCS = Path(__file__).parent

PAGES = ("claims", "choosing")

_NAMED = re.compile(r"""\brun\("([^"]+)"\)""")


@dataclass(frozen=True, slots=True)
class Measured:
    """A command and the summary of its run."""

    command: str
    summary: Summary

    def of(self, strategy: str, case: str | None = None) -> PassSummary:
        """The pass of a strategy.  KeyError if there is none."""
        for one in self.summary.passes:
            if one.strategy == strategy and one.case == case:
                return one
        raise KeyError(f"{self.command}: no pass of {strategy} {case or ''}")

    def stream(self, name: str, strategy: str) -> StreamSummary:
        """One stream of a strategy's pass.  KeyError if there is none."""
        for one in self.of(strategy).streams:
            if one.name == name:
                return one
        raise KeyError(f"{self.command}: no stream {name} in {strategy}")


@cache
def measure(arguments: str) -> Measured:
    """Run `claude-bench run` with these arguments in a folder of its own, on the simulation, which costs nothing.

    The simulation repeats exactly, so pages share what was measured.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "bench",
            "run",
            *shlex.split(arguments),
            "--target",
            "sim",
            "--json",
            "--quiet",
            "--no-html",
        ]
        done = subprocess.run([*command, "--out", f"{folder}/run"], capture_output=True, check=False)
    if not done.stdout:
        raise SystemExit(f"claude-bench run {arguments}: {done.stderr.decode()}")
    return Measured(f"claude-bench run {arguments}", msgspec.json.decode(done.stdout, type=Summary))


def must(condition: bool, words: str) -> str:
    """Stop unless the figures still bear these words out."""
    if not condition:
        raise SystemExit(f"the template says what was not measured: {words}")
    return words


def page(name: str) -> str:
    """The page of that name, from measurements made now."""
    source = (DOCS / f"{name}.md.jinja").read_text()
    commands = sorted(set(_NAMED.findall(source)))
    with ThreadPoolExecutor(os.cpu_count()) as several:
        measured = dict(zip(commands, several.map(measure, commands), strict=True))
    shown = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, keep_trailing_newline=True)
    shown.filters.update(
        seconds=format.seconds, share=format.share, dollars=format.dollars, number=format.number, three=format.three
    )
    arithmetic = {"limits": limits_for, "allowed": allowed, "binding": binding, "in_flight": in_flight}
    written = shown.from_string(source).render(run=measured.__getitem__, must=must, **arithmetic)
    return re.sub(r"\n{3,}", "\n\n", written)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in PAGES:
        raise SystemExit(f"python docs/measured.py {'|'.join(PAGES)}")
    sys.stdout.write(page(sys.argv[1]))
