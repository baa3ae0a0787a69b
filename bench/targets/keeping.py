"""A client that keeps what was asked and said, beside whatever client does the sending."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from bench.request import RequestSpec
from bench.results.record import Attempt, OfPass
from bench.results.texts import Text, Texts
from bench.targets.answer import said
from bench.targets.client import Client, Watch


class Keeping:
    """A `Client` that sends through another and keeps prompts and answers of a pass, as many as `texts` wants."""

    def __init__(self, client: Client, texts: Texts, of_pass: OfPass) -> None:
        self._client, self._texts, self._of_pass = client, texts, of_pass

    async def send(self, spec: RequestSpec, attempt: int, watch: Watch | None = None) -> Attempt:
        """See `Client`."""
        watch = watch or Watch()
        watch.heard = bytearray()
        try:
            watch.seen = ended = await self._client.send(spec, attempt, watch)
        finally:
            if watch.seen is not None and self._texts.wants(self._of_pass, failed=not watch.seen.ok):
                self._texts.keep(self._text(spec, watch.seen, bytes(watch.heard)))
        return ended

    def _text(self, spec: RequestSpec, attempt: Attempt, heard: bytes) -> Text:
        case, strategy, number = self._of_pass
        return Text(
            strategy=strategy,
            seq=spec.seq,
            model=spec.params["model"],
            prompt="\n\n".join(_asked(spec.params)),
            answer=said(heard),
            pass_=number,
            case=case,
            cause=attempt.cause,
            message=attempt.message,
            request_id=attempt.request_id,
        )


def _asked(params: Mapping[str, Any]) -> Iterator[str]:
    """The prompt as a person reads it: who said what.  Blocks that are not text stand there as JSON."""
    if "system" in params:
        yield f"system: {_words(params['system'])}"
    for message in params["messages"]:
        yield f"{message['role']}: {_words(message['content'])}"


def _words(content: object) -> str:
    if isinstance(content, str):
        return content
    assert isinstance(content, list | tuple)
    return "\n".join(one["text"] if "text" in one else msgspec.json.encode(one).decode() for one in content)
