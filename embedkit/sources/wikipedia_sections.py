"""Articles and sections of the sample of English Wikipedia that gensim carries in its test data (CC BY-SA)."""

from __future__ import annotations

import bz2
import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from embedkit.sources.gensim_data import WIKIPEDIA, test_data

__all__ = ["FEWEST_WORDS", "STUBS", "Section", "plain_text", "sections_of", "wikipedia_sections"]

FEWEST_WORDS = 30
STUBS = frozenset(
    {
        *("bibliography", "citations", "external links", "footnotes", "further reading", "gallery", "notes"),
        *("notes and references", "other sources", "references", "references and notes", "see also", "sources"),
        "works cited",
    }
)

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_ALONE = re.compile(r"<ref\b[^<>]*/>", re.IGNORECASE)
_WHOLE = re.compile(
    r"<(ref|math|gallery|timeline|source|syntaxhighlight|score|imagemap|hiero)\b[^<>]*>.*?</\1\s*>",
    re.DOTALL | re.IGNORECASE,
)
_TEMPLATE = re.compile(r"\{\{[^{}]*\}\}")
_TABLE = re.compile(r"\{\|(?:(?!\{\||\|\}).)*\|\}", re.DOTALL)
_LINK = re.compile(r"\[\[([^\[\]]*)\]\]")
_UNSEEN = re.compile(r"\s*(?:(?i:file|image|category|media)\s*:|[a-z]{2,3}(?:-[a-z]+)*:[^|]*$)")
_OUTSIDE = re.compile(r"\[(?:https?|ftp)?:?//[^\s\]]*\s*([^\]]*)\]")
_ADDRESS = re.compile(r"(?:https?|ftp)://\S+")
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_QUOTES = re.compile(r"'{2,}")
_SWITCH = re.compile(r"__[A-Z]+__")
_HEADING = re.compile(r"(={1,6})\s*([^=].*?)\s*\1")


@dataclass(frozen=True)
class Section:
    """A section: the title of its article, its own heading ("" for the lead before the first one), its plain text."""

    article: str
    title: str
    text: str

    @property
    def name(self) -> str:
        """Article and heading in one line."""
        return f"{self.article}: {self.title}" if self.title else self.article


@lru_cache(maxsize=1)
def wikipedia_sections() -> tuple[Section, ...]:
    """All sections of the sample's articles, in its order; see `sections_of` for the rule. Raises NotInstalled.

    206 pages, of which 106 have sections; nearly all others send the reader on. Reading takes two seconds, once a
    process.
    """
    from gensim.corpora.wikicorpus import extract_pages

    with bz2.open(test_data(WIKIPEDIA), "rb") as file:
        return tuple(found for title, text, _ in extract_pages(file, ("0",)) for found in sections_of(title, text))


def sections_of(article: str, markup: str) -> tuple[Section, ...]:
    """Sections of an article in wiki markup.

    A section runs from a heading, of whatever level, to the next one; what stands before the first heading is the lead.
    Left out are sections of fewer than FEWEST_WORDS words, those under a heading of STUBS with all below them, and
    pages that only send the reader on. Text is what `plain_text` leaves.
    """
    if markup.lstrip().upper().startswith("#REDIRECT"):
        return ()
    found = (Section(article, title, text) for title, text in _parts(plain_text(markup)))
    return tuple(each for each in found if len(each.text.split()) >= FEWEST_WORDS)


def plain_text(markup: str) -> str:
    """Wiki markup as plain text, headings still marked by = signs, one line a paragraph.

    Comments, references, formulas, galleries, templates, tables, pictures and categories go; of a link its label
    stays. Nothing is expanded or run.
    """
    text = _WHOLE.sub("", _ALONE.sub("", _COMMENT.sub("", markup)))
    text = _until_still(text, lambda given: _TABLE.sub("", _TEMPLATE.sub("", given)))
    text = _until_still(text, lambda given: _LINK.sub(_label, given))
    text = _ADDRESS.sub("", _OUTSIDE.sub(r"\1", text))
    text = _SWITCH.sub("", _QUOTES.sub("", html.unescape(_TAG.sub(" ", text))))
    lines = (" ".join(line.split()) for line in text.splitlines())
    # a line that still begins as a table's does is the rest of one that was cut in two
    kept = (line.lstrip("*#:; ") for line in lines if not line.startswith(("|", "!", "{|")))
    return "\n".join(line for line in kept if line)


def _until_still(text: str, change: Callable[[str], str]) -> str:
    """Change the innermost markup until nothing changes: it nests."""
    while (after := change(text)) != text:
        text = after
    return text


def _label(link: re.Match[str]) -> str:
    inside = link.group(1)
    return "" if _UNSEEN.match(inside) else inside.rsplit("|", 1)[-1].lstrip(":")


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """(heading, text) of a plain text, without what stands under a heading of STUBS."""
    title, lines, stub = "", list[str](), 0  # stub: the level of the stub that we are in, or 0
    for line in text.split("\n"):
        heading = _HEADING.fullmatch(line)
        if heading is None:
            lines.append(line)
            continue
        if not stub:
            yield title, "\n".join(lines)
        level, title, lines = len(heading.group(1)), heading.group(2), []
        if not stub or level <= stub:
            stub = level if title.lower() in STUBS else 0
    if not stub:
        yield title, "\n".join(lines)
