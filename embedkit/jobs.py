"""Slow work beside the pages: progress, stop, one run for one key, in processes of its own.

Processes, because a training or a compilation holds Python's lock for seconds and would freeze every page. A few
workers stay warm between jobs; the results travel through the store. `embedkit/worker.py` is the other end.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, Literal
from weakref import WeakValueDictionary

from embedkit import errors
from embedkit.errors import EmbedkitError, JobDied, JobError, JobStopped
from embedkit.store import Entry, Store, default_store, recipe_key, step_key

__all__ = ["Job", "Pool", "default_pool"]

State = Literal["queued", "running", "done", "failed", "stopped", "died"]
Message = dict[str, Any]

# each library reads its own variable; without them every worker starts as many threads as there are cores
THREAD_VARIABLES = (
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


class Job:
    """One piece of slow work, shared by everybody who asked for it. Read its attributes; only the pool sets them."""

    def __init__(self, pool: Pool, key: str, title: str, task: str, params: Mapping[str, Any]) -> None:
        self.key, self.title, self.task, self.params = key, title, task, params
        self.state: State = "queued"
        self.fraction: float | None = None  # 0 to 1, or None while unknown
        self.text = ""
        self.data: dict[str, Any] = {}  # of the latest report
        self.started: float | None = None  # seconds since 1970
        self._pool = pool
        self._steps: list[int] | None = []  # None: look in the store
        self._error: Message = {}
        self._entry: Entry | None = None
        self._worker: _Worker | None = None
        self._run, self._tries, self._stopping = -1, 0, False
        self._clock = (0.0, 0.0)  # monotonic start and end; end 0 while it runs
        self._over = threading.Event()

    @property
    def finished(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self._over.is_set()

    @property
    def ahead(self) -> int:
        """How many jobs have to end before this one starts; 0 once it runs."""
        return self._pool._ahead(self)

    @property
    def seconds(self) -> float:
        """How long it has run, or ran."""
        start, end = self._clock
        return (end or time.monotonic()) - start if start else 0.0

    @property
    def steps(self) -> tuple[int, ...]:
        """The n of each step kept so far, in the order in which they came."""
        if self._steps is None:
            listed = self._pool.store.get_bytes(step_key(self.key, None))
            self._steps = json.loads(listed) if listed else []
        return tuple(self._steps)

    def step(self, n: int) -> Entry | None:
        """Step `n`, or None when it is not (or no longer) in the store."""
        return self._pool.store.get(step_key(self.key, n))

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has ended, at most `timeout` seconds; whether it has. For scripts: a page looks at `state`."""
        return self._over.wait(timeout)

    def stop(self) -> None:
        """Stop it, for everybody: at its next report, or by force when the pool's grace is over."""
        self._pool._stop(self)

    def result(self) -> Entry:
        """What it made.

        Raises JobStopped, JobDied, the EmbedkitError that the work raised, JobError when the store lost the result;
        RuntimeError with the traceback on a bug in the work, and when it has not ended (a page would freeze here).
        """
        if not self.finished:
            raise RuntimeError(f"'{self.title}' has not ended; look at state, or wait().")
        if self.state == "done":
            self._entry = self._entry or self._pool.store.get(self.key)
            if self._entry is None:
                raise JobError(f"The result of {self.title} is no longer kept. Press run to make it again.")
            return self._entry
        raise _error(self.state, self.title, self._error)


class Pool:
    """Up to `size` warm worker processes and a queue before them.

    `threads` is what each may use (default 2, or 1 on one core); `allow` lists the packages that tasks may come from
    and `path` where to find those besides embedkit; idle workers but one end after `idle_seconds`; a stopped job that
    does not listen is killed after `grace_seconds`.
    """

    def __init__(
        self,
        size: int = 3,
        store: Store | None = None,
        *,
        threads: int | None = None,
        allow: Sequence[str] = ("embedkit",),
        path: Sequence[Path] = (),
        idle_seconds: float = 300.0,
        grace_seconds: float = 2.0,
    ) -> None:
        self.size, self.store = size, store if store is not None else default_store()
        self.threads = threads or min(2, os.cpu_count() or 1)
        self.allow, self.path = tuple(allow), tuple(path)
        self.idle_seconds, self.grace_seconds = idle_seconds, grace_seconds
        self._lock = threading.RLock()
        self._queue: deque[Job] = deque()
        self._workers: list[_Worker] = []
        self._jobs: WeakValueDictionary[str, Job] = WeakValueDictionary()  # ended ones as long as a page holds them
        self._runs = count()
        self._reaper: threading.Timer | None = None
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether a job runs or waits."""
        with self._lock:
            return bool(self._queue) or any(worker.job is not None for worker in self._workers)

    def submit(self, task: str, params: Mapping[str, Any], *, title: str, key: str | None = None) -> Job:
        """The job for `task` ("embedkit.module:function") with `params`, started if there is neither job nor result.

        The function is called as `fn(report, **params)` and returns arrays by name, or (arrays, meta). `key` is that
        of the result, by default `recipe_key(task, **params)`. Whoever asks for a key that is queued, running or done
        gets the same Job. Raises TypeError on params that JSON cannot hold, ValueError on a task outside `allow`.
        """
        self._module(task)
        recipe = recipe_key(task, **params)
        key = recipe if key is None else key
        if (job := self._live(key)) is not None:
            return job
        entry = self.store.get(key)  # slow, so not while others wait for the lock
        with self._lock:
            if (job := self._live(key)) is not None:
                return job
            if self._closed:
                raise RuntimeError("This pool is closed.")
            self._jobs[key] = job = Job(self, key, title, task, dict(params))
            if entry is not None:
                job._entry, job._steps, job.fraction = entry, None, 1.0
                self._end(job, "done")
                return job
            self._queue.append(job)
        self._dispatch()
        return job

    def warm(self, task: str, params: Mapping[str, Any] | None = None) -> None:
        """Run `task` once in a worker of its own, for what it loads and compiles; its result is dropped.

        Returns at once, does nothing when a worker is warm for the task already, takes no place from a job.
        """
        self._module(task)
        recipe_key(task, **(params or {}))  # the same TypeError as submit
        with self._lock:
            if self._closed or any(task in worker.seen for worker in self._workers):
                return
            with suppress(OSError):  # a warm-up is a favor; a job will say what is wrong
                worker = next((each for each in self._workers if each.idle), None) or self._start()
                worker.seen.add(task)
                worker.warming = True
                order = {"task": task, "params": dict(params or {}), "key": "", "title": "Warm-up"}
                worker.send({"do": "run", "run": next(self._runs), "warm": True, **order})

    def close(self) -> None:
        """End all workers now; what runs or waits is stopped."""
        with self._lock:
            self._closed = True
            for job in [*self._queue, *(worker.job for worker in self._workers if worker.job)]:
                self._end(job, "stopped")
            self._queue.clear()
            workers, self._workers = self._workers, []
            if self._reaper is not None:
                self._reaper.cancel()
        for worker in workers:
            worker.process.kill()
        for worker in workers:
            worker.reader.join(5)

    def _module(self, task: str) -> None:
        from embedkit.worker import allowed  # not above: python -m embedkit.worker must be the first to load it

        allowed(task, self.allow)

    def _live(self, key: str) -> Job | None:
        with self._lock:
            job = self._jobs.get(key)
            return job if job and (not job.finished or (job.state == "done" and job._entry is not None)) else None

    def _ahead(self, job: Job) -> int:
        with self._lock:
            return self._queue.index(job) + 1 if job in self._queue else 0

    def _dispatch(self) -> None:
        """Give queued jobs to free workers, starting workers as long as there are fewer than `size`."""
        while True:
            with self._lock:
                if not self._queue or self._closed:
                    return
                task = self._queue[0].task
                idle = [each for each in self._workers if each.idle]
                idle.sort(key=lambda each: (*each.warmth(task), each.since))  # the last is the warmest
                if not idle and sum(not each.warming for each in self._workers) >= self.size:
                    return
                job = self._queue.popleft()
                try:
                    worker = idle[-1] if idle else self._start()
                except OSError as error:
                    job._error = {"text": f"The process for {job.title} could not be started ({error.strerror})."}
                    self._end(job, "died")
                    continue
                job.state, job._worker, job._run = "running", worker, next(self._runs)
                job.started, job._clock = time.time(), (time.monotonic(), 0.0)
                worker.job, worker.begun = job, False
                worker.seen.add(task)
            order = {"task": task, "params": job.params, "key": job.key, "title": job.title}
            worker.send({"do": "run", "run": job._run, "warm": False, **order})  # may block: not under the lock

    def _start(self) -> _Worker:
        here = Path(__file__).resolve().parents[1]
        environment = dict(os.environ, **dict.fromkeys(THREAD_VARIABLES, str(self.threads)))
        environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that wait must not spin where others work
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(here), os.environ.get("PYTHONPATH")]))
        environment["PYTHONSAFEPATH"] = "1"  # nothing from the folder where the server happens to run
        flags = 0
        if sys.platform == "win32":
            flags = subprocess.BELOW_NORMAL_PRIORITY_CLASS | subprocess.CREATE_NO_WINDOW
        worker = _Worker(
            subprocess.Popen(
                [sys.executable, "-m", "embedkit.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
                creationflags=flags,
            )
        )
        where = {"root": str(self.store.root), "shipped": [str(folder) for folder in self.store.shipped]}
        limits = {"limit_bytes": self.store.limit_bytes, "allow": self.allow, "path": [str(each) for each in self.path]}
        worker.send({**where, **limits})
        self._workers.append(worker)
        worker.reader = threading.Thread(target=self._listen, args=(worker,), daemon=True)
        worker.reader.start()
        return worker

    def _listen(self, worker: _Worker) -> None:
        assert worker.process.stdout is not None
        with worker.process.stdout as lines:
            for line in lines:
                with suppress(json.JSONDecodeError):  # a line cut short by a kill
                    self._hear(worker, json.loads(line))
        code = worker.process.wait()
        worker.close()
        with self._lock:
            if worker in self._workers:
                self._workers.remove(worker)
            job, worker.job = worker.job, None
            if job is not None and not job.finished:
                if job._stopping:
                    self._end(job, "stopped")
                elif not worker.begun and not job._tries:  # it died before it saw the job: an idle one, killed
                    job._tries, job.state = 1, "queued"
                    self._queue.appendleft(job)
                else:
                    how = f"signal {-code}" if code < 0 else f"exit code {code}"
                    text = f"The process that computed {job.title} ended without a result ({how})."
                    job._error = {"text": f"{text} Press run to try again."}
                    self._end(job, "died")
        self._dispatch()

    def _hear(self, worker: _Worker, message: Message) -> None:
        at, job = message["at"], worker.job
        if at == "note":
            self.store.note(message["text"])
        elif job is None or message["run"] != job._run:
            if at in ("done", "failed", "stopped"):  # of a warm-up
                self._free(worker)
        elif at == "begun":
            worker.begun = True
        elif at == "report":
            job.fraction, job.text, job.data = message["fraction"], message["text"], message["data"]
        elif at == "step":
            job._steps = [*(job._steps or ()), message["n"]]
        else:
            if folder := message.get("elsewhere"):
                job._entry = Store(Path(folder)).get(job.key)
                shutil.rmtree(folder, ignore_errors=True)
            if at == "done":
                job.fraction, job._steps = 1.0, job._steps or None
            job._error = message
            self._end(job, at)
            self._free(worker)

    def _free(self, worker: _Worker) -> None:
        with self._lock:
            worker.job, worker.warming, worker.since = None, False, time.monotonic()
        self._dispatch()
        self._reap()

    def _reap(self) -> None:
        """End the workers that were idle for long, but the latest; look again when the next may be due."""
        with self._lock:
            if threading.current_thread() is self._reaper:
                self._reaper = None
            idle = sorted((each for each in self._workers if each.idle), key=lambda each: -each.since)[1:]
            due = [each for each in idle if time.monotonic() - each.since >= self.idle_seconds]
            self._workers = [each for each in self._workers if each not in due]
            if len(idle) > len(due) and self._reaper is None and not self._closed:
                self._reaper = threading.Timer(self.idle_seconds, self._reap)
                self._reaper.daemon = True
                self._reaper.start()
        for worker in due:
            worker.close()

    def _stop(self, job: Job) -> None:
        with self._lock:
            if job in self._queue:
                self._queue.remove(job)
                self._end(job, "stopped")
            if job.finished or job._stopping or job._worker is None:
                return
            job._stopping, worker = True, job._worker
        worker.send({"do": "stop", "run": job._run})
        timer = threading.Timer(self.grace_seconds, self._kill, (worker, job))
        timer.daemon = True
        timer.start()

    def _kill(self, worker: _Worker, job: Job) -> None:
        with self._lock:
            if worker.job is job:
                worker.process.kill()

    def _end(self, job: Job, state: State) -> None:
        with self._lock:
            if not job.finished:
                job.state, job._worker = state, None
                job._clock = (job._clock[0], time.monotonic())
                job._over.set()


class _Worker:
    """A worker process, seen from the pool."""

    reader: threading.Thread

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.job: Job | None = None
        self.begun = self.warming = False
        self.seen: set[str] = set()  # tasks that it has loaded and compiled
        self.since = time.monotonic()
        self._writing = threading.Lock()

    @property
    def idle(self) -> bool:
        return self.job is None and not self.warming

    def warmth(self, task: str) -> tuple[bool, bool]:
        """Whether it ran this task, and whether it ran one of the same module, whose imports are then done."""
        module = task.partition(":")[0] + ":"
        return task in self.seen, any(seen.startswith(module) for seen in self.seen)

    def send(self, message: Message) -> None:
        assert self.process.stdin is not None
        with self._writing, suppress(OSError, ValueError):  # its end is noticed where it is read from
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.stdin.flush()

    def close(self) -> None:
        """Close its stdin, at which it ends."""
        assert self.process.stdin is not None
        with self._writing, suppress(OSError):
            self.process.stdin.close()


def _error(state: State, title: str, message: Message) -> Exception:
    """A new exception for what a job ended with: new, as each raise adds its own traceback."""
    if state == "stopped":
        return JobStopped(f"{title} was stopped.")
    if state == "died":
        return JobDied(message["text"])
    kind = next((name for name in message["kinds"] if name in errors.__all__), None)
    if kind is None:
        return RuntimeError(f"A bug in the work of '{title}':\n{message['text']}")
    known: type[EmbedkitError] = getattr(errors, kind)
    error = known.__new__(known, message["text"])  # not through __init__, which may compose the text anew
    error.__dict__.update(message["known"])
    return error


_default: Pool | None = None
_default_lock = threading.Lock()


def default_pool() -> Pool:
    """The pool that this process shares, on the default store; made on first use, and anew when `home()` changed."""
    global _default
    with _default_lock:
        store = default_store()
        if _default is None or _default.store is not store:
            if _default is not None:
                _default.close()
            _default = Pool(store=store)
            atexit.register(_default.close)
        return _default
