"""What the command line and `embedded` call: load a scenario, run it, report on it."""

from __future__ import annotations

import sys
import tempfile
import traceback
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import date, datetime
from os import PathLike
from pathlib import Path
from threading import Lock
from time import sleep
from typing import TYPE_CHECKING, Protocol, TextIO, TypeAlias

import msgspec
import numpy as np

from bench.clock import monotonic, utc_now
from bench.engine.abort import Abort
from bench.engine.observe import Observer, Observers
from bench.engine.run import PassEnd, run_passes
from bench.engine.stop import Stop, interruptible
from bench.engine.surroundings import Surroundings
from bench.errors import DISK, DiskError, TargetError, UsageError
from bench.noting import hash_of, info_of, letters
from bench.preflight import Preflight, preflight
from bench.reading import judge_of, summarize_run
from bench.results import folder as folders
from bench.results import merging
from bench.results.batches import BATCHES, BatchLog, read_events, unfetched
from bench.results.columns import Columns
from bench.results.comparison import Comparison, counted
from bench.results.cost import prices_of
from bench.results.durable import carried_to_disk
from bench.results.folder import Ending, Journal, LoadedRun, PassNote, Recipe, RunInfo
from bench.results.format import count
from bench.results.record import OfPass, Record, read_records
from bench.results.redact import bare_url, in_words, secrets
from bench.results.sends import Send, SendLog
from bench.results.summarize import overhead
from bench.results.summary import Overhead, PassSummary, Summary
from bench.results.texts import Text, Texts, read_texts
from bench.resuming import after
from bench.scenario.load import find, select, shipped
from bench.scenario.load import load as load_file
from bench.scenario.model import Scenario
from bench.scenario.problems import nearest
from bench.spending import surroundings
from bench.targets.target import Target, open_targets
from mock_server.tiers import TIERS

if TYPE_CHECKING:
    from rich.console import Console

Against: TypeAlias = Callable[[Path], Comparison | None]
"""How the run in a folder is held against something else; nothing is found of one that recorded nothing."""

DRAWING = Lock()
"""One report at a time: the settings of matplotlib are the whole program's."""


def to_stderr(words: str) -> None:
    """Tell a person at once, beside what is printed."""
    print(words, file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True, repr=False)
class Finished:
    """A run that has come to its end, well or not."""

    folder: Path
    """What was recorded, and report.html."""
    summary: Summary
    comparison: Comparison | None = None
    """What was found when it was held against something else, if it was."""
    spent: float | None = None
    """US dollars as the budget counted them, what nobody knows at its worst; None for a run that is only read back."""

    @property
    def page(self) -> Path:
        """What a person opens: report.html, or the folder where none was drawn."""
        return page if (page := self.folder / folders.REPORT).exists() else self.folder

    @property
    def passes(self) -> tuple[PassSummary, ...]:
        """What each strategy came to."""
        return self.summary.passes

    def columns(self) -> list[Columns]:
        """The requests and attempts of each pass, in the order of `passes`, as numpy arrays."""
        return folders.load(self.folder).passes

    def records(self) -> Iterator[Record]:
        """Every request with its attempts, in the order in which they ended."""
        return read_records(self.folder / folders.RECORDS)

    def __repr__(self) -> str:
        return f"<run {self.folder}: {self.summary.answer}>"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from reports.notebook import snippet

        return snippet(self.summary, self.page)


def flags(
    *,
    target: str | None = None,
    tier: str | None = None,
    seed: int | None = None,
    repeat: int | None = None,
    speed: float | None = None,
    max_cost: float | None = None,
    max_requests: int | None = None,
    max_time: str | None = None,
) -> dict[str, str]:
    """The flags that have a name of their own, as `load` takes them.  A tier's file is found from where one stands."""
    given = {
        "target": target,
        "tier": str(Path(tier).absolute()) if tier and tier.endswith(".json") else tier,
        "seed": seed,
        "repeat": repeat,
        "speed": speed,
        "budget.max_cost": None if max_cost is None else f"${max_cost:f}",
        "budget.max_requests": max_requests,
        "budget.max_time": max_time,
    }
    return {key: str(value) for key, value in given.items() if value is not None}


def load(
    name_or_path: str,
    *,
    flags: Mapping[str, str] | None = None,
    settings: Sequence[str] = (),
    strategies: Sequence[str] = (),
    cases: Sequence[str] = (),
) -> Scenario:
    """Read a shipped scenario or a file.

    `settings` replace values, each as on a command line (`workload.requests=500`); `flags` do so by path and win
    (`{"budget.max_cost": "$2"}`); `strategies` and `cases` keep only those named.  Raises ScenarioError with every
    problem.
    """
    changes: dict[str, str] = {}
    for setting in settings:
        path, equals, value = setting.partition("=")
        if not equals:
            raise UsageError(f"--set {setting}: expected KEY=VALUE, such as workload.requests=500")
        changes[path.strip()] = value
    file = find(name_or_path)
    scenario = load_file(file, overrides=changes, flags=flags or {})
    chosen = select(scenario, strategies, cases)
    chosen._recipe = Recipe(str(file.absolute()), dict(flags or {}), tuple(settings), tuple(strategies), tuple(cases))
    return chosen


def run(
    scenario: Scenario,
    *,
    out: Path | None = None,
    observer: Observer | None = None,
    command: Sequence[str] = (),
    stop: Stop | None = None,
    strict: bool = False,
    against: Against | None = None,
    keep_text: bool = False,
    workers: int | None = None,
    ray: str | None = None,
    checked: Preflight | None = None,
    html: bool = True,
    say: Callable[[str], None] = to_stderr,
) -> Finished:
    """Run every strategy of a scenario, keep every record, write summary and report.

    `out` is the folder to make (default: a new one under runs/), `command` the command line to note down, `stop` ends
    the run early, `strict` fails what cannot be told or believed, `against` holds the run against something else in the
    end, `keep_text` keeps some prompts and answers in a private file, `say` tells a person at once what cannot wait.
    `workers` are processes that share each pass, on this machine or on the Ray cluster at the address `ray`.
    Without `html` no report.html is drawn, which is most of the time of a small run; `report` does it later.
    On the API there is a preflight first, unless `checked` is what one has found and has not been counted yet.
    Raises UsageError before anything of the run was sent, TargetError when nobody answers, BudgetError when there is no
    money.
    """
    refuse_unbounded(scenario)
    refuse_undivided(scenario, workers, ray, keep_text=keep_text)
    if checked is None:
        checked = preflight(scenario, say) if scenario.target == "api" else Preflight()
    stop, now = stop or Stop(), utc_now()
    with _crew(workers, ray) as crew, open_targets(scenario) as targets:
        folder = _new_folder(scenario, out, now)
        info = info_of(scenario, folder.name, now, command, strict=strict)
        with _on_disk(folder):
            if keep_text:
                folder.chmod(0o700)
            folders.write_info(folder, info, secrets())
            lasts = not all(one.resets for one in targets.values())
            with (
                _kept(folder, info, targets) as (journal, batches, sends),
                Texts(folder, secrets()) if keep_text else nullcontext() as texts,
                interruptible(stop, say),
            ):
                watching = _aborting(scenario, info, stop, observer)
                around = surroundings(scenario, journal.append, batches, watching, stop, now.date(), sends)
                around.budget.sent, around.budget.spent = checked.spent.sent, checked.spent.dollars
                passes = run_passes if crew is None else crew(folder, info.token)
                before = Ending(aside=checked.spent)
                _run_passes(scenario, targets, replace(around, texts=texts), folder, before, passes=passes)
    if lasts:
        _tell_of_batches(folder, say)
    with _on_disk(folder):
        return replace(report(folder, against=against, html=html), spent=around.budget.spent)


class Passes(Protocol):
    """Runs pass after pass, as `engine.run.run_passes`."""

    def __call__(
        self, scenario: Scenario, targets: Mapping[str | None, Target], around: Surroundings, *,
        without: Container[OfPass] = (),
    ) -> Iterator[PassEnd]:  # fmt: skip
        """Tell of each pass when it has ended."""
        ...


@contextmanager
def _crew(workers: int | None, ray: str | None) -> Iterator[Callable[[Path, str], Passes] | None]:
    """What makes several processes run the passes of a run, by its folder and token; None where one process does."""
    if not _is_shared(workers, ray):
        yield None
        return
    from bench.scale.cluster import cluster
    from bench.scale.crew import Crew

    with cluster(workers, ray) as up:
        yield lambda folder, token: Crew(up, folder, token).run_passes


def _is_shared(workers: int | None, ray: str | None) -> bool:
    return ray is not None or workers not in (None, 1)


@contextmanager
def _kept(
    folder: Path, info: RunInfo, targets: Mapping[str | None, Target], unknown: Sequence[Send] | None = None
) -> Iterator[tuple[Journal, BatchLog, SendLog | None]]:
    """What a run writes as it goes.  `unknown`, of one that is resumed, is what was in flight when it was killed.

    What is sent, and that it shall outlast a power cut, is only written down of targets that can cost money.
    """
    paid = not all(one.resets for one in targets.values())
    virtual = all(one.virtual for one in targets.values())
    with (
        Journal(folder / folders.RECORDS, may_wait=virtual, resumed=unknown is not None) as journal,
        BatchLog(folder, info.token) as batches,
        SendLog(folder, unknown or ()) if paid else nullcontext() as sends,
        carried_to_disk([journal.file, sends.file] if sends else []),
    ):
        yield journal, batches, sends


@contextmanager
def _on_disk(folder: Path) -> Iterator[None]:
    """Say in words when the disk takes no more."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK:
            raise
        raise DiskError(
            f"cannot write to {folder}: {error.strerror}",
            f"Make room.  `claude-bench report {folder}` shows what was kept, `claude-bench resume` goes on.",
        ) from error


def resume(
    folder: Path,
    *,
    scenario: Scenario | None = None,
    observer: Observer | None = None,
    say: Callable[[str], None] = to_stderr,
) -> Finished:
    """Bring a run to its end that was killed or stopped.  Nothing that has its record is sent again, and no batch.

    Every pass goes on where it was; the pause is no time of a live one.  What was in flight at a kill is sent again,
    since nobody knows how it ended; the record says so.  `scenario` is for runs whose scenario did not come from a
    file.  Raises UsageError when there is nothing to go on with.
    """
    if merging.is_elsewhere(folder):
        raise UsageError(
            f"workers on other machines have sent requests of which {folder} does not know",
            "Nothing is sent twice: `claude-bench report` shows what is known.  Run the scenario again.",
        )
    _await_workers(folder, say)
    loaded = folders.load(folder)
    scenario = scenario or same_scenario(loaded)
    if scenario.target in ("sim", "mock"):
        raise UsageError(
            f"{folder} was run on {scenario.target}, which ended with it, batches and all",
            "Run the scenario again: it costs nothing.",
        )
    notes = [note for note in loaded.ending.passes if note.stopped is None]
    stop, info, day = Stop(), loaded.info, date.fromisoformat(loaded.info.started_at[:10])
    with (
        open_targets(scenario) as targets,
        _on_disk(folder),
        _kept(folder, info, targets, loaded.unknown) as (journal, batches, sends),
        interruptible(stop, say),
    ):
        _gather(folder, journal)
        watching = _aborting(scenario, info, stop, observer)
        around = surroundings(scenario, journal.append, batches, watching, stop, day, sends)
        around = after(around, read_records(folder / folders.RECORDS), loaded.unknown, loaded.ending)
        over = {note.of_pass for note in notes}
        before = Ending(tuple(notes), aside=loaded.ending.aside)
        _run_passes(scenario, targets, around, folder, before, without=over, resumed=True)
    _tell_of_batches(folder, say)
    return report(folder)


NOTICED_WITHIN = 30.0
"""Seconds in which the workers of a killed run end, once they have noticed that nobody leads them."""


def _await_workers(folder: Path, say: Callable[[str], None]) -> None:
    """Wait for the last of a killed run: what its workers still send must not be sent beside them."""
    until = monotonic() + NOTICED_WITHIN
    if merging.are_written(folder):
        say("Waiting for the workers of the killed run to end.")
    while merging.are_written(folder):
        if monotonic() > until:
            raise UsageError(f"workers of the run in {folder} are still sending", "End their processes, then resume.")
        sleep(0.1)


def _gather(folder: Path, journal: Journal) -> None:
    """Put into the journal what several processes have left beside it at a kill."""
    if merging.left_over(folder):
        known = {(record.of_pass, record.seq) for record in read_records(folder / folders.RECORDS)}
        merging.gather(folder, journal.append, known)


def same_scenario(loaded: LoadedRun) -> Scenario:
    """The scenario of a run, from its file.  UsageError when it is not what it was."""
    recipe = loaded.info.recipe
    if recipe is None:
        raise UsageError(f"{loaded.folder} does not say which scenario file it was run from")
    scenario = load(
        recipe.path,
        flags=recipe.flags,
        settings=recipe.settings,
        strategies=recipe.strategies,
        cases=recipe.cases,
    )
    if hash_of(scenario.resolved()) != loaded.info.scenario_hash:
        raise UsageError(
            f"{recipe.path} is not what it was when the run began",
            f"Put it back; {loaded.folder / folders.RUN} says what was asked.",
        )
    return scenario


def _tell_of_batches(folder: Path, say: Callable[[str], None]) -> None:
    """Say which batches go on although the run has ended."""
    if running := unfetched(read_events(folder / BATCHES)):
        say(f"{count(len(running), 'batch', 'batches')} not fetched yet: {', '.join(running)}")
        say(f"claude-bench resume {folder} fetches what is ready and waits for the rest.")


def _run_passes(
    scenario: Scenario,
    targets: Mapping[str | None, Target],
    around: Surroundings,
    folder: Path,
    before: Ending,
    *,
    without: Container[OfPass] = (),
    resumed: bool = False,
    passes: Passes = run_passes,
) -> None:
    """Run all passes and note down how each ended.  Losing the target ends the run; what was measured is kept."""
    ending = _Endings(folder, around.stop, before)
    ending.write()
    paid = not all(one.resets for one in targets.values())
    around = replace(around, aside=ending.aside) if paid else around
    try:
        for end in passes(scenario, targets, around, without=without):
            overhead, of_pass = _overhead(end, folder), (end.strategy, end.number, end.stopped)
            found = (end.selfcheck, end.workers)
            ending.add(PassNote(*of_pass, overhead, end.case, end.resumed_at, *found))
    except TargetError as lost:
        if not ending.written.passes and not resumed:
            folders.discard(folder)
            raise
        around.stop.request(str(lost), lost.exit_code)
    ending.write()


@dataclass(slots=True)
class _Endings:
    """Keeps `passes.json` as things are."""

    folder: Path
    stop: Stop
    written: Ending

    def add(self, note: PassNote) -> None:
        """A pass has ended."""
        self.written = msgspec.structs.replace(self.written, passes=(*self.written.passes, note))
        self.write()

    def aside(self, sent: int, dollars: float) -> None:
        """Something without a record is about to be sent, or has turned out to cost so much more than was noted."""
        self.written = msgspec.structs.replace(self.written, aside=self.written.aside.plus(sent, dollars))
        self.write()

    def write(self) -> None:
        """Write it anew."""
        self.written = msgspec.structs.replace(
            self.written, stopped=self.stop.reason, exit_code=int(self.stop.exit_code)
        )
        folders.write_ending(self.folder, self.written)


def report(
    folder: str | PathLike[str], *, against: Against | None = None, show_text: bool = False, html: bool = True
) -> Finished:
    """Work out summary and, with `html`, the HTML report again from the records of a run.  Sends nothing.

    What is found when the run is held `against` something else becomes a section, and counts for the exit code.  With
    `show_text` the prompts and answers that were kept are shown; UsageError when none were.
    """
    loaded = folders.load(folder := Path(folder))
    texts = tuple(read_texts(folder)) if show_text else ()
    summary = summarize_run(loaded)
    folders.write_summary(folder, summary)
    comparison = None if against is None else against(folder)
    if comparison is not None:
        summary = counted(summary, comparison)
        folders.write_summary(folder, summary)
    if html:
        _draw(replace(loaded, summary=summary), comparison, texts)
    return Finished(folder, summary, comparison)


def _draw(run: LoadedRun, comparison: Comparison | None, texts: Sequence[Text]) -> None:
    from reports.html import write

    with DRAWING:
        write(run, run.folder / folders.REPORT, comparison, texts)


def show(finished: Finished, *, json: bool = False, quiet: bool = False) -> None:
    """Print a finished run: the summary as JSON on standard output, or for people."""
    found = finished.comparison
    if json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(finished.summary), indent=2) + b"\n")
    elif quiet:
        print(finished.summary.answer)
        if found is not None:
            from reports.changes import headline

            print("  ".join(headline(found)))
    else:
        from reports.comparison import print_comparison
        from reports.console import print_summary

        console = _console(sys.stdout)
        print_summary(finished.summary, finished.page, console)
        if found is not None:
            console.print()
            print_comparison(found, console)


def show_sentences(finished: Finished) -> None:
    """Print what was found as one sentence for each strategy, to be pasted elsewhere."""
    from rich.text import Text

    from reports.sentence import sentences

    console = _console(sys.stdout)
    for line in sentences(*folders.load_summary(finished.folder)):
        console.print(Text(line), soft_wrap=True)


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[Observer]:
    """An observer that shows on standard error how a run goes."""
    if quiet:
        yield Observers()
        return
    from reports.live import Progress

    # FORCE_COLOR, which notebooks and CI set, makes no terminal: a live area would fill their log.
    with Progress(_console(sys.stderr, terminal=sys.stderr.isatty())) as shown:
        yield Observers(shown)


@contextmanager
def watched(
    scenario: Scenario, *, quiet: bool = False, prometheus: int | None = None, otel: bool = False,
    beside: Observer | None = None, say: Callable[[str], None],
) -> Iterator[Observer]:  # fmt: skip
    """Progress on standard error, and the metrics systems asked for: `prometheus` is a port to serve `/metrics` on.

    `beside` hears the same.
    """
    from bench.telemetry.watch import telemetry

    target = bare_url(scenario.target) if "://" in scenario.target else scenario.target
    with (
        progress(quiet=quiet) as shown,
        telemetry(scenario=scenario.name, target=target, prometheus=prometheus, otel=otel, say=say) as told,
    ):
        yield Observers(shown, *told, beside or Observers())


@dataclass(frozen=True, slots=True)
class Shown:
    """A live page, or none."""

    observer: Observer
    hand_over: Callable[[Finished], None]
    """Turn the page into the report, and wait until the browser has it: a few seconds at most."""


@contextmanager
def live_page(scenario: Scenario, *, port: int | None, say: Callable[[str], None]) -> Iterator[Shown]:
    """A page on loopback that shows the run as it goes; a port of None is no page, 0 takes a free one."""
    if port is None:
        yield Shown(Observers(), lambda _finished: None)
        return
    from reports.live_page import serving
    from reports.live_state import LiveState

    passes = scenario.repeat * sum(len(variant.strategies) for _, variant in scenario.variants)
    state = LiveState(passes=passes, budget=scenario.budget.max_cost)
    with serving(scenario.name, state, port) as page:
        say(f"live at {page.address}")
        yield Shown(Observers(state), lambda finished: page.hand_over(finished.folder / folders.REPORT))


def print_scenarios() -> None:
    """List the shipped scenarios, one question each."""
    from reports.listing import print_scenarios

    print_scenarios([(entry.name, entry.question, entry.cases) for entry in shipped()], _console(sys.stdout))


def print_schema(*, write: bool) -> None:
    """Print the JSON Schema of scenario files, or write it beside the scenarios of this folder."""
    from bench.scenario.schema import schema_text

    if not write:
        sys.stdout.write(schema_text())
        return
    path = Path("scenarios") / "scenario.schema.json"
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(schema_text())
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    print(path)


def serve(
    *,
    host: str,
    port: int,
    speed: float,
    tier: str | None = None,
    settings: str | None = None,
    keys: str | None = None,
    faults: Sequence[str] = (),
    profile: str | None = None,
) -> None:
    """Run the mock server until it is interrupted.  `settings`, `keys` and `profile` are files."""
    from mock_server.faults import KINDS
    from mock_server.serving import assemble, read_settings, serve

    if tier and not tier.endswith(".json"):
        _refuse_unknown("--tier", "tier", tier, TIERS)
    for fault in faults:
        _refuse_unknown("--fault", "fault", fault.partition("=")[0], KINDS)
    try:
        assembled = assemble(read_settings(settings), tier=tier, keys=keys, faults=faults, profile=profile)
    except ValueError as error:
        raise UsageError(str(error), "See docs/mock-server.md for what it can be told.") from None
    try:
        serve(assembled, host, port, speed)
    except OSError as error:
        why = error.strerror or str(error)
        raise UsageError(
            f"cannot listen on {host}:{port}: {why}", "Choose another --port; 0 takes a free one."
        ) from error


def _refuse_unknown(flag: str, kind: str, name: str, known: Iterable[str]) -> None:
    if name not in known:
        raise UsageError(f"{flag}: no {kind} `{name}`.{nearest(name, known)}", f"There are {', '.join(known)}.")


def save_traceback() -> Path:
    """Keep the traceback of the exception being handled, without keys, in a file of its own."""
    with tempfile.NamedTemporaryFile("w", prefix="claude-bench-", suffix=".txt", delete=False) as file:
        file.write(in_words(traceback.format_exc()))
    return Path(file.name)


def refuse_unbounded(scenario: Scenario) -> None:
    """Refuse to spend money without a bound, or with one that cannot be kept."""
    unbounded = scenario.budget.max_cost is None and scenario.budget.max_requests is None
    if unbounded and any(strategy.hedge is not None for strategy in scenario.strategies):
        raise UsageError(
            "a hedge sends some requests twice, so it needs a budget",
            "Add --max-cost 2 (dollars) or --max-requests 5000, or a budget to the scenario.",
        )
    if scenario.target == "api" and scenario.budget.max_cost is None:
        raise UsageError(
            "the API costs money: a run against it needs a budget",
            "Add --max-cost 2 (dollars), or budget: {max_cost: $2} to the scenario.",
        )
    if scenario.budget.max_cost is not None and (unpriced := _unpriced(scenario, utc_now().date())):
        raise UsageError(
            f"the price of {unpriced[0]} is not known, so no budget can be kept",
            "Check the model's name, or upgrade genai-prices.",
        )


def refuse_undivided(scenario: Scenario, workers: int | None, ray: str | None, *, keep_text: bool) -> None:
    """Refuse what several processes cannot do together, before anything is paid for."""
    if not _is_shared(workers, ray):
        return
    from bench.scale.cluster import imported
    from bench.scale.crew import refuse_unshared

    if keep_text:
        raise UsageError("texts are kept by one process only", "Leave out --keep-text, or --workers and --ray.")
    refuse_unshared(scenario)
    imported()


def _unpriced(scenario: Scenario, day: date) -> list[str]:
    """The models of which nobody knows what they cost as they are asked: one by one, or in message batches."""
    kinds = {strategy.kind for _, variant in scenario.variants for strategy in variant.strategies}
    ways = {batched for kind in kinds for batched in _BATCHED.get(kind, (False,))}
    models = sorted(scenario.models)
    return [model for model in models if any(prices_of(model, day, batched=batched) is None for batched in ways)]


_BATCHED = {"batch": (True,), "hybrid": (False, True)}
"""Whether strategies of a kind ask in message batches, by themselves or both."""


def _new_folder(scenario: Scenario, out: Path | None, now: datetime) -> Path:
    if out is not None:
        return folders.create_at(out)
    return folders.create(Path("runs"), scenario.name, scenario.target, now, letters(now, 4))


def _aborting(scenario: Scenario, info: RunInfo, stop: Stop, observer: Observer | None) -> Observer:
    """The observer, and beside it, where a threshold asks for it, one that ends the run when that fails."""
    observer = observer or Observers()
    if all(one.abort_after is None for one in scenario.thresholds):
        return observer
    return Observers(Abort(scenario.thresholds, judge_of(info), stop), observer)


def _overhead(end: PassEnd, folder: Path) -> Overhead | None:
    """What the client added, where the server says how long each request took."""
    if not end.server_latencies:
        return None
    recorded, served = [], []
    for record in read_records(folder / folders.RECORDS):
        last = record.attempts[-1]
        mine = record.of_pass == (end.case, end.strategy, end.number)
        if mine and last.ok and last.request_id in end.server_latencies:
            recorded.append(record.latency)
            served.append(end.server_latencies[last.request_id])
    return overhead(np.array(recorded), np.array(served))


def _console(stream: TextIO, *, terminal: bool | None = None) -> Console:
    from rich.console import Console

    # Names come from files of anybody: brackets and colons in them are theirs.
    return Console(file=stream, force_jupyter=False, force_terminal=terminal, markup=False, emoji=False)
