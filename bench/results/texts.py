"""Prompts and answers, for those who asked for them: the first few of each pass and some that failed.

They stand in a file of their own, `texts.jsonl`, which only its owner may read; no other file of a run has any text.
Keys are taken out, and what is long loses its middle.  schema_version 1.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

import msgspec

from bench.errors import UsageError
from bench.results.appending import whole_lines
from bench.results.record import OfPass
from bench.results.redact import redact

TEXTS = "texts.jsonl"
"""The file in the folder of a run."""

FIRST = 20
"""Attempts of each pass that are kept whatever came of them."""

FAILED = 80
"""Further attempts of each pass that are kept because they failed."""

LONGEST = 4_000
"""Characters of a prompt or an answer that are kept."""


class Text(msgspec.Struct, frozen=True, omit_defaults=True, rename={"pass_": "pass"}):
    """One attempt in words."""

    strategy: str
    seq: int
    """Place in the workload."""
    model: str
    prompt: str
    answer: str
    """As far as it came: thinking, text and the input of tools, a block below the other."""
    pass_: int = 0
    case: str | None = None
    cause: str | None = None
    """Why it failed, a name from `causes.CAUSES`; None when it succeeded."""
    message: str | None = None
    """The words of the failure."""
    request_id: str | None = None

    @property
    def of_pass(self) -> OfPass:
        """Which pass it is of: case, strategy and repeat."""
        return self.case, self.strategy, self.pass_


_decode = msgspec.json.Decoder(Text).decode


class Texts:
    """Writes the texts of a run to a file that must not exist yet.  `secrets` are exact strings to leave out."""

    def __init__(self, folder: Path, secrets: Iterable[str] = ()) -> None:
        self._file = os.fdopen(os.open(folder / TEXTS, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        self._secrets = tuple(secrets)
        self._kept: Counter[tuple[OfPass, bool]] = Counter()
        """By pass and whether it is one of the first."""

    def wants(self, of_pass: OfPass, *, failed: bool) -> bool:
        """Whether the next attempt of a pass is to be kept."""
        return self._kept[of_pass, True] < FIRST or (failed and self._kept[of_pass, False] < FAILED)

    def keep(self, text: Text) -> None:
        """Write one down, without keys and shortened."""
        self._kept[text.of_pass, self._kept[text.of_pass, True] < FIRST] += 1
        clean = redact(msgspec.to_builtins(text), self._secrets)
        assert isinstance(clean, dict)
        line = clean | {name: _shortened(clean[name]) for name in ("prompt", "answer")}
        self._file.write(msgspec.json.encode(line) + b"\n")
        self._file.flush()

    def __enter__(self) -> Texts:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def read_texts(folder: Path) -> Iterator[Text]:
    """What was kept of a run.  UsageError when nothing was, or when it cannot be read."""
    try:
        with (folder / TEXTS).open("rb") as file:
            return iter([*map(_decode, whole_lines(file))])
    except FileNotFoundError:
        raise UsageError(
            f"{folder} has no {TEXTS}: prompts and answers are kept only when asked for", "Run with --keep-text."
        ) from None
    except OSError as error:
        raise UsageError(f"cannot read {folder / TEXTS}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{folder / TEXTS} is damaged: {error}") from error


def _shortened(text: str) -> str:
    """The text, or its beginning and its end."""
    if len(text) <= LONGEST:
        return text
    half = LONGEST // 2
    return f"{text[:half]}\n[{len(text) - LONGEST:,} characters left out]\n{text[-half:]}"
