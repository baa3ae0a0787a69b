"""What a run leaves for the CI that it runs in, found by the variables that each sets by itself.

GitHub: the Markdown summary goes to the file in GITHUB_STEP_SUMMARY, and with GITHUB_ACTIONS thresholds that do not
hold become annotations beside their lines, on standard error, which GitHub reads too.  GitLab: with GITLAB_CI, the
run's folder also gets `junit.xml` and `metrics.txt` for `artifacts: reports:`.  None of it changes how a run ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import msgspec

from bench.errors import BenchError, Problem, ScenarioError
from bench.results import folder as folders
from bench.results.comparison import Comparison
from bench.results.folder import LoadedRun, Origin
from bench.results.summary import Summary

JUNIT, METRICS = "junit.xml", "metrics.txt"
"""What a run's folder gets on GitLab."""


def publish(folder: Path, summary: Summary, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Tell the CI what a finished run came to; `say` hears annotations and what could not be written."""
    jobs = (
        ("GITHUB_STEP_SUMMARY", _write_job_summary),
        ("GITHUB_ACTIONS", _annotate),
        ("GITLAB_CI", _write_reports),
    )
    asked = [(name, job) for name, job in jobs if environment.get(name)]
    if not asked:
        return
    run = folders.load(folder)
    for name, job in asked:
        try:
            job(run, summary, environment, say)
        except OSError as error:
            say(f"{name}: cannot write {error.filename}: {error.strerror}")


def publish_comparison(found: Comparison, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Tell GitHub what became of the gates of a comparison."""
    if page := environment.get("GITHUB_STEP_SUMMARY"):
        from reports.export.compared import render

        try:
            _append(Path(page), render(found))
        except OSError as error:
            say(f"GITHUB_STEP_SUMMARY: cannot write {error.filename}: {error.strerror}")
    if environment.get("GITHUB_ACTIONS"):
        from reports.github import of_comparison

        _say_all(of_comparison(found), say)


def publish_error(error: BenchError, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Tell GitHub why nothing was run: each problem of a scenario file beside its line."""
    if not environment.get("GITHUB_ACTIONS"):
        return
    from reports.github import of_error, of_problems

    if isinstance(error, ScenarioError):
        placed = [
            Problem(_in_repository(one.file, environment) or one.file, one.line, one.column, one.path, one.message)
            for one in error.problems
        ]
        _say_all(of_problems(placed), say)
    else:
        say(of_error(str(error), error.hint))


def _write_job_summary(
    run: LoadedRun, summary: Summary, environment: Mapping[str, str], _say: Callable[[str], None]
) -> None:
    from reports.export.markdown import render

    _append(Path(environment["GITHUB_STEP_SUMMARY"]), render(run, summary))


def _annotate(run: LoadedRun, summary: Summary, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
    from reports.github import of_summary

    _say_all(of_summary(summary, _placed(run.info.origin, environment)), say)


def _write_reports(
    run: LoadedRun, summary: Summary, _environment: Mapping[str, str], _say: Callable[[str], None]
) -> None:
    from reports.export import junit, openmetrics

    (run.folder / JUNIT).write_bytes(junit.render(run, summary))
    (run.folder / METRICS).write_bytes(openmetrics.render(run, summary))


def _placed(origin: Origin | None, environment: Mapping[str, str]) -> Origin | None:
    """The origin as GitHub knows it; None for a file that is not in the repository."""
    file = _in_repository(origin.file, environment) if origin else None
    return msgspec.structs.replace(origin, file=file) if origin and file else None


def _in_repository(file: str, environment: Mapping[str, str]) -> str | None:
    """A path relative to the repository; None where there is no such file in it."""
    path, root = Path(file).resolve(), Path(environment.get("GITHUB_WORKSPACE", ".")).resolve()
    return path.relative_to(root).as_posix() if path.is_file() and path.is_relative_to(root) else None


def _append(page: Path, text: bytes) -> None:
    with page.open("ab") as file:
        file.write(text + b"\n")


def _say_all(lines: Iterable[str], say: Callable[[str], None]) -> None:
    for line in lines:
        say(line)
