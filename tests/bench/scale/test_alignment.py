"""Clocks that are apart are found to be, as well as the shortest round trip tells."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bench.scale.alignment import RoundTrip, align

delays = st.floats(0, 0.5)


@given(st.floats(-1e6, 1e6), st.lists(st.tuples(st.floats(0, 1e4), delays, delays), min_size=1, max_size=20))
def test_the_true_offset_is_within_the_error(apart: float, trips: list[tuple[float, float, float]]) -> None:
    found = align(RoundTrip(at, at + there + apart, at + there + back) for at, there, back in trips)
    assert abs(found.offset - apart) <= found.error + 1e-6
    assert found.error <= min(there + back for _, there, back in trips) / 2 + 1e-6
