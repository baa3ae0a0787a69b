"""What the requests of a pass are called in its batches (custom_id), and which request a name stands for."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from bench.results.record import OfPass


class Names:
    """Names that no other run, pass or batch uses; or those of the dataset, which are unique in a pass."""

    def __init__(self, token: str, of_pass: OfPass, own: Sequence[str] = ()) -> None:
        case, strategy, number = of_pass
        key = f"{token}/{case or ''}/{strategy}/{number}".encode()
        self._prefix = blake2b(key, digest_size=8).hexdigest()
        self._own = own
        self._seqs = {name: seq for seq, name in enumerate(own)}

    def of(self, batch: int, seq: int) -> str:
        """The name of a request in the batch of this number."""
        return self._own[seq] if self._own else f"{self._prefix}-{batch}-{seq}"

    def seq(self, batch: int, name: str) -> int | None:
        """The request that bears this name in the batch of this number; None for a name that is none of ours."""
        if self._own:
            return self._seqs.get(name)
        seq = name.removeprefix(f"{self._prefix}-{batch}-")
        return int(seq) if seq != name and seq.isascii() and seq.isdigit() and len(seq) < 16 else None
