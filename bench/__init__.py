"""Measures: reads scenarios, drives strategies, keeps records, analyses them.

    import bench

    finished = bench.run("summarize-100", tier="build")     # in a script or in a notebook
    finished = await bench.arun("summarize-100")            # in a program whose event loop has more to do

docs/python.md has more.  `import bench` itself loads nothing: the names below come when they are first used.
"""

from typing import TYPE_CHECKING

__all__ = [
    "Finished",
    "Overrides",
    "Scenario",
    "arun",
    "load",
    "plan",
    "recommend",
    "report",
    "run",
    "sweep",
]

if TYPE_CHECKING:
    from bench.api import Finished, report
    from bench.embedded import Overrides, arun, load, plan, recommend, run, sweep
    from bench.scenario.model import Scenario
else:
    from importlib import import_module

    _HOMES = {
        "Finished": "bench.api",
        "report": "bench.api",
        "Overrides": "bench.embedded",
        "arun": "bench.embedded",
        "load": "bench.embedded",
        "plan": "bench.embedded",
        "recommend": "bench.embedded",
        "run": "bench.embedded",
        "sweep": "bench.embedded",
        "Scenario": "bench.scenario.model",
    }

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module 'bench' has no attribute {name!r}")
        return getattr(import_module(_HOMES[name]), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
