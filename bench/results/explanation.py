"""The arithmetic of a tier or a scenario in words: every number with its formula, and who said so and when.

`--json` prints it.  schema_version 1.
"""

from __future__ import annotations

from typing import Literal

import msgspec

EXPLANATION_VERSION = 1


class Statement(msgspec.Struct, frozen=True):
    """One number in a sentence."""

    words: str
    formula: str = ""
    """The arithmetic it comes from, as written down; empty where it is a fact of its source."""
    value: float | None = None
    """The number, unrounded; None where the sentence has several, or none."""
    unit: str = ""
    """`1/min`, `count`, `s`, `tokens` or `USD`; empty without a value."""
    sources: tuple[str, ...] = ()
    """Who said so, with its date; empty where it follows from what stands before it."""


class Part(msgspec.Struct, frozen=True):
    """Statements under one heading."""

    title: str
    statements: tuple[Statement, ...]


class Explanation(msgspec.Struct, frozen=True):
    """All that there is to say."""

    name: str
    """Of the tier or the scenario."""
    kind: Literal["tier", "scenario"]
    answer: tuple[str, ...]
    """Sentences that can be pasted into a request for a higher tier; one for each case of a scenario."""
    parts: tuple[Part, ...]
    schema_version: int = EXPLANATION_VERSION

    @property
    def sources(self) -> tuple[str, ...]:
        """All sources, in the order in which they are first named."""
        named = (source for part in self.parts for one in part.statements for source in one.sources)
        return tuple(dict.fromkeys(named))
