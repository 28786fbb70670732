"""Names of verdicts that terminal, report and pages share, and formatting of numbers and of text from files."""

from __future__ import annotations

from unicodedata import category

from facetell.types import N_, Verdict

VERDICTS = {
    Verdict.FORGED: N_("forged"),
    Verdict.GENUINE: N_("not detected as forged"),
    Verdict.INCONCLUSIVE: N_("inconclusive"),
    Verdict.NONE: N_("not scored"),
}
READINGS = {
    Verdict.FORGED: N_("Likely manipulated"),
    Verdict.GENUINE: N_("Not detected as forged"),
    Verdict.INCONCLUSIVE: N_("Inconclusive"),
    Verdict.NONE: N_("Not analysed"),
}


def percent(probability: float) -> str:
    """A probability; near the ends "over 99 %" and "under 1 %", never 0 % or 100 % by rounding.

    >>> percent(0.826), percent(0.995)
    ('83\\xa0%', 'over 99\\xa0%')
    """
    if 0.995 <= probability < 1:
        return N_("over 99\N{NO-BREAK SPACE}%")
    if 0 < probability <= 0.005:
        return N_("under 1\N{NO-BREAK SPACE}%")
    return f"{100 * probability:.0f}\N{NO-BREAK SPACE}%"


def one_line(text: str) -> str:
    """Text from outside for a terminal or a plot: line breaks, control and invisible characters are escaped.

    >>> one_line("caf\\udce9\\n\\x1b]0;x\\x07")
    'caf\\\\udce9\\\\n\\\\x1b]0;x\\\\x07'
    """
    return "".join(
        # Spaces of other widths are harmless, and are part of our own messages.
        sign if sign.isprintable() or category(sign) == "Zs" else sign.encode("unicode_escape").decode("ascii")
        for sign in text
    )


def shortened(name: str, most: int) -> str:
    """A name on one line with at most ``most`` characters: its beginning and its end.

    >>> shortened("interview_of_2026-03-05_final.mp4", 20)
    'interview_…final.mp4'
    """
    name = one_line(name)
    return name if len(name) <= most else f"{name[: most // 2]}…{name[len(name) - (most - 1) // 2 :]}"


def plain_text(text: str) -> str:
    """Text that UTF-8 can encode: a file name may hold bytes that it cannot.

    >>> plain_text("caf\\udce9")
    'caf\\\\udce9'
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
