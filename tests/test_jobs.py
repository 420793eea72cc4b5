"""Jobs: one run for one key, progress, stop, and no process that ends takes another with it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedkit.errors import InputError, JobDied, JobError, JobStopped, UnknownItem
from embedkit.jobs import Job, Pool, default_pool
from embedkit.store import Store, recipe_key
from embedkit.worker import Report, allowed

TESTS = Path(__file__).resolve().parent
ALLOW = {"allow": ("embedkit", "job_tasks"), "path": (TESTS,)}


def new_pool(home: Path, size: int = 2, limit_bytes: int = 2**30, **more: float) -> Pool:
    return Pool(size, Store(home, limit_bytes), **ALLOW, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """Shared, as starting a process is most of the time a test takes."""
    pool = new_pool(tmp_path_factory.mktemp("home"))
    yield pool
    pool.close()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Pool]:
    """For tests that count, kill or fill."""
    pool = new_pool(tmp_path / "home", size=1)
    yield pool
    pool.close()


def ended(job: Job) -> Job:
    assert job.wait(20), f"{job.title} is still {job.state}: {job.text}"
    return job


def eventually(true: Callable[[], object]) -> None:
    until = time.monotonic() + 20
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


def ask_until(pool: Pool, tmp_path: Path, name: str = "gate") -> tuple[Job, Path]:
    """A job that has begun and waits until the returned file is there."""
    gate, begun = tmp_path / name, tmp_path / f"{name}.begun"
    job = pool.submit("job_tasks:until", {"gate": str(gate), "begun": str(begun)}, title=name)
    eventually(begun.exists)
    return job, gate


def test_the_result_is_the_same_as_without_a_process(pool: Pool, tmp_path: Path) -> None:
    import job_tasks

    params: dict[str, Any] = {"n": 5, "log": str(tmp_path / "log")}
    direct = job_tasks.count(Report(), **params)
    job = ended(pool.submit("job_tasks:count", params, title="Count"))
    np.testing.assert_array_equal(job.result().arrays["numbers"], direct["numbers"])
    assert (job.state, job.fraction, job.text, job.data) == ("done", 1.0, "item 5", {"seen": 4.0})  # the last report
    assert job.started is not None
    assert job.seconds > 0
    assert job.ahead == 0
    again = pool.submit("job_tasks:count", params, title="Count")
    assert again is job  # done, and its result is at hand


def test_progress_is_seen_while_it_runs(pool: Pool, tmp_path: Path) -> None:
    job, gate = ask_until(pool, tmp_path)
    eventually(lambda: job.text)
    assert (job.state, job.fraction, job.text, job.data) == ("running", 0.25, "before the gate", {"gate": "closed"})
    with pytest.raises(RuntimeError, match="has not ended"):
        job.result()
    gate.touch()
    assert ended(job).result().arrays["one"][0] == 1


def test_many_people_share_one_run(own: Pool, tmp_path: Path) -> None:
    params = {"n": 3, "log": str(tmp_path / "log")}
    _, gate = ask_until(own, tmp_path)
    jobs = [own.submit("job_tasks:count", params, title="Count") for _ in range(30)]
    assert len(set(map(id, jobs))) == 1
    assert jobs[0].state == "queued"
    gate.touch()
    ended(jobs[0])
    key = jobs[0].key
    del jobs
    later = own.submit("job_tasks:count", params, title="Count")
    assert later.state == "done"
    assert later.key == key == recipe_key("job_tasks:count", **params)
    assert later.result().arrays["numbers"].tolist() == [0, 1, 2]
    assert (tmp_path / "log").read_text() == "ran\n"


def test_two_who_ask_at_the_same_moment_share_one_run(own: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    both_looked, jobs, get = threading.Barrier(2), [], own.store.get

    def slow_get(key: str) -> Any:
        found = get(key)
        both_looked.wait(20)
        return found

    monkeypatch.setattr(own.store, "get", slow_get)
    threads = [threading.Thread(target=lambda: jobs.append(own.submit("job_tasks:who", {}, title="Who"))) for _ in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert jobs[0] is jobs[1]


def test_a_page_that_asks_again_reads_no_disk(own: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job, gate = ask_until(own, tmp_path)
    monkeypatch.setattr(own.store, "get", None)
    assert own.submit(job.task, job.params, title="again") is job
    monkeypatch.undo()
    gate.touch()
    ended(job).result()
    monkeypatch.setattr(own.store, "get", None)
    assert own.submit(job.task, job.params, title="again") is job


def test_two_servers_share_one_run(tmp_path: Path) -> None:
    one, two = new_pool(tmp_path / "home"), new_pool(tmp_path / "home")
    try:
        gate, begun = tmp_path / "gate", tmp_path / "begun"
        params = {"gate": str(gate), "begun": str(begun)}
        first = one.submit("job_tasks:until", params, title="Shared")
        eventually(begun.exists)
        second = two.submit("job_tasks:until", params, title="Shared")
        eventually(lambda: "another server" in second.text)
        gate.touch()
        pids = {ended(job).result().meta["pid"] for job in (first, second)}
        assert len(pids) == 1
        assert pids == {int(begun.read_text())}
    finally:
        one.close()
        two.close()


def test_both_servers_see_the_steps(tmp_path: Path) -> None:
    one, two = new_pool(tmp_path / "home"), new_pool(tmp_path / "home")
    try:
        first = one.submit("job_tasks:train", {"steps": 40}, title="Training")
        eventually(lambda: first.steps)
        second = two.submit("job_tasks:train", {"steps": 40}, title="Training")
        assert ended(second).steps == ended(first).steps == tuple(range(40))
    finally:
        one.close()
        two.close()


def test_waiting_for_another_server_can_be_stopped(tmp_path: Path) -> None:
    pool = new_pool(tmp_path / "home", grace_seconds=60)
    try:
        key = recipe_key("held")
        with pool.store.locked(key):
            job = pool.submit("job_tasks:who", {}, title="Who", key=key)
            eventually(lambda: "another server" in job.text)
            job.stop()
            assert ended(job).state == "stopped"
    finally:
        pool.close()


def test_the_queue_says_how_many_are_ahead(own: Pool, tmp_path: Path) -> None:
    first, gate = ask_until(own, tmp_path)
    second, third, fourth = (own.submit("job_tasks:who", {"call": n}, title=f"Who {n}") for n in range(3))
    assert [job.ahead for job in (first, second, third, fourth)] == [0, 1, 2, 3]
    third.stop()
    assert third.state == "stopped"
    assert fourth.ahead == 2
    with pytest.raises(JobStopped, match="Who 1 was stopped"):
        third.result()
    gate.touch()
    assert ended(fourth).state == ended(second).state == "done"
    assert fourth.ahead == 0


def test_a_pool_is_busy_while_a_job_runs(own: Pool, tmp_path: Path) -> None:
    assert not own.busy
    job, gate = ask_until(own, tmp_path)
    assert own.busy
    gate.touch()
    ended(job)
    eventually(lambda: not own.busy)
    own.warm("job_tasks:who", {"call": 1})
    assert not own.busy


def test_a_worker_stays_warm_and_keeps_to_its_threads(own: Pool) -> None:
    metas = [ended(own.submit("job_tasks:who", {"call": n}, title="Who")).result().meta for n in range(3)]
    assert len({meta["pid"] for meta in metas}) == 1
    assert os.getpid() != metas[0]["pid"]
    assert metas[0]["threads"] == [str(own.threads)] * 2


def test_jobs_run_side_by_side(pool: Pool, tmp_path: Path) -> None:
    first, gate = ask_until(pool, tmp_path, "first")
    second, other = ask_until(pool, tmp_path, "second")
    assert first.state == second.state == "running"
    gate.touch()
    other.touch()
    assert ended(first).result().meta["pid"] != ended(second).result().meta["pid"]


def test_idle_workers_end_but_one(tmp_path: Path) -> None:
    pool = new_pool(tmp_path / "home", idle_seconds=0.1)
    try:
        gates = [ask_until(pool, tmp_path, name) for name in ("a", "b")]
        assert len(pool._workers) == 2
        for _, gate in gates:
            gate.touch()
        eventually(lambda: len(pool._workers) == 1)
        assert ended(pool.submit("job_tasks:who", {}, title="Who")).state == "done"
    finally:
        pool.close()


def test_the_warmest_worker_is_chosen(tmp_path: Path) -> None:
    pool = new_pool(tmp_path / "home")
    try:
        gates = [ask_until(pool, tmp_path, name)[1] for name in ("a", "b")]
        for gate in gates:
            gate.touch()
        eventually(lambda: all(worker.idle for worker in pool._workers))
        latest, *_, warm = sorted(pool._workers, key=lambda worker: -worker.since)
        latest.seen, warm.seen = {"other:task"}, {"job_tasks:until"}
        assert ended(pool.submit("job_tasks:who", {}, title="Who")).result().meta["pid"] == warm.process.pid
    finally:
        pool.close()


def test_warming_is_done_once_and_takes_no_place(own: Pool, tmp_path: Path) -> None:
    gate, begun = tmp_path / "gate", tmp_path / "begun"
    params = {"gate": str(gate), "begun": str(begun)}
    for _ in range(3):
        own.warm("job_tasks:until", params)
    assert len(own._workers) == 1
    eventually(begun.exists)
    blocked = ended(own.submit("job_tasks:who", {}, title="Who"))  # size 1, and yet it does not wait
    assert blocked.result().meta["pid"] != int(begun.read_text())
    gate.touch()
    eventually(lambda: all(worker.idle for worker in own._workers))
    job = ended(own.submit("job_tasks:until", params, title="Warm"))  # was not kept, runs in the warm one
    assert job.result().meta["pid"] == int(begun.read_text())
    assert not list((tmp_path / "home").glob("store/*/*.tmp"))


def test_an_error_for_the_person_comes_across(pool: Pool) -> None:
    job = ended(pool.submit("job_tasks:unknown", {}, title="Look up"))
    for _ in range(2):
        with pytest.raises(UnknownItem) as caught:
            job.result()
        assert str(caught.value) == "'aple' is not among 2 items. Did you mean 'apple'?"
        assert caught.value.item == "aple"
        assert job.state == "failed"
    with pytest.raises(InputError, match=r"Only 3 of 5 given\.") as private:
        ended(pool.submit("job_tasks:private", {}, title="Look up")).result()
    assert type(private.value) is InputError  # the nearest class that errors.py has


@pytest.mark.parametrize(("task", "shown"), [("bug", "ZeroDivisionError"), ("leave", "SystemExit")])
def test_a_bug_shows_as_one(pool: Pool, task: str, shown: str) -> None:
    job = ended(pool.submit(f"job_tasks:{task}", {}, title="Divide"))
    with pytest.raises(RuntimeError, match=f"(?s)job_tasks.py.*{shown}"):
        job.result()
    assert ended(pool.submit(f"job_tasks:{task}", {}, title="Divide")) is not job  # asked again, run again


def test_a_wrong_task_or_parameter_is_a_bug_at_once(pool: Pool) -> None:
    for task in ("os:system", "embedkit_evil.x:run", "job_tasks", "job_tasks:__class__.x", "job_tasks.:x y"):
        with pytest.raises(ValueError, match="module:function"):
            pool.submit(task, {}, title="Wrong")
    with pytest.raises(TypeError, match="recipe"):
        pool.submit("job_tasks:who", {"call": np.ones(1)}, title="Wrong")
    with pytest.raises(RuntimeError, match="AttributeError"):
        ended(pool.submit("job_tasks:missing", {}, title="Wrong")).result()
    assert allowed("embedkit.words.lsa:fit", ["embedkit"]) == ("embedkit.words.lsa", "fit")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals are of POSIX")
def test_a_killed_worker_costs_its_own_job_only(tmp_path: Path) -> None:
    pool = new_pool(tmp_path / "home")
    try:
        victim, gate = ask_until(pool, tmp_path, "victim")
        other, other_gate = ask_until(pool, tmp_path, "other")
        os.kill(int((tmp_path / "victim.begun").read_text()), signal.SIGKILL)
        assert ended(victim).state == "died"
        assert other.state == "running"
        text = r"^The process that computed victim ended without a result \(signal 9\)\. Press run to try again\.$"
        with pytest.raises(JobDied, match=text):
            victim.result()
        (tmp_path / "victim.begun").unlink()
        again, gate = ask_until(pool, tmp_path, "victim")
        assert again is not victim
        assert again.key == victim.key
        gate.touch()
        other_gate.touch()
        assert ended(again).state == ended(other).state == "done"
    finally:
        pool.close()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals are of POSIX")
def test_an_idle_worker_that_was_killed_costs_nothing(own: Pool) -> None:
    for call in range(5):
        meta = ended(own.submit("job_tasks:who", {"call": call}, title="Who")).result().meta
        os.kill(meta["pid"], signal.SIGKILL)  # the next is submitted before the pool can know


def test_a_stopped_training_keeps_its_last_step(pool: Pool) -> None:
    job = pool.submit("job_tasks:train", {"steps": 100_000}, title="Training")
    eventually(lambda: len(job.steps) >= 3)
    middle = job.step(1)
    assert middle is not None
    assert middle.arrays["weights"].tolist() == [1, 1]
    assert middle.meta == {"loss": 0.5}
    worker = job._worker
    job.stop()
    with pytest.raises(JobStopped, match="Training was stopped"):
        ended(job).result()
    assert worker is not None
    assert worker.process.poll() is None  # it stopped of itself and stays warm
    last = job.step(job.steps[-1])
    assert job.steps == tuple(range(len(job.steps)))
    assert last is not None
    assert last.arrays["weights"].tolist() == [job.steps[-1]] * 2
    assert pool.store.get(job.key) is None
    assert pool.submit("job_tasks:train", {"steps": 100_000}, title="Training") is not job
    pool.submit("job_tasks:train", {"steps": 100_000}, title="Training").stop()


def test_the_steps_of_a_finished_training_are_there_later(pool: Pool, tmp_path: Path) -> None:
    job = ended(pool.submit("job_tasks:train", {"steps": 4}, title="Training"))
    assert job.steps == (0, 1, 2, 3)
    later = Pool(1, pool.store, **ALLOW).submit("job_tasks:train", {"steps": 4}, title="Training")  # type: ignore[arg-type]
    assert later.state == "done"
    assert later is not job
    assert later.steps == (0, 1, 2, 3)
    last = later.step(3)
    assert last is not None
    assert last.meta == {"loss": 0.25}
    assert later.step(4) is None


def test_a_job_that_does_not_listen_is_killed_after_the_grace(tmp_path: Path) -> None:
    pool = new_pool(tmp_path / "home", size=1, grace_seconds=0.2)
    try:
        job, _ = ask_until(pool, tmp_path)  # it reports once, then no more
        waiting = pool.submit("job_tasks:who", {}, title="Who")
        job.stop()
        assert ended(job).state == "stopped"
        assert ended(waiting).state == "done"
    finally:
        pool.close()


def test_prints_do_not_reach_the_protocol(pool: Pool) -> None:
    assert ended(pool.submit("job_tasks:noisy", {}, title="Noisy")).result().arrays["one"].tolist() == [1]


def test_a_result_that_the_store_cannot_hold_arrives_all_the_same(tmp_path: Path) -> None:
    pool = new_pool(tmp_path / "home", limit_bytes=1000)
    try:
        job = ended(pool.submit("job_tasks:large", {"log": str(tmp_path / "log")}, title="Large"))
        assert job.result().arrays["zeros"].shape == (100_000,)
        assert "not kept" in pool.store.notes[-1]
        assert pool.submit("job_tasks:large", {"log": str(tmp_path / "log")}, title="Large") is job
        assert (tmp_path / "log").read_text() == "ran\n"
    finally:
        pool.close()


def test_a_result_that_was_lost_is_said_and_made_again(own: Pool, tmp_path: Path) -> None:
    params = {"n": 3, "log": str(tmp_path / "log")}
    job = ended(own.submit("job_tasks:count", params, title="Count"))
    path = own.store.root / "store" / job.key[:2] / f"{job.key}.ek"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(JobError, match="no longer kept"):
        job.result()
    assert ended(own.submit("job_tasks:count", params, title="Count")).result().arrays["numbers"].size == 3
    assert (tmp_path / "log").read_text() == "ran\nran\n"
    assert "damaged" in own.store.notes[0]


def test_a_task_may_keep_its_result_itself(own: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDKIT_HOME", str(tmp_path / "unused"))
    key = recipe_key("own")
    entry = ended(own.submit("job_tasks:own_key", {"key": key}, title="Own", key=key)).result()
    assert entry.arrays["inner"].tolist() == [0, 1, 2]
    assert own.store.get(key) is not None
    assert not (tmp_path / "unused").exists()  # default_store() in a task is the store of the pool


def test_the_workers_end_with_the_server(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom embedkit.jobs import Pool\nfrom embedkit.store import Store\n"
        "home, tests, begun = sys.argv[1:]\n"
        "pool = Pool(1, Store(Path(home)), allow=('job_tasks',), path=(Path(tests),))\n"
        "job = pool.submit('job_tasks:until', {'gate': begun + '.never', 'begun': begun}, title='Endless')\n"
        "print(job.key, flush=True)\ntime.sleep(60)"
    )
    begun = tmp_path / "begun"
    arguments = [sys.executable, "-c", code, str(tmp_path / "home"), str(TESTS), str(begun)]
    environment = dict(os.environ, PYTHONPATH=str(TESTS.parent))
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout is not None
        key = server.stdout.readline().strip()
        eventually(begun.exists)
        store = Store(tmp_path / "home")
        with store.locked(key, wait=0) as got:
            assert not got  # the worker holds it as long as it lives
        server.kill()
    with store.locked(key, wait=20) as got:
        assert got


def test_a_closed_pool_leaves_nothing_running(tmp_path: Path) -> None:
    pool = new_pool(tmp_path / "home", size=1)
    running, _ = ask_until(pool, tmp_path)
    queued = pool.submit("job_tasks:who", {}, title="Who")
    workers = list(pool._workers)
    pool.close()
    assert running.state == queued.state == "stopped"
    assert [worker.process.poll() is not None for worker in workers] == [True]
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit("job_tasks:who", {"call": 9}, title="Who")


def test_the_default_pool_follows_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDKIT_HOME", str(tmp_path / "one"))
    one = default_pool()
    assert one is default_pool()
    assert one.store.root == tmp_path / "one"
    monkeypatch.setenv("EMBEDKIT_HOME", str(tmp_path / "two"))
    assert default_pool().store.root == tmp_path / "two"


def test_few_reports_are_sent_and_the_last_always() -> None:
    sent: list[dict[str, object]] = []
    report = Report(sent.append)
    for i in range(1000):
        report(i / 999, data=i)
    eventually(lambda: sent[-1]["fraction"] == 1.0)  # on its own, a moment later
    assert len(sent) < 100
    report(7.0)
    eventually(lambda: sent[-1]["data"] == {})
    assert sent[-1]["fraction"] == 1.0
