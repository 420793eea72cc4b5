"""What the benchmarks share: figures with their budgets, the table, the command line, the shared data."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class Skip(Exception):
    """A part cannot be measured here; the text says why."""


@dataclass(frozen=True)
class Figure:
    """One measured number: the median of `runs`, beside what it is measured against.

    `aim` is a budget (`sense` "<": at most) or a figure to reach (">": at least); None where there is none.
    """

    what: str
    value: float
    unit: str = ""
    aim: float | None = None
    sense: str = "<"
    note: str = ""
    runs: tuple[float, ...] = ()

    @property
    def met(self) -> bool | None:
        """Whether the aim is met; None without one."""
        if self.aim is None:
            return None
        return self.value <= self.aim if self.sense == "<" else self.value >= self.aim


Measure = Callable[[argparse.Namespace], Iterator[Figure | Skip]]


def median(what: str, runs: list[float], unit: str = "s", **more: object) -> Figure:
    """The figure of several runs."""
    return Figure(what, statistics.median(runs), unit, runs=tuple(runs), **more)  # type: ignore[arg-type]


def timed(work: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def shared(name: str) -> Path:
    """A folder of the shared data sets, or Skip."""
    root = Path(os.environ.get("EMBEDKIT_SHARED") or ROOT.parent / "shared") / "data"
    if not (root / name).is_dir():
        raise Skip(f"the data set {name} is not there (EMBEDKIT_SHARED names the folder that holds data/{name})")
    return root / name


def parts(*found: Iterator[Figure]) -> Iterator[Figure | Skip]:
    """The figures of several parts; one that cannot be measured here leaves the reason in its place."""
    for part in found:
        try:
            yield from part
        except Skip as reason:
            yield reason


@contextmanager
def own_home() -> Iterator[Path]:
    """A fresh EMBEDKIT_HOME, removed afterwards."""
    before = os.environ.get("EMBEDKIT_HOME")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ["EMBEDKIT_HOME"] = folder
        try:
            yield Path(folder)
        finally:
            os.environ.pop("EMBEDKIT_HOME")
            if before is not None:
                os.environ["EMBEDKIT_HOME"] = before


def parser(doc: str, runs: int) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    found = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--json", action="store_true", help="one JSON object in place of the table")
    found.add_argument("--runs", type=int, default=runs, help=f"runs of what is timed; the median counts ({runs})")
    return found


def _number(value: float, unit: str) -> str:
    if unit in ("%", "ms", "MB"):
        return f"{value:,.2f}" if unit == "%" else f"{value:,.1f}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4f}" if abs(value) < 0.1 else f"{value:.3f}"


def line(figure: Figure) -> str:
    """One row of the table."""
    aim = "" if figure.aim is None else f"{'at most' if figure.sense == '<' else 'at least'} {figure.aim:g}"
    said = {None: "", True: "met", False: "NOT MET"}[figure.met]
    spread = ""
    if len(figure.runs) > 1:
        spread = f"{_number(min(figure.runs), figure.unit)} to {_number(max(figure.runs), figure.unit)}"
    shown = f"{_number(figure.value, figure.unit)} {figure.unit}"
    return f"{figure.what:<58} {shown:>13}  {aim:<14} {said:<8} {spread:<20} {figure.note}".rstrip()


def main(measure: Measure, doc: str, options: argparse.ArgumentParser) -> int:
    """Measure, printing each row as it comes; with --json one object at the end."""
    args = options.parse_args()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    start, rows, skipped = time.perf_counter(), [], []
    if not args.json:
        print(f"{doc.strip().splitlines()[0]}\nload of the machine at the start: {load:.2f}", flush=True)
    for found in measure(args):
        if isinstance(found, Skip):
            skipped.append(str(found))
        else:
            rows.append(found)
        if not args.json:
            print(line(found) if isinstance(found, Figure) else f"skipped: {found}", flush=True)
    seconds = round(time.perf_counter() - start, 1)
    if args.json:
        figures = [asdict(figure) | {"met": figure.met} for figure in rows]
        print(json.dumps({"figures": figures, "skipped": skipped, "load": load, "seconds": seconds}))
    else:
        print(f"{seconds:.0f} s\n")
    return 0
