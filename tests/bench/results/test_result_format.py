from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.results.format import count, number, share, text, three
from bench.results.metrics import METRICS


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0, "s", "0 s"),
        (0.00123, "s", "1.23 ms"),
        (0.612, "s", "612 ms"),
        (0.9996, "s", "1.00 s"),
        (1.384, "s", "1.38 s"),
        (50, "s", "50.0 s"),
        (100, "s", "100 s"),
        (120, "s", "2 min"),
        (500, "s", "8 min 20 s"),
        (3599.7, "s", "1 h"),
        (7500, "s", "2 h 5 min"),
        (0, "USD", "$0"),
        (0.0000012, "USD", "$0.0000012"),
        (0.005, "USD", "$0.005"),
        (0.00498, "USD", "$0.00498"),
        (0.5, "USD", "$0.50"),
        (0.9999, "USD", "$1.00"),
        (9.97, "USD", "$9.97"),
        (1350, "USD", "$1,350"),
        (0, "share", "0 %"),
        (0.16, "share", "16 %"),
        (0.0015, "share", "0.15 %"),
        (0.214, "share", "21.4 %"),
        (0.9999, "share", "99.9 %"),
        (1, "share", "100 %"),
        (999, "tokens", "999 tok"),
        (99_999, "tokens", "99,999 tok"),
        (120_000, "tokens", "120 k tok"),
        (2_000_000, "tokens", "2.00 M tok"),
        (160, "1/min", "160 /min"),
        (70.93, "tokens/s", "70.9 tok/s"),
        (1997, "count", "1,997"),
        (1.0666, "count", "1.07"),
    ],
)
def test_numbers_as_text(value: float, unit: str, expected: str) -> None:
    assert text(value, unit) == expected


@pytest.mark.parametrize("unit", sorted({metric.unit for metric in METRICS.values()}))
def test_what_is_not_known_is_a_dash_in_every_unit(unit: str) -> None:
    assert text(None, unit) == "–"  # noqa: RUF001


@given(st.floats(1e-9, 1e12))
def test_three_digits_are_within_half_of_the_last_one(value: float) -> None:
    assert float(three(value).replace(",", "")) == pytest.approx(value, rel=0.0051)


@pytest.mark.parametrize(("n", "expected"), [(0, "no requests"), (1, "1 request"), (1997, "1,997 requests")])
def test_counts_agree_with_their_noun(n: int, expected: str) -> None:
    assert count(n, "request") == expected


def test_what_has_no_end_is_said_as_such() -> None:
    assert (three(math.inf), share(-math.inf), number(math.inf)) == ("∞", "-∞ %", "∞")
