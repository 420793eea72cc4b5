"""The process that does slow work: `python -m embedkit.worker`, started and spoken to by `embedkit.jobs`.

It reads one JSON object a line from stdin (settings first, then "run" and "stop") and answers the same way on stdout
("begun", "report", "step", "note", then one of "done", "stopped", "failed"). When stdin closes, it ends at once: the
server that asked is gone. It is a plain program because Streamlit takes the place of `__main__`, and what the
multiprocessing module starts would run the whole app again.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import json
import os
import queue
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from embedkit.errors import EmbedkitError, JobError, JobStopped
from embedkit.store import Entry, Store, _shared, home, step_key

__all__ = ["Report", "allowed", "main", "spaced_epochs"]

REPORT_SECONDS = 0.05  # 20 a second: a page redraws no faster
NICE = 10  # the pages come first; the value cannot be taken back without privileges, so it holds for all slow work

Message = dict[str, Any]


class Report:
    """What slow work says while it runs; the first argument of every task. `Report()` alone is silent.

    Raises JobStopped, from any call, when somebody pressed stop.
    """

    def __init__(
        self,
        send: Callable[[Message], object] | None = None,
        stopped: Callable[[], bool] = lambda: False,
        store: Store | None = None,
        key: str = "",
        title: str = "The work",
    ) -> None:
        self.steps: list[int] = []  # the n of each step that was kept
        self._send = send or (lambda _: None)
        self._stopped, self._store, self._key, self._title = stopped, store, key, title
        self._lock = threading.Lock()
        self._held: Message | None = None
        self._sent = -1.0

    def __call__(self, fraction: float | None = None, text: str = "", **data: Any) -> None:
        """Say how far it is: `fraction` 0 to 1, or None if unknown; `data` is what JSON can hold, or numpy scalars.

        Call it as often as you like: 20 a second are sent, and of those in between the last.
        """
        self._check()
        if fraction is not None:
            fraction = min(1.0, max(0.0, float(fraction)))
        plain = json.loads(json.dumps(data, default=lambda value: value.item()))  # a loss is often a np.float32
        with self._lock:
            waiting, self._held = self._held, {"at": "report", "fraction": fraction, "text": text, "data": plain}
            pause = self._sent + REPORT_SECONDS - time.monotonic()
        if pause <= 0:
            self.flush()
        elif waiting is None:  # send it later, even if the next call is minutes away
            timer = threading.Timer(pause, self.flush)
            timer.daemon = True
            timer.start()

    def step(self, n: int, arrays: Mapping[str, Any], meta: Mapping[str, Any] | None = None) -> None:
        """Keep step `n` (arrays by name, and meta) and announce it; pages read it while the work goes on."""
        name = f"{self._title}, step {n}"
        if self._store is not None and self._store.put(step_key(self._key, n), arrays, meta, name):
            self.kept([n])
        self._check()  # after the step is kept: a stopped training shows its last one

    def kept(self, numbers: Iterable[int]) -> None:
        """Count steps that the store holds already as this run's: it goes on where an earlier one was stopped."""
        for n in numbers:
            if n not in self.steps:
                self.steps.append(n)
                self._send({"at": "step", "n": n})

    def flush(self) -> None:
        """Send the report that waits, if one does."""
        with self._lock:
            if self._held is not None:
                self._send(self._held)
                self._held, self._sent = None, time.monotonic()

    def _check(self) -> None:
        if self._stopped():
            raise JobStopped(f"{self._title} was stopped.")


def spaced_epochs(epochs: int, most: int) -> tuple[int, ...]:
    """The epochs, `most` at most, whose steps are worth keeping: 0, then ever further apart; the last always."""
    import numpy as np

    spaced = np.geomspace(1, max(epochs, 1), most - 1).round().astype(int)
    return tuple(int(epoch) for epoch in np.unique([0, *spaced]) if epoch <= epochs)


def allowed(task: str, packages: list[str] | tuple[str, ...]) -> tuple[str, str]:
    """The module and the function of a task "package.module:function"; ValueError unless its package is listed."""
    module, _, function = task.partition(":")
    if not function.isidentifier() or not any(module == name or module.startswith(name + ".") for name in packages):
        raise ValueError(f"A task is 'module:function' within {', '.join(packages)}, not {task!r}.")
    return module, function


def _run(order: Message, store: Store, packages: list[str], report: Report, stopped: Callable[[], bool]) -> Message:
    """Do one order and return the last message of its run."""
    try:
        module, function = allowed(order["task"], packages)
        work = getattr(importlib.import_module(module), function)
        if order["warm"]:  # for what it loads and compiles; the result is of no use
            work(Report(stopped=stopped), **order["params"])
            return {"at": "done"}
        key, title = order["key"], order["title"]
        with contextlib.ExitStack() as held:
            if not held.enter_context(store.locked(key, wait=0)):
                report(None, "Waiting: another server on this machine is making the same result.")
                held.enter_context(store.locked(key, cancelled=stopped))
                report(None)
            if store.get(key) is not None:
                return {"at": "done"}
            try:
                entry = Entry.of(work(report, **order["params"]))
            finally:  # of a stopped one as well: the next visit finds how far it came
                if report.steps:
                    store.put_bytes(step_key(key, None), json.dumps(report.steps).encode(), f"{title}, list of steps")
            kept = store.put(key, entry.arrays, entry.meta, title)
            return {"at": "done"} if kept else {"at": "done", "elsewhere": _put_elsewhere(key, entry, title)}
    except JobStopped:
        return {"at": "stopped"}
    except EmbedkitError as error:
        kinds = [kind.__name__ for kind in type(error).__mro__]
        known = {name: value for name, value in vars(error).items() if _is_json(value)}
        return {"at": "failed", "kinds": kinds, "text": str(error), "known": known}
    except BaseException:  # SystemExit too: a bug is shown, and the worker outlives what it runs
        trace = traceback.format_exc()
        sys.stderr.write(trace)
        return {"at": "failed", "kinds": [], "text": trace}


def _put_elsewhere(key: str, entry: Entry, title: str) -> str:
    """Hand the result over in the system's temporary folder, where the parent reads and removes it."""
    with contextlib.suppress(OSError):
        folder = tempfile.mkdtemp(prefix="embedkit-")
        if Store(Path(folder), limit_bytes=sys.maxsize).put(key, entry.arrays, entry.meta, title):
            return folder
        shutil.rmtree(folder, ignore_errors=True)
    raise JobError(f"{title} was computed, but no disk of this machine had room for its result. Free some space.")


def _is_json(value: object) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep stdin and stdout for the protocol: a print by any library goes to stderr, input() finds nothing."""
    stdin, stdout = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # fd 0 must not stay the pipe: on Windows, loading a library while a thread reads from fd 0 can hang
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)  # os._exit flushes nothing
    return stdin, stdout


def main() -> None:
    """Serve orders until stdin closes."""
    stdin, stdout = _take_pipes()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server; its end closes our stdin
    faulthandler.enable()  # a crash in compiled code leaves at least its place on stderr
    if hasattr(os, "nice"):
        os.nice(NICE)
    settings = json.loads(stdin.readline())
    store = Store(Path(settings["root"]), settings["limit_bytes"], [Path(folder) for folder in settings["shipped"]])
    _shared[home()] = store  # default_store() in a task is the pool's, so its notes reach the page as well
    sys.path.extend(folder for folder in settings["path"] if folder not in sys.path)
    orders: queue.SimpleQueue[Message] = queue.SimpleQueue()
    stops: set[int] = set()
    writing = threading.Lock()

    def listen() -> None:
        for line in stdin:
            message = json.loads(line)
            if message["do"] == "stop":
                stops.add(message["run"])
            else:
                orders.put(message)
        os._exit(0)

    def send(run: int, message: Message) -> None:
        try:
            with writing:
                stdout.write(json.dumps({"run": run, **message}).encode() + b"\n")
                stdout.flush()
        except OSError:
            os._exit(0)  # nobody listens any more

    threading.Thread(target=listen, daemon=True).start()
    while True:
        order = orders.get()
        run: int = order["run"]

        def say(message: Message, run: int = run) -> None:
            send(run, message)

        def stopped(run: int = run) -> bool:
            return run in stops

        report = Report(say, stopped, store, order["key"], order["title"])
        say({"at": "begun"})
        last = _run(order, store, settings["allow"], report, stopped)
        report.flush()
        while store.notes:
            say({"at": "note", "text": store.notes.popleft()})
        say(last)


if __name__ == "__main__":
    from embedkit.worker import main as serve  # not this copy: tasks import Report from embedkit.worker, the same class

    serve()
