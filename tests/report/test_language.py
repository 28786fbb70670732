"""The German catalogue is complete, and a report in German has nothing else in English and the same result."""

import re
import runpy
from gettext import GNUTranslations
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from report_reader import check_page

from facetell.cli import main
from facetell.report.language import LANGUAGES, load_language, preferred
from facetell.report.page import Report
from fixtures import FAST

CATALOGUES = runpy.run_path(Path(__file__).parents[2] / "docs" / "catalogues.py")
SOURCE = CATALOGUES["extracted"]()
(PATH,) = CATALOGUES["SOURCE"].glob(CATALOGUES["CATALOGUES"])
# In every text: placeholders, and elements of HTML.
FIXED = re.compile(r"%\(\w+\)s|%%|(?<!%)\{\w+\}|</?\w+[^>]*>")


def test_the_catalogue_has_every_text_of_the_source_and_its_compiled_form_is_the_same():
    catalogue, compiled = CATALOGUES["read"](PATH), BytesIO()
    assert {(e.context, e.id) for e in catalogue} == {(e.context, e.id) for e in SOURCE}, "run `make catalogues`"
    assert not catalogue.obsolete and [entry.id for entry in catalogue if entry.fuzzy and entry.id] == []
    for entry in catalogue:
        pairs = [(entry.id, entry.string)] if isinstance(entry.id, str) else zip(entry.id, entry.string, strict=True)
        for source, text in pairs:
            assert text and (not source or sorted(FIXED.findall(source)) == sorted(FIXED.findall(text))), source
    write_mo(compiled, catalogue)
    compiled.seek(0)
    files = BytesIO(PATH.with_suffix(".mo").read_bytes()), compiled
    stored, made = (GNUTranslations(file)._catalog for file in files)
    assert stored | {"": ""} == made | {"": ""}, "run `make catalogues`"


def test_every_message_is_found_by_its_own_template():
    entries = [e for e in CATALOGUES["read"](PATH) if e.context == "message" and "{status}" not in e.id]
    assert len(entries) > 100
    for entry in entries:
        names, values = re.findall(r"\{(\w+)\}", entry.id), {"count": "3", "path": "forged"}
        values = {name: name.upper() for name in names} | values
        assert load_language("de").message(entry.id.format(**values)) == entry.string.format(**values)


def test_messages_of_several_parts_and_with_numbers():
    say = load_language("de").message
    assert say("3 faces were not scored: 2 too small, 1 pixelated").endswith(": 2 zu klein, 1 verpixelt")
    assert "(1 beschädigtes Bild wurde ausgelassen; abgeschnittene Datei: 0,5 von 2,5 Sekunden lesbar)" in say(
        "too few of its frames are undamaged (1 damaged frame was left out; truncated file: 0.5 of 2.5 seconds "
        "readable): get the file again"
    )
    damaged = "talk (1).mp4 cannot be scored (ValueError: x): it may be damaged; convert it, or get the file again"
    assert say(damaged).startswith("talk (1).mp4 kann nicht bewertet werden (ValueError: x): möglicherweise beschädigt")
    for text in ("1 " * 3000, "a" + 1000 * ": take the score with caution"):
        assert say(text).startswith(text[:9])
    for text in ("the model is unknown", "99\N{NO-BREAK SPACE}%"):
        assert say(text) == text
    assert load_language("en").message("too small") == "too small" and load_language("en").number("1,2.5") == "1,2.5"


def test_the_language_of_a_browser():
    assert [preferred(header) for header in ("de-AT, en;q=0.9", "fr, de;q=0.2", "DE, en")] == ["de"] * 3
    assert [preferred(header) for header in ("", "en, de;q=0.9", "*, fr", "de;q=0")] == ["en"] * 4


def test_a_german_report_has_the_same_result_and_german_numbers(detector, man, tmp_path):
    report = Report(detector)
    report.add(detector(man))
    pages = {language: check_page(report.html(language)) for language in LANGUAGES}
    embedded = {page.one("script", id="result").text for page in pages.values()}
    assert len(embedded) == 1 and [page.one("html").attributes["lang"] for page in pages.values()] == list(LANGUAGES)
    text = pages["de"].text
    assert "Nicht als gefälscht erkannt" in text and re.search(r"zu sehen von 0:00,0 bis 0:02,\d; ", text)
    options = ["--model", FAST, "--max-clips", "1", "--out", str(tmp_path), "--language", "de"]
    assert main(["detect", str(man), *options, "--report", str(tmp_path / "r.html")]) == 0
    assert '<html lang="de">' in (tmp_path / "r.html").read_text()
    assert "Gestrichelt: der Schwellwert" in (tmp_path / f"{man.name}.svg").read_text()
