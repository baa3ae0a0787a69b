import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server.encoding import decode
from mock_server.request import RequestError


@given(st.lists(st.binary(max_size=500), min_size=1, max_size=3))
def test_gzip_of_one_or_more_members(parts: list[bytes]) -> None:
    assert decode(b"".join(map(gzip.compress, parts)), "gzip", 1_500) == b"".join(parts)


@given(st.binary(max_size=100), st.sampled_from(["", "identity", " Identity "]))
def test_what_is_not_compressed_stays(body: bytes, encoding: str) -> None:
    assert decode(body, encoding, 1_000) == body


def refusal(body: bytes, encoding: str, most: int = 1_000) -> tuple[int, str, str | None]:
    with pytest.raises(RequestError) as caught:
        decode(body, encoding, most)
    return caught.value.status, caught.value.error.type, caught.value.error.error_code


@given(st.binary(max_size=300), st.data())
def test_what_is_cut_short_is_invalid(content: bytes, data: st.DataObject) -> None:
    body = gzip.compress(content)
    cut = body[: data.draw(st.integers(0, len(body) - 1))]
    assert refusal(cut, "gzip") == (400, "invalid_request_error", "request_body_encoding_invalid")


@given(st.binary(min_size=1, max_size=300).filter(lambda body: body[:2] != b"\x1f\x8b"))
def test_what_is_no_gzip_is_invalid(body: bytes) -> None:
    assert refusal(body, "gzip")[2] == "request_body_encoding_invalid"


@pytest.mark.parametrize("size", [1_001, 50_000_000])
def test_what_is_too_large_when_decoded_is_refused(size: int) -> None:
    body = gzip.compress(bytes(size))
    assert refusal(body, "gzip") == (413, "request_too_large", "request_body_too_large_after_decoding")
    assert len(decode(gzip.compress(bytes(1_000)), "gzip", 1_000)) == 1_000


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip"])
def test_other_encodings_are_not_supported(encoding: str) -> None:
    assert refusal(b"", encoding) == (400, "invalid_request_error", "request_body_encoding_unsupported")
