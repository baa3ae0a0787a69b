"""What a name stands for: a run folder, a folder or glob of runs, a report, a baseline; and saving baselines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from glob import glob, has_magic
from itertools import pairwise
from pathlib import Path

import msgspec

from bench.errors import UsageError
from bench.results import baseline
from bench.results.baseline import LAST, Runs, differences, of_report, of_run, together
from bench.results.folder import RUN, load_summary
from bench.results.summary import SCHEMA_VERSION, Summary
from bench.scenario.problems import nearest
from bench.scenario.units import show
from mock_server.files import read_whole

BASELINES = Path("baselines")
"""Where baselines are kept unless told otherwise: a folder to be committed."""

_EMBEDDED = re.compile(r'<script type="application/json" id="summary">(.*?)</script>', re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def find(named: str, baselines: Path = BASELINES) -> Runs:
    """The runs that something names.  UsageError when there are none, or when they answer different questions."""
    path, strategy = _split(named, baselines)
    found = [_read(one) for one in _places(path, baselines)]
    for earlier, later in pairwise(found):
        refuse_differences(f"{path}: {earlier.runs[-1].id} and {later.runs[-1].id}", earlier, later)
    runs = together(found)
    return _choose(runs, strategy) if strategy else runs


def _split(named: str, baselines: Path) -> tuple[str, str]:
    """A name and the strategy behind its last `@`, if that is not part of the name."""
    if "@" not in named or Path(named).exists() or (baselines / f"{named}.json").exists():
        return named, ""
    path, _, strategy = named.rpartition("@")
    return path, strategy


def _choose(runs: Runs, strategy: str) -> Runs:
    if strategy not in runs.strategies:
        raise UsageError(
            f"no strategy `{strategy}`.{nearest(strategy, runs.strategies)}",
            f"There are {', '.join(runs.strategies)}.",
        )
    kept = (
        msgspec.structs.replace(run, passes=tuple(one for one in run.passes if one.name == strategy))
        for run in runs.runs
    )
    return msgspec.structs.replace(runs, runs=tuple(kept), chosen=True)


def _places(named: str, baselines: Path) -> list[Path]:
    """The run folders, reports and baselines that a name stands for."""
    if has_magic(named) and not Path(named).exists():
        places = [Path(one) for one in sorted(glob(named)) if _is_run(Path(one)) or Path(one).suffix == ".html"]
        if not places:
            raise UsageError(f"nothing that matches {named} is a run or a report")
        return places
    path = Path(named)
    if path.is_dir() and not _is_run(path):
        inside = [one for one in sorted(path.iterdir()) if _is_run(one)]
        return inside or [path]
    if path.exists():
        return [path]
    saved = baselines / f"{named}.json"
    if not saved.is_file():
        names = [one.stem for one in _saved(baselines)]
        raise UsageError(
            f"there is no run, report or baseline `{named}`.{nearest(named, names)}",
            "Give a run folder, a quoted glob of them, a report.html, or the name of a baseline "
            f"({', '.join(names) or f'there are none in {baselines}'}).",
        )
    return [saved]


def _is_run(path: Path) -> bool:
    return (path / RUN).is_file()


def _read(path: Path) -> Runs:
    match path.suffix:
        case ".html":
            return _of_report(path)
        case ".json":
            return baseline.read(path)
    return of_run(*load_summary(path))


class _Version(msgspec.Struct):
    schema_version: int


def _of_report(path: Path) -> Runs:
    """What a report holds for those who have nothing else."""
    try:
        embedded = _EMBEDDED.search(read_whole(path).decode())
        if embedded is None:
            raise UsageError(f"{path} is not a report of claude-bench: it holds no summary")
        version = msgspec.json.decode(embedded[1], type=_Version).schema_version
        if version == SCHEMA_VERSION:
            return of_report(str(path), msgspec.json.decode(embedded[1], type=Summary))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is damaged: {error}") from error
    raise UsageError(f"{path} has schema version {version}; this claude-bench reads {SCHEMA_VERSION}.")


def save(name: str, named: Sequence[str], *, baselines: Path = BASELINES, add: bool = False) -> Path:
    """Save runs as a baseline, in place of one of that name; with `add`, behind its runs, of which the last stay.

    UsageError when the runs answer different questions, or when the name cannot be that of a file.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"`{name}` cannot be the name of a baseline", "Use letters, digits, `.`, `_` and `-`.")
    if not named:
        raise UsageError("name at least one run to save", f"claude-bench baseline save {name} RUN...")
    path = baselines / f"{name}.json"
    known = [baseline.read(path)] if add and path.is_file() else []
    found = [*known, *(find(one, baselines) for one in named)]
    for earlier, later in pairwise(found):
        refuse_differences(f"{earlier.runs[-1].id} and {later.runs[-1].id}", earlier, later)
    runs = together(found)
    once = {run.id: run for run in runs.runs}
    kept = tuple(once.values())[-LAST:] if add else tuple(once.values())
    baseline.write(path, msgspec.structs.replace(runs, runs=kept))
    return path


def saved(baselines: Path = BASELINES) -> list[tuple[str, Runs]]:
    """Every baseline, by name."""
    return [(path.stem, baseline.read(path)) for path in _saved(baselines)]


def _saved(baselines: Path) -> Iterator[Path]:
    return iter(sorted(baselines.glob("*.json")))


# Whether it is one question


def refuse_differences(which: str, base: Runs, new: Runs, across: Sequence[str] = ()) -> list[str]:
    """Where two questions differ, in words.  UsageError when they do so in what `across` does not name."""
    found = list(differences(base, new))
    refused = [one for one in found if not any(one[0] == part or one[0].startswith(f"{part}.") for part in across)]
    if refused:
        lines = "".join(f"\n  {_difference(*one)}" for one in refused)
        parts = ",".join(dict.fromkeys(path.partition(".")[0] for path, *_ in refused))
        raise UsageError(
            f"{which} ask different questions:{lines}",
            f"Compare like with like, or name what may differ: --across {parts}",
        )
    return [_difference(*one) for one in found]


def _difference(path: str, mine: object, theirs: object) -> str:
    return f"{path}: {_shown(mine)} -> {_shown(theirs)}"


def _shown(value: object) -> str:
    return value if isinstance(value, str) and value else show(value)
