"""Figures as people read them."""

from __future__ import annotations

from math import isnan


def number(value: float | None) -> str:
    """Three decimals below 10, else four digits.

    >>> number(0.89156), number(1234.56), number(None)
    ('0.892', '1235', 'not defined')
    """
    if value is None or isnan(value):
        return "not defined"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"


def signed(value: float | None) -> str:
    """A difference, its sign always there.

    >>> signed(0.0213), signed(-0.5), signed(-0.0001)
    ('+0.021', '-0.500', '0.000')
    """
    text = number(value)
    if value is None:
        return text
    if text.strip("-0.") == "":
        return text.lstrip("-")
    return text if value < 0 else f"+{text}"


def p_words(p: float) -> str:
    """A p-value.

    >>> p_words(0.0004), p_words(0.237)
    ('p < 0.001', 'p = 0.24')
    """
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def duration(seconds: float | None) -> str:
    """Seconds in the unit that fits.

    >>> duration(0.0042), duration(3.21), duration(245), duration(7320)
    ('4 ms', '3.2 s', '4 min 5 s', '2 h 2 min')
    """
    if seconds is None:
        return "not measured"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def times(ratio: float) -> str:
    """A ratio: "1.4", "12", "350".

    >>> times(1.36), times(12.3), times(348.2)
    ('1.4', '12', '350')
    """
    if ratio < 10:
        return f"{ratio:.1f}"
    return f"{ratio:.0f}" if ratio < 100 else f"{float(f'{ratio:.2g}'):,.0f}"
