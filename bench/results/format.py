"""Numbers as text: three significant digits, always with their unit, a dash for what is not known."""

from __future__ import annotations

import math

DASH = "–"  # noqa: RUF001  an en dash, which cannot be taken for a minus sign

_MINUTE, _HOUR = 60, 3600


def text(value: float | None, unit: str) -> str:
    """A value in one of the units of `metrics.Unit`, such as `1.38 s`, `612 ms`, `16 %`, `$0.005`, `2.00 M tok`."""
    return DASH if value is None else _TEXTS[unit](value)


def three(value: float) -> str:
    """Three significant digits, thousands with commas: 0.00123, 1.38, 50.0, 612, 1,997; what has no end as such."""
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    exponent = int(f"{value:.2e}".split("e")[1])
    return f"{value:,.{min(max(0, 2 - exponent), 12)}f}" if value else "0"


def count(n: float, noun: str, plural: str = "") -> str:
    """A number of things: `1 request`, `1,997 requests`, `no requests`."""
    return f"{number(n) if n else 'no'} {noun if n == 1 else plural or noun + 's'}"


def pass_name(strategy: str, pass_: int, case: str | None = None) -> str:
    """A pass as people call it: `semaphore-10`, `build/semaphore-10`, and from its second run on `semaphore-10 #2`."""
    name = strategy if case is None else f"{case}/{strategy}"
    return f"{name} #{pass_ + 1}" if pass_ else name


def number(value: float) -> str:
    """Whole numbers in full, others to three significant digits."""
    return three(value) if math.isinf(value) or value != int(value) else f"{value:,.0f}"


def seconds(value: float) -> str:
    """Milliseconds below a second, minutes from two minutes on, hours from one hour on."""
    if 0 < abs(value) < 0.9995:
        return f"{three(value * 1000)} ms"
    if abs(value) < 2 * _MINUTE:
        return f"{three(value)} s"
    if round(value) < _HOUR:
        return _two(divmod(round(value), _MINUTE), "min", "s")
    return _two(divmod(round(value / _MINUTE), 60), "h", "min")


def _two(parts: tuple[int, int], big: str, small: str) -> str:
    return f"{parts[0]} {big} {parts[1]} {small}" if parts[1] else f"{parts[0]} {big}"


def share(value: float) -> str:
    """A fraction as per cent; never rounded up to a 100 % or down to a 0 % that it is not."""
    shown = _trimmed(three(value * 100))
    return "99.9 %" if shown == "100" and value < 1 else f"{shown} %"


def dollars(value: float) -> str:
    """US dollars: cents below $100, whole dollars above, three significant digits below a dollar."""
    if value <= 0:
        return f"-{dollars(-value)}" if value else "$0"
    if value >= 99.995:
        return f"${value:,.0f}"
    if value >= 0.9995:
        return f"${value:.2f}"
    whole, _, decimals = _trimmed(three(value)).partition(".")
    return f"${whole}.{decimals:0<2}"


def tokens(value: float) -> str:
    """Token counts in full up to 99,999, then in thousands and millions."""
    if value < 100_000:
        return f"{number(value)} tok"
    return f"{three(value / 1e6)} M tok" if value >= 999_500 else f"{three(value / 1e3)} k tok"


def _trimmed(digits: str) -> str:
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


_TEXTS = {
    "s": seconds,
    "1/min": lambda value: f"{three(value)} /min",
    "tokens": tokens,
    "tokens/s": lambda value: f"{three(value)} tok/s",
    "USD": dollars,
    "share": share,
    "count": number,
}
