import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server.paging import page
from mock_server.request import RequestError

ids = st.integers(0, 60).map(lambda count: [f"id_{n}" for n in range(count)])


@given(ids, st.integers(1, 25))
def test_turning_pages_forwards_shows_everything_once(ids: list[str], limit: int) -> None:
    seen, query = [], {"limit": str(limit)}
    while True:
        part = page(ids, query)
        shown = ids[part.begin : part.end]
        seen += shown
        assert len(shown) <= limit
        assert part.has_more == (seen != ids)
        if not part.has_more:
            break
        query["after_id"] = shown[-1]
    assert seen == ids


@given(ids.filter(bool), st.integers(1, 25))
def test_turning_pages_backwards_shows_everything_before(ids: list[str], limit: int) -> None:
    seen: list[str] = []
    first = ids[-1]
    while True:
        part = page(ids, {"before_id": first, "limit": str(limit)})
        shown = ids[part.begin : part.end]
        seen = shown + seen
        assert part.has_more == (seen != ids[:-1])
        if not part.has_more:
            break
        first = shown[0]
    assert seen == ids[:-1]


def test_twenty_are_shown_unless_said_otherwise() -> None:
    assert page([str(n) for n in range(30)], {}) == (0, 20, True)


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "1001"},
        {"limit": "-1"},
        {"limit": "ten"},
        {"limit": "²"},
        {"limit": "9" * 5_000},
        {"after_id": "nobody"},
        {"before_id": "nobody"},
        {"after_id": "a", "before_id": "a"},
    ],
)
def test_what_makes_no_sense_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(RequestError) as caught:
        page(["a"], query)
    assert caught.value.status == 400
