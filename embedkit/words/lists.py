"""Lists of words to look at: topics that are shipped, the most frequent, and a person's own."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from embedkit.errors import InputError
from embedkit.paths import asset
from embedkit.space import Space

__all__ = ["OPENING", "Parsed", "frequent", "opening_topics", "parse_words", "topics"]

OWN_LIMIT = 20_000
OPENING = ("animals", "fruit and vegetables", "countries", "professions", "clothes", "vehicles")


@lru_cache(maxsize=1)
def topics() -> dict[str, tuple[str, ...]]:
    """The shipped topics and their words."""
    found: dict[str, list[str]] = {}
    with asset("words/topics.tsv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            found.setdefault(row["topic"], []).append(row["word"])
    return {topic: tuple(words) for topic, words in found.items()}


def opening_topics(space: Space, names: Sequence[str] = OPENING) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Words of these topics that the space knows, and the topic of each."""
    lists = topics()
    pairs = [(word, name) for name in names if name in lists for word in lists[name] if word in space]
    return tuple(word for word, _ in pairs), tuple(name for _, name in pairs)


def frequent(space: Space, count: int = 2_000) -> tuple[str, ...]:
    """The first `count` items: methods keep them in falling order of frequency where it is known."""
    return space.items[:count]


@dataclass(frozen=True)
class Parsed:
    """A person's own list: `known` words in their order, `unknown` ones, and how many came `twice`."""

    known: tuple[str, ...]
    unknown: tuple[str, ...]
    twice: int

    def sentence(self) -> str:
        """What was understood, in plain words; empty when everything was."""
        parts = []
        if self.unknown:
            shown = ", ".join(f"'{word[:30]}'" for word in self.unknown[:5])
            more = f" and {len(self.unknown) - 5:,} more" if len(self.unknown) > 5 else ""
            parts.append(f"{len(self.unknown):,} not among the words and left out: {shown}{more}.")
        if self.twice:
            parts.append(f"{self.twice:,} came twice and count once.")
        return " ".join(parts)


def parse_words(text: str, space: Space) -> Parsed:
    """Read words separated by lines, commas, semicolons, tabs or spaces, in any case.

    Raises InputError for an empty list, for more than 20,000 words, and when none of them is known.
    """
    words = [word for word in re.split(r"[\s,;]+", text) if word]
    if not words:
        raise InputError("The list is empty. Type words separated by commas, spaces or lines.")
    if len(words) > OWN_LIMIT:
        raise InputError(f"The list has {len(words):,} words; at most {OWN_LIMIT:,} can be drawn at once.")
    matched = [word if word in space else word.lower() for word in words]
    unique = list(dict.fromkeys(matched))
    known = tuple(word for word in unique if word in space)
    unknown = tuple(word for word in unique if word not in space)
    if not known:
        raise InputError(
            f"None of the {len(unique):,} words is among the {space.n:,} of this space, for instance "
            f"'{unknown[0][:30]}'. It knows English words of one piece, in lower case."
        )
    return Parsed(known, unknown, len(words) - len(unique))
