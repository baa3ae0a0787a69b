from __future__ import annotations

from pathlib import Path

from bench.results.causes import CAUSES
from bench.results.metrics import METRICS
from reports.definitions import definitions

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_page_is_in_step_with_the_table() -> None:
    assert PAGE.read_text() == definitions(), "run `make docs`"


def test_every_metric_and_every_cause_is_explained() -> None:
    for name in (*METRICS, *CAUSES):
        assert f"| `{name}` |" in definitions()
