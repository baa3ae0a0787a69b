"""Written units and the numbers they stand for: `90s` is 90.0 seconds, `10%` is 0.1, `600/min` is 10.0 a second.

A scenario file never holds a bare number where a unit matters, so nobody has to guess whether 90 means seconds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction

_NUMBER = r"[0-9]{1,30}(\.[0-9]{1,30})?"


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """One kind of quantity and the ways to write it."""

    expected: str
    """What a message says was expected."""
    scale: Mapping[str, Fraction]
    """What one of each suffix is worth in the base unit."""
    prefix: str = ""
    largest: float = float("inf")

    @property
    def pattern(self) -> str:
        """A regular expression (also valid in JSON Schema) that written values match."""
        suffixes = "|".join(map(re.escape, self.scale))
        return f"^{re.escape(self.prefix)}{_NUMBER}({suffixes})$"

    def parse(self, written: object) -> float:
        """The value in the base unit, correctly rounded.  ValueError says what was expected."""
        match = re.fullmatch(self.pattern, written) if isinstance(written, str) else None
        if match is None:
            unitless = isinstance(written, int | float) and not isinstance(written, bool)
            raise ValueError(f"expected {self.expected}, got {show(written)}{' without a unit' if unitless else ''}")
        suffix = match.group(2)
        digits = match.group(0).removeprefix(self.prefix).removesuffix(suffix)
        value = float(Fraction(digits) * self.scale[suffix])
        if value > self.largest:
            raise ValueError(f"expected {self.expected}, got {show(written)}")
        return value

    def write(self, value: float) -> str:
        """The shortest way to write `value` that reads back as the same number."""
        exact = Fraction(repr(value))
        candidates = [
            f"{self.prefix}{digits}{suffix}"
            for suffix, worth in self.scale.items()
            for digits in (_plain(Decimal(repr(float(exact / worth)))), _plain(_decimal(exact / worth)))
        ]
        faithful = [text for text in candidates if self.parse(text) == value]
        return min(faithful or candidates, key=lambda text: (len(text), "." in text))


def _decimal(number: Fraction) -> Decimal:
    """To three digits more than a float needs: a float of the quotient alone may be one step off."""
    return Context(prec=20).divide(Decimal(number.numerator), Decimal(number.denominator))


def _plain(number: Decimal) -> str:
    """Digits, without an exponent or a needless `.0`."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def show(value: object) -> str:
    """How a message quotes what stands in a file, in one short piece."""
    match value:
        case None:
            return "nothing"
        case "":
            return "no text"
        case bool():
            return str(value).lower()
        case str():
            line = value.replace("\n", "\\n")
            return f"`{line}`" if len(line) <= 40 else f"`{line[:37]}...`"
        case dict():
            return f"a mapping with {', '.join(map(str, value))[:40]}" if value else "an empty mapping"
        case list():
            return "a list" if value else "an empty list"
        case _:
            text = repr(value)
            return text if len(text) <= 40 else f"{text[:37]}..."


DURATION = Unit(
    "a duration such as 90s or 5m",
    {"s": Fraction(1), "ms": Fraction(1, 1000), "m": Fraction(60), "h": Fraction(3600), "d": Fraction(86400)},
)
"""Seconds."""

SHARE = Unit("a percentage from 0% to 100%, such as 10%", {"%": Fraction(1, 100)}, largest=1.0)
"""A fraction of one."""

RATE = Unit(
    "a rate such as 10/s or 600/min",
    {"/s": Fraction(1), "/min": Fraction(1, 60), "/h": Fraction(1, 3600), "/day": Fraction(1, 86400)},
)
"""Per second."""

DOLLARS = Unit("an amount such as $15 or $0.50", {"": Fraction(1)}, prefix="$")
"""US dollars."""

BYTES = Unit(
    "a size such as 20MB",
    {"MB": Fraction(10**6), "kB": Fraction(10**3), "B": Fraction(1)},
)
"""Bytes."""

UNITS = (DURATION, SHARE, RATE, DOLLARS, BYTES)
