from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.scenario.units import DOLLARS, DURATION, RATE, SHARE, UNITS, Unit


@pytest.mark.parametrize(
    ("unit", "written", "value"),
    [
        (DURATION, "250ms", 0.25),
        (DURATION, "90s", 90.0),
        (DURATION, "5m", 300.0),
        (DURATION, "2h", 7200.0),
        (DURATION, "1d", 86400.0),
        (DURATION, "1.4s", 1.4),
        (DURATION, "0s", 0.0),
        (SHARE, "10%", 0.1),
        (SHARE, "0.5%", 0.005),
        (SHARE, "100%", 1.0),
        (DOLLARS, "$15", 15.0),
        (DOLLARS, "$0.50", 0.5),
        (RATE, "10/s", 10.0),
        (RATE, "600/min", 10.0),
        (RATE, "5/h", 5 / 3600),
    ],
)
def test_written_values_are_si_values(unit: Unit, written: str, value: float) -> None:
    assert unit.parse(written) == value


@pytest.mark.parametrize(
    ("unit", "written", "message"),
    [
        (DURATION, 90, "expected a duration such as 90s or 5m, got 90 without a unit"),
        (DURATION, 1.5, "expected a duration such as 90s or 5m, got 1.5 without a unit"),
        (DURATION, True, "expected a duration such as 90s or 5m, got true"),
        (DURATION, None, "expected a duration such as 90s or 5m, got nothing"),
        (DURATION, "-5s", "expected a duration such as 90s or 5m, got `-5s`"),
        (DURATION, "5 s", "expected a duration such as 90s or 5m, got `5 s`"),
        (DURATION, "5s\n", "expected a duration such as 90s or 5m, got `5s\\n`"),
        (DURATION, "\u0665s", "expected a duration such as 90s or 5m, got `\u0665s`"),
        (DURATION, "infs", "expected a duration such as 90s or 5m, got `infs`"),
        (DURATION, "9" * 50 + "s", f"expected a duration such as 90s or 5m, got `{'9' * 37}...`"),
        (DURATION, [1], "expected a duration such as 90s or 5m, got a list"),
        (SHARE, 0.1, "expected a percentage from 0% to 100%, such as 10%, got 0.1 without a unit"),
        (SHARE, "101%", "expected a percentage from 0% to 100%, such as 10%, got `101%`"),
        (DOLLARS, 15, "expected an amount such as $15 or $0.50, got 15 without a unit"),
        (DOLLARS, "15$", "expected an amount such as $15 or $0.50, got `15$`"),
        (RATE, 10, "expected a rate such as 10/s or 600/min, got 10 without a unit"),
        (RATE, "10/d", "expected a rate such as 10/s or 600/min, got `10/d`"),
    ],
)
def test_anything_else_says_what_was_expected(unit: Unit, written: object, message: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        unit.parse(written)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("unit", "value", "written"),
    [
        (DURATION, 0.0, "0s"),
        (DURATION, 0.25, "250ms"),
        (DURATION, 1.5, "1.5s"),
        (DURATION, 60.0, "1m"),
        (DURATION, 90.0, "90s"),
        (DURATION, 86400.0, "1d"),
        (SHARE, 0.9, "90%"),
        (RATE, 10.0, "10/s"),
        (RATE, 0.5, "0.5/s"),
        (RATE, 0.1, "6/min"),
        (DOLLARS, 0.5, "$0.5"),
    ],
)
def test_values_are_written_as_a_person_would(unit: Unit, value: float, written: str) -> None:
    assert unit.write(value) == written


@given(st.sampled_from(UNITS), st.floats(1e-6, 1e12))
def test_what_is_written_reads_back(unit: Unit, value: float) -> None:
    value = min(value, unit.largest)
    assert unit.parse(unit.write(value)) == value
