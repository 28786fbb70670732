"""How numbers and foreign text are put into words."""

from __future__ import annotations


def percent(probability: float) -> str:
    """A probability in words that never claims certainty.

    >>> percent(0.826), percent(0.9991), percent(0.001)
    ('83 %', 'over 99 %', 'under 1 %')
    """
    if probability > 0.995:
        return "over 99\N{NO-BREAK SPACE}%" if probability < 1 else "100\N{NO-BREAK SPACE}%"
    if probability < 0.005:
        return "under 1\N{NO-BREAK SPACE}%" if probability > 0 else "0\N{NO-BREAK SPACE}%"
    return f"{100 * probability:.0f}\N{NO-BREAK SPACE}%"


def moment(seconds: float) -> str:
    """A time in a video to a hundredth: two ends of a clip lie close together.

    >>> moment(75.256)
    '1:15.26'
    """
    minutes, rest = divmod(round(seconds, 2), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:05.2f}" if hours else f"{minutes}:{rest:05.2f}"


def plain_text(text: str) -> str:
    """Text that UTF-8 can carry: a file name may hold what it cannot."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
