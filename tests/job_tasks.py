"""Tasks for the tests of embedkit.jobs; workers import this file by its name alone."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from embedkit.errors import InputError, UnknownItem
from embedkit.worker import Report


class PrivateError(InputError):
    """One that embedkit.errors does not know."""


def add_line(file: str) -> None:
    with Path(file).open("a", encoding="utf-8") as log:
        log.write("ran\n")


def count(report: Report, n: int, log: str) -> dict[str, Any]:
    """0 to n-1, with a line in `log` for each run."""
    add_line(log)
    for i in range(n):
        report((i + 1) / n, f"item {i + 1}", seen=np.float32(i))
    return {"numbers": np.arange(n)}


def who(report: Report, call: int = 0) -> tuple[dict[str, Any], dict[str, Any]]:
    variables = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")
    return {}, {"pid": os.getpid(), "call": call, "threads": [os.environ[name] for name in variables]}


def until(report: Report, gate: str, begun: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
    """Wait until the file `gate` is there; `begun` holds the id of the process meanwhile."""
    if begun:
        Path(begun + ".new").write_text(str(os.getpid()))
        Path(begun + ".new").replace(begun)
    report(0.25, "before the gate", gate="closed")
    while not Path(gate).exists():
        time.sleep(0.02)
    return {"one": np.ones(1)}, {"pid": os.getpid()}


def train(report: Report, steps: int) -> dict[str, Any]:
    for n in range(steps):
        report.step(n, {"weights": np.full(2, n)}, {"loss": 1 / (n + 1)})
        time.sleep(0.01)
    return {"weights": np.full(2, steps)}


def noisy(report: Report) -> dict[str, Any]:
    print('{"at": "done", "run": 0}')  # noqa: T201 - the point of it
    os.write(1, b"written by a library\n")
    subprocess.run([sys.executable, "-c", "print('printed by a child')"], check=True)
    assert sys.stdin.read() == ""
    return {"one": np.ones(1)}


def unknown(report: Report) -> dict[str, Any]:
    raise UnknownItem("aple", ["apple", "pear"])


def private(report: Report) -> dict[str, Any]:
    raise PrivateError("Only 3 of 5 given.")


def bug(report: Report) -> dict[str, Any]:
    return {"never": np.array([1 // len([])])}


def leave(report: Report) -> dict[str, Any]:
    sys.exit("no more")


def large(report: Report, log: str) -> dict[str, Any]:
    add_line(log)
    return {"zeros": np.zeros(100_000)}


def own_key(report: Report, key: str) -> dict[str, Any]:
    """What a room's function does that keeps its results itself."""
    from embedkit.store import default_store

    entry = default_store().get_or_make(key, lambda: {"inner": np.arange(3)})
    return dict(entry.arrays)
