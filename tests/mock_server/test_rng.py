"""Draws depend on their key and place alone."""

from hypothesis import given
from hypothesis import strategies as st

from mock_server.rng import Draws

parts: st.SearchStrategy[int | str] = st.integers(0, 2**64 - 1) | st.sampled_from(["length", "tool", ""])
keys = st.lists(parts, max_size=4)


@given(keys, keys, st.integers(0, 3))
def test_a_longer_key_may_be_made_in_parts(key: list[int | str], rest: list[int | str], drawn_before: int) -> None:
    draws = Draws(*key)
    for _ in range(drawn_before):
        draws.bits()
    assert draws.of(*rest).bits() == Draws(*key, *rest).bits()


@given(keys, keys)
def test_other_keys_are_other_streams(one: list[int | str], other: list[int | str]) -> None:
    assert (Draws(*one).bits() == Draws(*other).bits()) == (one == other)
