"""What a base install brings, in MB on disk, beside what the SDK alone does."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from itertools import chain
from pathlib import Path

from packaging.requirements import Requirement

from benchmarks.table import AddRow, Once, most

ROOT = Path(__file__).parents[2]
OURS = ("bench", "mock_server", "reports", "scenarios")


def needed(requirement: Requirement, seen: set[str]) -> Iterator[Distribution]:
    """It and all that it asks for, each once, without extras that nobody asked for."""
    key = str(requirement.name).lower() + str(sorted(requirement.extras))
    if key in seen:
        return
    seen.add(key)
    found = distribution(requirement.name)
    yield found
    for extra in ("", *requirement.extras):
        for each in map(Requirement, found.requires or ()):
            if each.marker is None or each.marker.evaluate({"extra": extra}):
                yield from needed(each, seen)


def megabytes(wanted: str) -> float:
    """Of all the files that pip installs for this requirement."""
    found = needed(Requirement(wanted), set())
    files = {Path(str(one.locate_file(file))).resolve() for one in found for file in one.files or ()}
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6


def _stays_behind(file: Path) -> bool:
    """Whether it is no part of a wheel, or what only the tests have compiled."""
    return "examples" in file.parts or "-pytest-" in file.name


def test_base_install(once: Once, row: AddRow) -> None:
    """Ours may be installed as a link to this folder, which says nothing of its size."""
    files = chain.from_iterable((ROOT / name).rglob("*") for name in OURS)
    ours = sum(file.stat().st_size for file in files if file.is_file() and not _stays_behind(file)) / 1e6
    others = once(lambda: megabytes("claude-bench"))
    row("base install", ours + others, "MB", beside=("the SDK alone", megabytes("anthropic[aiohttp]")), aim=most(250))
