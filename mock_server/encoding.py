"""Compressed request bodies, which the API reads since 2026 (error codes of the SDK's release of 2026-11-17)."""

from __future__ import annotations

import zlib

from mock_server.plan import Error
from mock_server.request import RequestError

_GZIP = 16 + zlib.MAX_WBITS


def too_large(code: str | None = None) -> RequestError:
    """The 413 of a body that is larger than its endpoint allows."""
    return RequestError(413, Error("request_too_large", "Request exceeds the maximum size", code))


def decode(body: bytes, encoding: str, most: int) -> bytes:
    """The body as it was before it was compressed; RequestError if that cannot be had or is more than `most` bytes.

    No more than that is ever decompressed.
    """
    match encoding.strip().lower():
        case "" | "identity":
            return body
        case "gzip" | "x-gzip":
            return _gunzip(body, most)
        case _:
            words = f"Content-Encoding: {encoding[:50]!r} is not supported; use gzip"
            raise _bad(words, "request_body_encoding_unsupported")


def _gunzip(body: bytes, most: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        stream = zlib.decompressobj(_GZIP)
        try:
            part = stream.decompress(body, most - size + 1)
        except zlib.error:
            raise _bad("The request body is not valid gzip", "request_body_encoding_invalid") from None
        size += len(part)
        if size > most:
            raise too_large("request_body_too_large_after_decoding")
        if not stream.eof:
            raise _bad("The gzipped request body is not complete", "request_body_encoding_invalid")
        parts.append(part)
        body = stream.unused_data
        if not body:  # otherwise another member follows
            return b"".join(parts)


def _bad(message: str, code: str) -> RequestError:
    return RequestError(400, Error("invalid_request_error", message, code))
