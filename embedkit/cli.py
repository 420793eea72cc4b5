"""The command line: what is here, what can be fetched, neighbors of a word, own files, and the shipped ones' recipes.

python -m embedkit list
python -m embedkit fetch words/glove
python -m embedkit fetch mnist
python -m embedkit near words/minilm apple -k 5
python -m embedkit open vectors.npy labels.tsv
python -m embedkit build-assets --only words
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedkit._version import __version__
from embedkit.errors import EmbedkitError, InputError

if TYPE_CHECKING:
    from embedkit.catalog import CatalogRow

__all__ = ["main"]

EXPLORER = "http://localhost:8501/explorer?ex_src=Own+files&ex_open="

# kinds whose fetch, also of what is here, finds a damaged file and fetches it again
LOOKED_AT = ("static", "pictures", "users and items")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 2 after an error for the person, 130 after Ctrl-C."""
    asked = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], None] = asked.command
    try:
        command(asked)
        sys.stdout.flush()
    except EmbedkitError as error:
        _say(str(error))
        return 2
    except KeyboardInterrupt:
        _say("")
        return 130
    except BrokenPipeError:  # `| head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m embedkit", description="See how things become vectors.")
    parser.add_argument("--version", action="version", version=f"embedkit {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    each = commands.add_parser("list", help="the methods, and the data and models that are here or can be fetched")
    each.set_defaults(command=_list)

    each = commands.add_parser(
        "fetch", help="fetch word vectors, pictures or a model, once; afterwards it works offline"
    )
    each.add_argument("name", help="a name from the list, such as words/glove-gigaword, mnist or bert-base")
    each.set_defaults(command=_fetch)

    each = commands.add_parser("near", help="the items nearest to an item, exact")
    each.add_argument("space", help="the key of a method, such as words/minilm")
    each.add_argument("word", help="an item of the space")
    each.add_argument("-k", type=int, default=10, help="how many (default: 10)")
    each.add_argument("--metric", default="cosine", help="cosine (default), dot or euclidean")
    each.add_argument("--json", action="store_true", help="JSON in place of a table")
    each.set_defaults(command=_near)

    each = commands.add_parser("open", help="open files of vectors, and look at them in the explorer or convert them")
    each.add_argument("files", nargs="+", metavar="FILE", help="vectors, and their labels or sprite with them")
    each.add_argument("--to", metavar="OUT", help="write them to this file, in place of keeping them for the explorer")
    each.add_argument("--as", dest="format", metavar="FORMAT", help="the format to write, else by the end of OUT")
    each.set_defaults(command=_open)

    each = commands.add_parser("build-assets", help="make the shipped files again by their recipes")
    each.add_argument(
        "--only",
        choices=("words", "maps", "networks", "towers", "trained-words", "four-methods", "word-pitfalls", "pictures"),
        help="one kind of them (default: all)",
    )
    each.set_defaults(command=_build)
    return parser


def _list(_: argparse.Namespace) -> None:
    from embedkit.catalog import catalog
    from embedkit.registry import methods

    rows = {row.name: row for row in catalog()}
    print("Methods: embedkit.load(KEY)")
    _table(
        ("KEY", "KIND", "LICENCE", "YEAR", "HERE", "TITLE"),
        [
            (each.key, each.kind, each.licence, str(each.year), _here(each.needs, rows), each.title)
            for each in methods().values()
        ],
    )
    print("\nData and models: python -m embedkit fetch NAME for what is not here")
    _table(
        ("NAME", "KIND", "LICENCE", "YEAR", "HERE", "MB", "TITLE"),
        [
            (row.name, row.kind, row.licence, str(row.year), _yes(row.here), f"{row.megabytes:,.1f}", row.title)
            for row in rows.values()
        ],
    )


def _here(needs: Sequence[str], rows: dict[str, CatalogRow]) -> str:
    """Whether all that a method needs is here, as far as the catalog knows it."""
    return _yes(all(rows[need].here for need in needs if need in rows))


def _fetch(asked: argparse.Namespace) -> None:
    from embedkit.catalog import catalog, fetch_task_of

    rows = {row.name: row for row in catalog()}
    if asked.name not in rows:
        fetch_task_of(asked.name)  # raises, with the names that can be fetched
    row = rows[asked.name]
    _say(f"{row.title}: {row.megabytes:,.1f} MB, licence {row.licence}, {row.year}.")
    if row.here and not (row.fetch and row.kind in LOOKED_AT):
        print(f"{row.title} is here already.")
        return
    if not row.fetch:
        raise InputError(f"{row.title} comes with the install and is not there. Install again: make run")
    task, params = fetch_task_of(row.fetch)
    module, _, function = task.partition(":")
    with _Progress() as progress:
        _, found = getattr(importlib.import_module(module), function)(progress, **params)
    if "words" in found:
        size = f"{found['words']:,} words x {found['dims']}"
        print(f"{row.title} is here: {size}. Next: python -m embedkit near {row.fetch} apple")
    else:
        print(f"{row.title} is here.")


def _near(asked: argparse.Namespace) -> None:
    import embedkit.catalog  # noqa: F401  # registers the methods that can be fetched
    from embedkit.neighbors import search
    from embedkit.registry import load

    found = search(load(asked.space), asked.word, asked.k, asked.metric)
    if asked.json:
        neighbors = [
            {"rank": near.rank, "item": near.item, "score": round(near.score, 6), "asked": near.asked} for near in found
        ]
        answer = {"space": asked.space, "word": asked.word, "metric": asked.metric, "neighbors": neighbors}
        print(json.dumps(answer, ensure_ascii=False, indent=2))
        return
    what = "DISTANCE" if asked.metric == "euclidean" else asked.metric.upper()
    rows = [(str(near.rank), near.item, f"{near.score:.4f}", "asked" if near.asked else "") for near in found]
    _table(("RANK", "ITEM", what, ""), rows)


def _open(asked: argparse.Namespace) -> None:
    from embedkit.files import open_files, save_space
    from embedkit.files.formats import format_for
    from embedkit.files.keeping import keep_opened
    from embedkit.store import default_store

    if asked.format and not asked.to:
        raise InputError("--as says how to write; name the file with --to OUT.")
    if asked.to:
        format_for(asked.format, asked.to)  # what cannot be written is known before a long reading
    with _Progress() as progress:
        opened = open_files(asked.files, report=progress)
    print(*opened.said, sep="\n")
    print(f"{opened.space.n:,} x {opened.space.d:,}")
    if asked.to:
        saved = save_space(opened.space, asked.to, asked.format)
        print(*saved.said, f"Written: {', '.join(map(str, saved.files))}", sep="\n")
        return
    key = keep_opened(opened, [Path(name).name for name in asked.files], default_store())
    print(f"With the app running (make run): {EXPLORER}{key}")


def _build(asked: argparse.Namespace) -> None:
    if asked.only in (None, "words"):
        from embedkit.words.recipe import distill, write_table

        _say("Distilling words/minilm from the transformer; about a minute.")
        write_table(distill())
        _say("Wrote assets/words.")
    if asked.only != "words":
        if importlib.util.find_spec("embedkit.assets_recipe") is None:
            _say("There is no recipe for maps and pictures in this version.")
        else:
            build: Callable[[str | None, Callable[[str], None]], Any]
            build = importlib.import_module("embedkit.assets_recipe").build
            build(asked.only, _say)


class _Progress:
    """A line on stderr that is written over; where stderr is a file, a line for every tenth."""

    def __init__(self) -> None:
        self.live, self.last, self.width = sys.stderr.isatty(), "", 0

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self.live and self.last:
            _say("")

    def __call__(self, fraction: float | None, text: str) -> None:
        line = text if fraction is None else f"{fraction:4.0%}  {text}"
        mark = line if self.live else text[:12] if fraction is None else str(int(fraction * 10))
        if mark == self.last:
            return
        self.last = mark
        if self.live:
            sys.stderr.write("\r" + line.ljust(self.width))
            sys.stderr.flush()
            self.width = len(line)
        else:
            _say(line)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _yes(here: bool) -> str:
    return "yes" if here else "no"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
