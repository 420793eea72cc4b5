"""What gensim carries in its own test data: a sample of Wikipedia, the Lee corpus, and three tests of word vectors."""

from __future__ import annotations

import bz2
import csv
import importlib.util
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from embedkit.errors import NotInstalled

__all__ = ["google_analogies", "lee_sentences", "split_sentences", "test_data", "wikipedia_sentences", "word_pairs"]

WIKIPEDIA = "enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"


def test_data(name: str) -> Path:
    """Path of a file in gensim's test data; raises NotInstalled."""
    spec = importlib.util.find_spec("gensim")
    path = Path(spec.origin).parent / "test" / "test_data" / name if spec and spec.origin else Path(name)
    if not path.is_file():
        raise NotInstalled(f"gensim's test data '{name}' is not on this machine. Install it: pip install gensim")
    return path


@lru_cache(maxsize=1)
def google_analogies() -> dict[str, tuple[tuple[str, str, str, str], ...]]:
    """The Google analogy set (Mikolov et al. 2013), lower-cased: by category, questions a : b = c : d."""
    found: dict[str, list[tuple[str, str, str, str]]] = {}
    category = ""
    for line in test_data("questions-words.txt").read_text("utf-8").splitlines():
        if line.startswith(":"):
            category = line[1:].strip()
        elif len(words := line.lower().split()) == 4:
            found.setdefault(category, []).append((words[0], words[1], words[2], words[3]))
    return {name: tuple(questions) for name, questions in found.items()}


@lru_cache(maxsize=2)
def word_pairs(name: str) -> tuple[tuple[str, str, float], ...]:
    """Pairs of words with people's judgment of their similarity: "wordsim353" or "simlex999"."""
    with test_data(f"{name}.{'tsv' if name == 'wordsim353' else 'txt'}").open(encoding="utf-8", newline="") as file:
        lines = (line for line in file if not line.startswith("#"))
        return tuple((row[0], row[1], float(row[2])) for row in csv.reader(lines, delimiter="\t") if len(row) >= 3)


_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'(])")
_WIKI_NOISE = re.compile(r"^[=*#:;|!{].*$", re.MULTILINE)


def _sentences(text: str) -> Iterator[str]:
    for paragraph in text.split("\n"):
        for sentence in _SENTENCE_END.split(paragraph.strip()):
            plain = " ".join(sentence.replace("'''", "").replace("''", "").split())
            if plain:
                yield plain


def split_sentences(text: str) -> tuple[str, ...]:
    """Sentences of a plain text: split after . ! ? before a capital, and at line ends."""
    return tuple(_sentences(text))


@lru_cache(maxsize=1)
def wikipedia_sentences() -> tuple[tuple[str, str], ...]:
    """(article title, sentence) of the sample of English Wikipedia (about 106 articles with text, CC BY-SA).

    Reading the dump takes about two seconds, once a process.
    """
    from gensim.corpora.wikicorpus import extract_pages, filter_wiki

    with bz2.open(test_data(WIKIPEDIA), "rb") as file:
        pages = [(title, filter_wiki(text)) for title, text, _ in extract_pages(file, ("0",))]
    return tuple(
        (title, sentence)
        for title, text in pages
        if not text.lstrip().startswith("#REDIRECT")
        for sentence in _sentences(_WIKI_NOISE.sub("", text))
        if 3 <= len(sentence.split()) <= 120  # shorter ones are captions, longer ones tables
    )


@lru_cache(maxsize=1)
def lee_sentences() -> tuple[str, ...]:
    """Sentences of the Lee background corpus: 300 news texts (Lee, Pincombe and Welsh 2005)."""
    text = test_data("lee_background.cor").read_text("utf-8")
    return tuple(sentence for line in text.splitlines() for sentence in _sentences(line))
