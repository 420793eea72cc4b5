"""Errors that are meant for the person: what, where, what to do.

EmbedkitError               pages catch this one; everything else is a bug and shows as one
|- InputError               something that was typed, chosen or given does not fit
|  `- UnknownItem           an item that the space does not hold, with near spellings
|- NotInstalled             a model or data set that is not on this machine yet
|- DamagedFile              a file that is there but not what it should be
|- FetchError               a download that did not arrive whole
`- JobError                 slow work that did not finish
   |- JobStopped            because somebody pressed stop
   `- JobDied               because its process ended without a result
"""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "DamagedFile",
    "EmbedkitError",
    "FetchError",
    "InputError",
    "JobDied",
    "JobError",
    "JobStopped",
    "NotInstalled",
    "UnknownItem",
]


class EmbedkitError(Exception):
    """What a person can read and act on; its text is shown as it is."""


class InputError(EmbedkitError, ValueError):
    """Something that was typed, chosen or given does not fit."""


class UnknownItem(InputError, KeyError):
    """An item that a space does not hold."""

    def __init__(self, item: str, known: Iterable[str] = (), what: str = "items") -> None:
        known = list(known)
        near = get_close_matches(item.lower(), known, n=3, cutoff=0.75) if len(item) < 40 else []
        shown = item if len(item) <= 40 else item[:37] + "..."
        hint = f" Did you mean {' or '.join(repr(word) for word in near)}?" if near else ""
        self.item, self.near = item, tuple(near)
        super().__init__(f"'{shown}' is not among {len(known):,} {what}.{hint}")

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would print the repr


class NotInstalled(EmbedkitError):
    """A model or data set that is not on this machine yet."""


class DamagedFile(EmbedkitError):
    """A file that is there but is not what it should be."""


class FetchError(EmbedkitError):
    """A download that did not arrive whole."""


class JobError(EmbedkitError):
    """Slow work that did not finish."""


class JobStopped(JobError):
    """Slow work that somebody stopped."""


class JobDied(JobError):
    """Slow work whose process ended without a result."""
