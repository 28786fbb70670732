"""Languages of reports and pages: texts from message catalogues (gettext), and the signs in numbers.

A message of other modules (``N_``) is English where it is made and stored. Here the template that it was made of, such
as "{n} clips were not scored: the face is {why}", is found again, and its translation filled in.
"""

from __future__ import annotations

import re
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import Any

from facetell.types import N_
from facetell.verdict import UNSCORED

SIGNS = {"en": ".,", "de": ",."}  # by language, the decimal sign and that between thousands
LANGUAGES = tuple(SIGNS)
THE_FILE = N_("the file")  # in messages for others, in place of a path
LOCALE = Path(__file__).parents[1] / "locale"


class Language:
    """One language: ``texts`` are for templates, ``words`` for scripts, by the English text (empty for English)."""

    def __init__(self, code: str) -> None:
        self.texts, found = NullTranslations(), dict[Any, str]()
        if code != "en":
            with (LOCALE / code / "LC_MESSAGES" / "facetell.mo").open("rb") as file:
                self.texts = GNUTranslations(file)
            found = self.texts._catalog  # type: ignore[attr-defined]  # protected, but documented
        of: dict[str, dict[str, str]] = {"message": {}, "script": {}}  # by context
        for context, source in (key.split("\x04") for key in found if "\x04" in key):
            of[context][source] = found[f"{context}\x04{source}"]
        self.words = of["script"]
        # The most specific template first.
        sources = sorted(of["message"], key=lambda source: -len(re.sub(r"\{\w+\}", "", source)))
        self._messages = [(_pattern(source), of["message"][source]) for source in sources]
        self._signs = str.maketrans(SIGNS["en"], SIGNS[code])

    def number(self, text: str) -> str:
        """A formatted number with the signs of this language."""
        return text.translate(self._signs)

    def message(self, text: str, depth: int = 5) -> str:
        """A translated message, with those in it down to ``depth`` levels; other text as it is."""
        for pattern, template in self._messages if depth else ():
            if found := pattern.fullmatch(text):
                parts = found.groupdict().items()
                return template.format(**{name: self._part(name, part, depth - 1) for name, part in parts})
        return text

    def _part(self, name: str, text: str, depth: int) -> str:
        if name == "path" and text != THE_FILE:  # it may have the name of a message
            return text
        if re.fullmatch(r"[\d.]+( s|%)?", text):
            return self.number(text).replace("%", "\N{NO-BREAK SPACE}%")
        # Several messages, or several counts.
        return "".join(self.message(part, depth) for part in re.split("(; |, (?=[0-9]+ ))", text))


load_language = cache(Language)


def _pattern(template: str) -> re.Pattern[str]:
    """What a message that was made of a template matches; ``{count}`` is a whole number, ``{status}`` of a face."""
    bound = {"count": "[0-9]+", "status": "|".join(UNSCORED.values())}
    named = re.sub(r"\\\{(\w+)\\\}", lambda m: f"(?P<{m[1]}>{bound.get(m[1], '.+?')})", re.escape(template))
    return re.compile(named, re.DOTALL)


def preferred(header: str) -> str:
    """The language of an Accept-Language header (RFC 9110) with the highest weight; English if there is none."""
    found = re.findall(r"(?:^|,)\s*(\w+)[\w-]*\s*(?:;\s*q=([01](?:\.\d*)?))?", header.lower())
    weights = [(0.0, "en"), *((float(weight or 1), str(code)) for code, weight in found if code in LANGUAGES)]
    return max(weights, key=lambda each: each[0])[1]
