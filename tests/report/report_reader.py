"""Reads a report back with the standard library's parser, and checks what every page must be."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "img", "br", "input", "link", "hr"}
ADDRESSES = {"src", "href", "srcset", "action", "poster", "data", "formaction", "xlink:href"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str | None]
    parents: tuple[str, ...]
    text: str = ""


@dataclass
class Page(HTMLParser):
    """The elements of a page in order, each with all the text in it; ``faults`` are tags that do not match."""

    elements: list[Element] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[Element] = []

    def handle_starttag(self, tag, attrs):
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self._open.append(self.elements[-1])

    def handle_startendtag(self, tag, attrs):
        element = Element(tag, dict(attrs), tuple(e.tag for e in self._open))
        if len(element.attributes) != len(attrs):
            self.faults.append(f"<{tag}> repeats an attribute")
        self.elements.append(element)

    def handle_endtag(self, tag):
        if not self._open or self._open[-1].tag != tag:
            self.faults.append(f"</{tag}> closes {self._open[-1].tag if self._open else 'nothing'}")
        else:
            self._open.pop()

    def handle_data(self, data):
        for element in self._open:
            element.text += data

    def all(self, *tags: str) -> list[Element]:
        return [element for element in self.elements if element.tag in tags]

    def one(self, tag: str, **attributes: str) -> Element:
        (found,) = (e for e in self.all(tag) if attributes.items() <= e.attributes.items())
        return found

    @property
    def text(self) -> str:
        return " ".join(self.one("body").text.replace("".join(e.text for e in self.all("script")), "").split())


def read(html: str) -> Page:
    page = Page()
    page.feed(html)
    page.close()
    page.faults += [f"<{e.tag}> is not closed" for e in page._open]
    return page


def check_page(html: str) -> Page:
    """Well-formed and self-contained; returns it read."""
    page = read(html)
    assert html.startswith("<!doctype html>") and not page.faults
    identifiers = [e.attributes["id"] for e in page.elements if "id" in e.attributes]
    assert len(identifiers) == len(set(identifiers))
    for element in page.elements:
        assert "style" not in element.attributes and not any(name.startswith("on") for name in element.attributes)
        for name in ADDRESSES & element.attributes.keys():
            value = element.attributes[name]
            assert value.startswith("data:image/jpeg;base64,") or value.removeprefix("#") in identifiers, value[:80]
    assert not page.all("link", "iframe", "object", "embed", "base", "form")
    css = page.one("style").text
    assert "url(" not in css and "@import" not in css and "@font-face" not in css
    return page
