"""The store: what is kept comes back, what is damaged is made again, and no disk trouble reaches the person."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from embedkit.store import Entry, Store, default_store, home, recipe_key, step_key

ROOT = Path(__file__).resolve().parents[1]
KEY = recipe_key("test")


def python(code: str, *arguments: object, **more: object) -> "subprocess.Popen[str]":
    """A second process that has imported Store, Path, np and os."""
    head = "import os, sys, time\nfrom pathlib import Path\nimport numpy as np\nfrom embedkit.store import Store\n"
    return subprocess.Popen(
        [sys.executable, "-c", head + code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
    )


def entries(store: Store) -> set[str]:
    return {path.stem for path in (store.root / "store").glob("*/*.ek")}


def file_of(store: Store, key: str = KEY) -> Path:
    return store.root / "store" / key[:2] / f"{key}.ek"


def keys(n: int) -> list[str]:
    return [recipe_key("test", n=i) for i in range(n)]


def test_arrays_and_meta_come_back(tmp_path: Path) -> None:
    store = Store(tmp_path)
    arrays = {
        "file": np.arange(6, dtype=np.float32).reshape(2, 3),
        "words": np.array(["a", "bé"]),
        "none": np.zeros((0, 2)),
    }
    assert store.put(KEY, arrays, {"loss": 0.5, "shape": (2, 3)}, name="test")
    entry = Store(tmp_path).get(KEY)
    assert entry is not None
    assert list(entry.arrays) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(entry.arrays[name], array)
        assert entry.arrays[name].dtype == array.dtype
    assert entry.meta == {"loss": 0.5, "shape": [2, 3]} == store.get_meta(KEY)


def test_bytes_come_back(tmp_path: Path) -> None:
    store = Store(tmp_path)
    payload = b"\n\x00magic\n" * 1000
    assert store.get_bytes(KEY) is None
    assert store.put_bytes(KEY, payload)
    assert store.get_bytes(KEY) == payload
    with pytest.raises(TypeError, match="holds bytes"):
        store.get(KEY)


def test_arrays_are_read_only_made_or_read(tmp_path: Path) -> None:
    mine = np.arange(3)
    store = Store(tmp_path)
    for entry in (store.get_or_make(KEY, lambda: {"a": mine}), store.get_or_make(KEY, lambda: {})):
        with pytest.raises(ValueError, match="read-only"):
            entry.arrays["a"][0] = 9
        with pytest.raises(TypeError):
            entry.arrays["b"] = mine  # type: ignore[index]
    mine[0] = 1  # the maker's own stays as it was


@pytest.mark.parametrize("array", [np.array([{}]), np.array([(1, None)], dtype=[("n", int), ("o", object)])])
def test_python_objects_are_refused_before_anything_is_written(tmp_path: Path, array: np.ndarray) -> None:
    with pytest.raises(TypeError, match="Python objects"):
        Store(tmp_path / "home").put(KEY, {"a": array})
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    "made", [None, [np.ones(1)], ({"a": 1}, {"b": object()}), {"../a": np.ones(1)}, {1: np.ones(1)}]
)
def test_what_is_no_result_is_a_bug(made: object) -> None:
    with pytest.raises(TypeError):
        Entry.of(made)


@pytest.mark.parametrize("key", ["../../etc/passwd", "", "ab", "ABCDEF0123", "abcdef01/../x", "abcdef0123\n", "é" * 32])
def test_a_key_leads_nowhere_else(tmp_path: Path, key: str) -> None:
    store = Store(tmp_path)
    for use in (store.get, store.get_bytes, store.get_meta, lambda key: store.put_bytes(key, b"")):
        with pytest.raises(ValueError, match="hexadecimal"):
            use(key)


def test_recipe_keys_differ_as_recipes_do(monkeypatch: pytest.MonkeyPatch) -> None:
    recipes = [recipe_key("a"), recipe_key("b"), recipe_key("a", n=1), recipe_key("a", n="1"), recipe_key("a", m=1)]
    recipes += [recipe_key("a", n=[1, 2]), recipe_key("a", n=[2, 1]), recipe_key("a", name="b"), step_key(KEY, 0)]
    assert len(set(recipes)) == len(recipes)
    assert all(len(key) == 32 for key in recipes)
    assert recipe_key("a", x=1, y={"p": 1, "q": 2}) == recipe_key("a", y={"q": 2, "p": 1}, x=1)
    before = recipe_key("a")
    monkeypatch.setattr("embedkit.store.__version__", "9")
    assert recipe_key("a") != before


@pytest.mark.parametrize(
    "value", [{1, 2}, np.ones(2), np.int64(1), float("nan"), [float("inf")], {1: 2}, b"x", object()]
)
def test_a_recipe_is_json(value: object) -> None:
    with pytest.raises(TypeError, match="recipe"):
        recipe_key("a", value=value)


def damage_last_byte(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def damage_header(data: bytes) -> bytes:
    return data.replace(b'"a": 1', b'"a": 2')


@pytest.mark.parametrize(
    "damage",
    [
        damage_last_byte,
        damage_header,
        lambda data: data[:-10],
        lambda data: data + b"x",
        lambda data: b"",
        lambda data: data[:40],
    ],
    ids=["last byte", "meta", "cut", "longer", "empty", "cut in the header"],
)
def test_a_damaged_entry_is_removed_and_made_again(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    store = Store(tmp_path)
    store.put(KEY, {"a": np.arange(5)}, {"a": 1}, name="projection umap")
    whole = file_of(store).read_bytes()
    assert damage(whole) != whole
    file_of(store).write_bytes(damage(whole))
    assert store.get(KEY) is None
    assert not file_of(store).exists()
    assert store.notes[-1].startswith("A stored result was damaged and is made again")
    assert list(store.get_or_make(KEY, lambda: {"a": np.arange(5)}).arrays["a"]) == [0, 1, 2, 3, 4]
    assert file_of(store).exists()


def test_the_note_names_what_was_damaged(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put_bytes(KEY, b"abc", name="projection umap")
    file_of(store).write_bytes(damage_last_byte(file_of(store).read_bytes()))
    assert store.get_bytes(KEY) is None
    assert list(store.notes) == ["A stored result was damaged and is made again: projection umap"]


def test_meta_alone_notices_a_cut(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(KEY, {"a": np.arange(5)}, {"a": 1})
    file_of(store).write_bytes(file_of(store).read_bytes()[:-1])
    assert store.get_meta(KEY) is None
    assert store.notes


def test_a_renamed_entry_is_not_taken_for_another(tmp_path: Path) -> None:
    store, other = Store(tmp_path), recipe_key("other")
    store.put_bytes(KEY, b"abc")
    file_of(store, other).parent.mkdir(exist_ok=True)
    file_of(store).replace(file_of(store, other))
    assert store.get_bytes(other) is None


@pytest.mark.parametrize("before", [None, b"old"])
def test_a_kill_in_the_middle_of_writing_leaves_what_was_there(tmp_path: Path, before: bytes | None) -> None:
    store = Store(tmp_path)
    if before:
        store.put_bytes(KEY, before)
    code = (  # all bytes are out, the name is not yet given
        "def wait(descriptor):\n    print('writing', flush=True)\n    time.sleep(60)\n"
        "os.fsync = wait\nStore(Path(sys.argv[1])).put_bytes(sys.argv[2], b'new' * 100_000)"
    )
    with python(code, tmp_path, KEY) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        process.kill()
    left = list(file_of(store).parent.glob("*.tmp"))
    assert len(left) == 1
    assert store.get_bytes(KEY) == before
    assert not store.notes
    os.utime(left[0], (time.time() - 7200,) * 2)  # two hours later
    fresh = Store(tmp_path)
    assert fresh.put_bytes(KEY, b"again")
    assert fresh.get_bytes(KEY) == b"again"
    assert not left[0].exists()


def test_a_temporary_file_in_use_is_left_alone(tmp_path: Path) -> None:
    folder = file_of(Store(tmp_path)).parent
    folder.mkdir(parents=True)
    (folder / "x.tmp").write_bytes(b"another process writes this now")
    Store(tmp_path).put_bytes(KEY, b"abc")
    assert (folder / "x.tmp").exists()


def test_two_processes_make_it_once(tmp_path: Path) -> None:
    code = (
        "def make():\n    open(sys.argv[3], 'a').write('made\\n')\n    time.sleep(0.5)\n"
        "    return {'a': np.arange(3)}\n"
        "print('ready', flush=True)\n"
        "while not Path(sys.argv[4]).exists(): time.sleep(0.005)\n"
        "print(list(Store(Path(sys.argv[1])).get_or_make(sys.argv[2], make).arrays['a']))"
    )
    log, go = tmp_path / "log", tmp_path / "go"
    both = [python(code, tmp_path / "home", KEY, log, go) for _ in range(2)]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    go.touch()
    outputs = [process.communicate(timeout=20)[0] for process in both]
    assert outputs[0] == outputs[1]
    assert "2" in outputs[0]
    assert log.read_text() == "made\n"


def test_a_lock_is_alone_but_not_against_itself(tmp_path: Path) -> None:
    import threading

    store, seen = Store(tmp_path), []

    def other() -> None:
        with store.locked(KEY, wait=0) as got:
            seen.append(got)
        with store.locked(KEY, cancelled=lambda: True) as got:
            seen.append(got)

    with store.locked(KEY) as first, store.locked(KEY, wait=0) as nested:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert first
        assert nested
        assert seen == [False, False]
    other()
    assert seen[2:] == [True, True]


def test_least_recently_read_goes_first(tmp_path: Path) -> None:
    store = Store(tmp_path, limit_bytes=5000)
    first, second, third, fourth = keys(4)
    for age, key in enumerate((first, second, third)):
        store.put_bytes(key, bytes(1200))
        os.utime(file_of(store, key), (time.time() - 1000 + age,) * 2)
    assert store.get_bytes(first) is not None  # read now, so the second is the oldest
    store.put_bytes(fourth, bytes(1200))
    assert entries(store) == {first, third, fourth}


def test_the_folder_stays_within_the_limit(tmp_path: Path) -> None:
    store = Store(tmp_path, limit_bytes=10_000)
    for key in keys(40):
        assert store.put_bytes(key, bytes(1000))
        assert key in entries(store)
        assert sum(path.stat().st_size for path in (tmp_path / "store").glob("*/*")) <= 10_000
    assert len(entries(store)) > 4


def test_the_limit_counts_what_was_there_before(tmp_path: Path) -> None:
    old, new = keys(2)
    Store(tmp_path).put_bytes(old, bytes(3000))
    os.utime(file_of(Store(tmp_path), old), (1, 1))
    store = Store(tmp_path, limit_bytes=4000)
    store.put_bytes(new, bytes(3000))
    assert entries(store) == {new}


def test_the_entry_just_written_stays_even_if_its_time_is_the_oldest(tmp_path: Path) -> None:
    store = Store(tmp_path, limit_bytes=4000)
    old, new = keys(2)
    store.put_bytes(old, bytes(3000))
    os.utime(file_of(store, old), (time.time() + 9999,) * 2)  # a clock that was set back
    store.put_bytes(new, bytes(3000))
    assert entries(store) == {new}


def test_not_every_write_scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scans = []
    monkeypatch.setattr("embedkit.store._sweep", lambda folder, *rest: scans.append(folder))
    store = Store(tmp_path)
    for key in keys(20):
        store.put_bytes(key, b"abc")
    assert len([folder for folder in scans if folder.name == "locks"]) == 1


def test_larger_than_the_limit_is_returned_not_kept(tmp_path: Path) -> None:
    store = Store(tmp_path, limit_bytes=1000)
    entry = store.get_or_make(KEY, lambda: {"a": np.zeros(1000)})
    assert entry.arrays["a"].shape == (1000,)
    assert store.get(KEY) is None
    assert "not kept: it takes" in store.notes[-1]


def test_a_full_disk_costs_a_note_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    store = Store(tmp_path)
    monkeypatch.setattr("os.fsync", full)
    assert list(store.get_or_make(KEY, lambda: {"a": np.arange(2)}).arrays["a"]) == [0, 1]
    assert list(store.notes) == [f"The result was not kept: no space left on the disk that holds {tmp_path}."]
    assert not list(file_of(store).parent.iterdir())  # the half-written file is gone: its space is needed
    assert store.put_bytes(KEY, b"abc") is False


def test_a_folder_that_cannot_be_written_costs_a_note_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = Store(tmp_path / "file" / "home")
    assert store.get_or_make(KEY, lambda: {"a": np.arange(2)}, wait=5).arrays["a"][1] == 1
    assert store.notes[-1].startswith("The result was not kept: ")
    with store.locked(KEY) as got:
        assert got


def test_shipped_entries_are_the_fallback_and_stay_untouched(tmp_path: Path) -> None:
    author = Store(tmp_path / "author")
    for key in keys(3):
        author.put_bytes(key, b"shipped", name="first picture")
    shipped = tmp_path / "author" / "store"
    mine, theirs, broken = keys(3)
    store = Store(tmp_path / "home", shipped=[shipped])
    store.put_bytes(mine, b"mine")
    file_of(author, broken).write_bytes(damage_last_byte(file_of(author, broken).read_bytes()))
    os.utime(file_of(author, theirs), (1000, 1000))
    assert store.get_bytes(mine) == b"mine"
    assert store.get_bytes(theirs) == b"shipped"
    assert file_of(author, theirs).stat().st_mtime == 1000
    assert store.get_bytes(broken) is None
    assert file_of(author, broken).exists()
    assert store.notes[-1] == "A shipped result was damaged and is made again: first picture"
    store.put_bytes(broken, b"made again")
    assert store.get_bytes(broken) == b"made again"


def test_what_is_removed_is_gone_and_the_shipped_one_stays(tmp_path: Path) -> None:
    shipped = Store(tmp_path / "shipped")
    shipped.put(KEY, {"a": np.zeros(2)})
    store = Store(tmp_path / "own", shipped=(shipped.root / "store",))
    store.put(KEY, {"a": np.ones(2)})
    store.remove(KEY)
    found = store.get(KEY)
    assert found is not None
    assert found.arrays["a"].tolist() == [0, 0]
    store.remove(KEY)  # nothing of its own is left, and nothing happens
    assert not entries(store)
    with pytest.raises(ValueError, match="key"):
        store.remove("../../etc/passwd")


def test_the_same_arrays_give_the_same_payload(tmp_path: Path) -> None:
    payloads = []
    for home_ in ("a", "b"):
        store = Store(tmp_path / home_)
        store.put(KEY, {"a": np.arange(3), "b": np.eye(2)})
        payloads.append(file_of(store).read_bytes().split(b"\n", 2)[2])
    assert payloads[0] == payloads[1]


def test_home_is_read_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDKIT_HOME", str(tmp_path / "one"))
    one = default_store()
    assert one is default_store()
    assert one.root == home() == tmp_path / "one"
    monkeypatch.setenv("EMBEDKIT_HOME", str(tmp_path / "two"))
    assert default_store().root == tmp_path / "two"
    monkeypatch.delenv("EMBEDKIT_HOME")
    assert "embedkit" in str(Store().root)
    assert not tmp_path.joinpath("one").exists()


def test_importing_the_store_loads_no_numpy() -> None:
    code = "import sys, embedkit.store, embedkit.jobs\nsys.exit(any(m in sys.modules for m in ('numpy', 'filelock')))"
    assert subprocess.run([sys.executable, "-c", code], env=dict(os.environ, PYTHONPATH=str(ROOT))).returncode == 0


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX file limits")
def test_a_real_write_error_leaves_the_old_entry(tmp_path: Path) -> None:
    Store(tmp_path).put_bytes(KEY, b"old")
    code = (
        "import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        "store = Store(Path(sys.argv[1]))\n"
        "print(store.put_bytes(sys.argv[2], bytes(100_000)), store.get_bytes(sys.argv[2]), len(store.notes))"
    )
    with python(code, tmp_path, KEY) as process:
        assert process.communicate(timeout=20)[0] == "False b'old' 1\n"
