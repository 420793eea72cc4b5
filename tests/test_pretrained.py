"""Fetched word vectors, from a server on this machine: whole or not at all, and nothing of it is ever run."""

import errno
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import namedtuple
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import embedkit
from embedkit.errors import DamagedFile, FetchError, InputError, JobStopped, NotInstalled
from embedkit.sources import gensim_fetch
from embedkit.space import Space
from embedkit.words import pretrained
from embedkit.words.pretrained import fetch_pretrained, fetch_task, is_here, tables
from embedkit.worker import Report

ROOT = Path(__file__).resolve().parents[1]
GLOVE, NEWS = tables()["words/glove-gigaword"], tables()["words/googlenews"]
N, D = 3_000, 20
WORDS = ["the", "Paris", "new_york", "é", *(f"word{i}" for i in range(4, N))]
VECTORS = np.random.default_rng(0).normal(size=(N, D)).round(5).astype(np.float32)
TEXT = gzip.compress(
    f"{N} {D}\n".encode()
    + b"".join(f"{w} {' '.join(map(str, v))}\n".encode() for w, v in zip(WORDS, VECTORS.tolist(), strict=True))
)
BINARY = gzip.compress(
    f"{N} {D}\n".encode() + b"".join(w.encode() + b" " + v.tobytes() for w, v in zip(WORDS, VECTORS, strict=True))
)


class Served:
    """What the server gives: files by path. `cut` ends answers after so many bytes, `pause` waits between pieces."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.models: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, str]] = []
        self.cut, self.pause, self.ranges = 0, 0.0, True
        self.url = ""

    def add(self, name: str, content: bytes, **entry: Any) -> None:
        md5 = hashlib.md5(content).hexdigest()
        self.files[f"/{name}/{name}.gz"] = content
        self.models[name] = {"parts": 1, "checksum": md5, "file_size": len(content), **entry}

    @property
    def urls(self) -> dict[str, str]:
        self.files["/list.json"] = json.dumps({"corpora": {}, "models": self.models}).encode()
        return {"list_url": f"{self.url}/list.json", "base_url": self.url}

    def of(self, ending: str) -> list[str]:
        """The ranges asked for of a file, in order."""
        return [span for path, span in self.asked if path.endswith(ending)]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Served]:
    told = Served()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            span = self.headers.get("Range", "")
            told.asked.append((self.path, span))
            content = told.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            start = int(span.removeprefix("bytes=").removesuffix("-")) if span and told.ranges else 0
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            end = start + told.cut if told.cut and self.path.endswith(".gz") else len(content)
            try:
                for at in range(start, min(end, len(content)), 4096):
                    self.wfile.write(content[at : min(at + 4096, end)])
                    time.sleep(told.pause if self.path.endswith(".gz") else 0)
            except OSError:
                pass  # the client was stopped or killed
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setenv("EMBEDKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        told.url = f"http://127.0.0.1:{server.server_address[1]}"
        told.add(GLOVE.name, TEXT)
        told.add(NEWS.name, BINARY)
        yield told
        server.shutdown()


def kept() -> list[Path]:
    """All files under EMBEDKIT_HOME but locks."""
    root = Path(os.environ["EMBEDKIT_HOME"])
    return [path for path in root.rglob("*") if path.is_file() and path.parent.name != "locks"]


def download() -> Path:
    return Path(os.environ["EMBEDKIT_HOME"], "gensim-data", GLOVE.name, f"{GLOVE.name}.gz")


def parquet() -> Path:
    return next(path for path in kept() if path.suffix == ".parquet")


def check(space: Space, n: int = N) -> None:
    assert space.items == tuple(WORDS[:n])
    np.testing.assert_array_equal(space.vectors, VECTORS[:n])
    assert space.meta["rank"].tolist() == list(range(1, n + 1))


def test_before_the_fetch_the_person_learns_what_it_takes(served: Served) -> None:
    assert not is_here("words/glove-gigaword")
    with pytest.raises(
        NotInstalled, match=r"134 MB, licence PDDL-1.0, 2014\): python -m embedkit fetch words/glove-gigaword$"
    ):
        embedkit.load("words/glove-gigaword")
    assert served.asked == []


@pytest.mark.parametrize("key", ["words/glove-gigaword", "words/googlenews"])
def test_what_is_fetched_opens_with_the_case_and_the_order_of_the_file(served: Served, key: str) -> None:
    told: list[tuple[float | None, str]] = []
    check(fetch_pretrained(key, lambda fraction, text: told.append((fraction, text)), **served.urls))
    assert is_here(key)
    space = embedkit.load(key, limit=10)
    check(space, 10)
    assert (space.key, space.origin.params, space.origin.data) == (key, {"limit": 10}, tables()[key].name)
    check(embedkit.load(key))
    check(embedkit.load(key, limit=200_000))  # more than is kept ready: read from the download
    fractions = [fraction for fraction, _ in told if fraction is not None]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert any("MB" in text for _, text in told)


@pytest.mark.parametrize("key", ["words/glove-gigaword", "words/googlenews"])
def test_gensim_reads_the_same_vectors(served: Served, key: str) -> None:
    from gensim.models import KeyedVectors

    fetch_pretrained(key, **served.urls)
    row = tables()[key]
    path = download().parents[1] / row.name / f"{row.name}.gz"
    theirs = KeyedVectors.load_word2vec_format(str(path), binary=row.binary, limit=500)
    ours = embedkit.load(key, limit=500)
    assert list(ours.items) == theirs.index_to_key
    np.testing.assert_array_equal(ours.vectors, theirs.vectors)


def test_it_is_fetched_once(served: Served) -> None:
    for _ in range(2):
        check(fetch_pretrained("words/glove-gigaword", **served.urls))
    assert len(served.of(".gz")) == 1


def test_two_who_fetch_at_once_share_one_download(served: Served) -> None:
    served.pause = 0.005
    urls, found = served.urls, list[Space]()
    threads = [
        threading.Thread(target=lambda: found.append(fetch_pretrained("words/glove-gigaword", **urls)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(served.of(".gz")) == 1
    check(found[0])
    check(found[1])


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_connection_is_gone_on_with(served: Served, ranges: bool) -> None:
    served.cut, served.ranges = len(TEXT) // 2, ranges
    with pytest.raises(FetchError, match=r"broke off .* go on: python -m embedkit fetch words/glove-gigaword$"):
        fetch_pretrained("words/glove-gigaword", **served.urls)
    assert [path.suffix for path in kept()] == [".part"]
    assert not is_here("words/glove-gigaword")
    served.cut = 0
    check(fetch_pretrained("words/glove-gigaword", **served.urls))
    assert served.of(".gz") == ["", f"bytes={len(TEXT) // 2}-"]
    assert download().read_bytes() == TEXT
    assert not list(download().parent.glob("*.part"))


@pytest.mark.parametrize("left", [b"of another version", TEXT[:1000][::-1], TEXT + b"more"])
def test_a_part_that_does_not_fit_is_fetched_from_the_start(served: Served, left: bytes) -> None:
    download().parent.mkdir(parents=True)
    Path(f"{download()}.part").write_bytes(left)
    check(fetch_pretrained("words/glove-gigaword", **served.urls))
    assert served.of(".gz")[-1] == ""


def test_a_part_that_is_whole_already_is_not_fetched(served: Served) -> None:
    download().parent.mkdir(parents=True)
    Path(f"{download()}.part").write_bytes(TEXT)
    check(fetch_pretrained("words/glove-gigaword", **served.urls))
    assert served.of(".gz") == []


def child(code: str, served: Served) -> "subprocess.Popen[bytes]":
    head = "import time\nfrom pathlib import Path\nfrom embedkit.space import Space\n"
    head += "from embedkit.words.pretrained import fetch_pretrained\n"
    call = f"fetch_pretrained('words/glove-gigaword', **{served.urls!r})\n"
    return subprocess.Popen([sys.executable, "-c", head + code + call], env=dict(os.environ, PYTHONPATH=str(ROOT)))


def wait_for(pattern: str) -> Path:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        for path in Path(os.environ["EMBEDKIT_HOME"]).glob(pattern):
            if path.stat().st_size:
                return path
        time.sleep(0.01)
    raise AssertionError(f"no {pattern} came")


def test_a_fetch_that_is_killed_leaves_no_table(served: Served) -> None:
    served.pause = 0.03
    process = child("", served)
    wait_for("gensim-data/*/*.part")
    process.kill()
    process.wait(10)
    assert [path.suffix for path in kept()] == [".part"]
    with pytest.raises(NotInstalled):
        embedkit.load("words/glove-gigaword")
    served.pause = 0
    check(fetch_pretrained("words/glove-gigaword", **served.urls))
    assert download().read_bytes() == TEXT


def test_a_conversion_that_is_killed_leaves_no_table(served: Served) -> None:
    code = (
        "def half(space, path):\n"
        "    Path(path).write_bytes(b'PAR1 half of it')\n"
        "    time.sleep(60)\n"
        "Space.to_parquet = half\n"
    )
    process = child(code, served)
    left = wait_for("spaces/*.tmp")
    process.kill()
    process.wait(10)
    check(embedkit.load("words/glove-gigaword"))
    assert left.exists()
    os.utime(left, (0, 0))
    check(fetch_pretrained("words/glove-gigaword", **served.urls))
    assert not left.exists()
    assert len(served.of(".gz")) == 1


def test_old_parts_of_other_tables_are_swept(served: Served) -> None:
    other = Path(os.environ["EMBEDKIT_HOME"], "gensim-data", "other", "other.gz.part")
    other.parent.mkdir(parents=True)
    other.write_bytes(b"x")
    fetch_pretrained("words/glove-gigaword", **served.urls)
    assert other.exists()
    os.utime(other, (0, 0))
    fetch_pretrained("words/glove-gigaword", **served.urls)
    assert not other.exists()


def test_a_wrong_checksum_is_refused_and_nothing_is_left(served: Served) -> None:
    served.models[GLOVE.name]["checksum"] = "0" * 32
    with pytest.raises(
        FetchError, match=r"checksum differs.* Try again: python -m embedkit fetch words/glove-gigaword$"
    ):
        fetch_pretrained("words/glove-gigaword", **served.urls)
    assert kept() == []


def test_a_right_checksum_of_a_file_that_is_no_table_is_refused_too(served: Served) -> None:
    served.add(GLOVE.name, gzip.compress(b"<html>login</html>"))
    with pytest.raises(FetchError, match="arrived whole, but is no table of vectors"):
        fetch_pretrained("words/glove-gigaword", **served.urls)
    assert kept() == []


def test_a_file_in_parts_is_put_together(served: Served) -> None:
    half = len(TEXT) // 2
    parts = (TEXT[:half], TEXT[half:])
    sums = {f"checksum-{i}": hashlib.md5(part).hexdigest() for i, part in enumerate(parts)}
    served.models[GLOVE.name] = {"parts": 2, "file_size": len(TEXT), **sums}
    for i, part in enumerate(parts):
        served.files[f"/{GLOVE.name}/{GLOVE.name}.gz_0{i}"] = part
    check(fetch_pretrained("words/glove-gigaword", **served.urls))
    assert download().read_bytes() == TEXT
    assert not list(download().parent.glob("*.part"))


def test_what_the_server_does_not_have(served: Served) -> None:
    urls = served.urls
    del served.files[f"/{GLOVE.name}/{GLOVE.name}.gz"]
    with pytest.raises(FetchError, match=r"^GloVe is no longer where gensim-data had it \(HTTP 404, http://127"):
        fetch_pretrained("words/glove-gigaword", **urls)
    with pytest.raises(FetchError, match="HTTP 404"):
        fetch_pretrained("words/glove-gigaword", **(urls | {"list_url": served.url + "/nowhere"}))
    assert kept() == []


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b"{}", b'{"models": {"glove-wiki-gigaword-100": {"parts": 1}}}'])
def test_a_list_that_says_nothing(served: Served, answer: bytes) -> None:
    urls = served.urls
    served.files["/list.json"] = answer
    with pytest.raises(FetchError, match="does not say how to fetch glove-wiki-gigaword-100"):
        fetch_pretrained("words/glove-gigaword", **urls)


def test_no_network(served: Served) -> None:
    nowhere = {"list_url": "http://127.0.0.1:1/list.json", "base_url": "http://127.0.0.1:1"}
    with pytest.raises(FetchError, match=r"^GloVe did not arrive .* Check the network"):
        fetch_pretrained("words/glove-gigaword", **nowhere)


def test_a_disk_without_room_is_said_before_anything_comes(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1_000_000))
    with pytest.raises(FetchError, match=r"GloVe needs \d+ MB on the disk; 1 MB are free"):
        fetch_pretrained("words/glove-gigaword", **served.urls)
    assert served.of(".gz") == []


def test_a_disk_that_fills_is_not_left_full(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(url: str, temp: Path, *_: object) -> str:
        temp.write_bytes(TEXT[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(gensim_fetch, "_append", full)
    with pytest.raises(FetchError, match="could not be kept: No space left on device"):
        fetch_pretrained("words/glove-gigaword", **served.urls)
    assert kept() == []


def test_a_home_that_is_no_folder(served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EMBEDKIT_HOME", str(tmp_path / "file"))
    with pytest.raises(FetchError, match=r"GloVe could not be kept: .* EMBEDKIT_HOME can name another folder"):
        fetch_pretrained("words/glove-gigaword", **served.urls)


def test_nothing_that_comes_is_run(served: Served, tmp_path: Path) -> None:
    marker = tmp_path / "it ran"
    for name in served.models:
        served.files[f"/{name}/__init__.py"] = f"open({str(marker)!r}, 'w').close()".encode()
        fetch_pretrained(next(row.key for row in tables().values() if row.name == name), **served.urls)
    embedkit.load("words/glove-gigaword")
    assert not [path for path, _ in served.asked if path.endswith(".py")]
    assert not [path for path in kept() if path.suffix == ".py"]
    assert not marker.exists()


def test_stop_in_the_middle_and_go_on(served: Served) -> None:
    def stop(fraction: float | None, text: str) -> None:
        if fraction:
            raise JobStopped("stopped")

    served.pause = 0.002
    with pytest.raises(JobStopped):
        fetch_pretrained("words/glove-gigaword", stop, **served.urls)
    assert [path.suffix for path in kept()] == [".part"]
    check(fetch_pretrained("words/glove-gigaword", **served.urls))
    assert served.of(".gz")[-1].startswith("bytes=")


def test_stop_while_it_is_read(served: Served) -> None:
    def stop(fraction: float | None, text: str) -> None:
        if text.startswith("Reading"):
            raise JobStopped("stopped")

    with pytest.raises(JobStopped):
        fetch_pretrained("words/glove-gigaword", stop, **served.urls)
    assert kept() == [download()]
    check(fetch_pretrained("words/glove-gigaword", **served.urls))


@pytest.mark.parametrize("harm", ["flip", "cut", "empty"])
def test_a_damaged_table_is_made_again_from_the_download(served: Served, harm: str) -> None:
    fetch_pretrained("words/glove-gigaword", **served.urls)
    path = parquet()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes({"flip": bytes(content), "cut": content[:-50], "empty": b""}[harm])
    check(embedkit.load("words/glove-gigaword"))
    assert parquet().stat().st_size == len(content)
    assert len(served.of(".gz")) == 1


@pytest.mark.parametrize(
    "content", [TEXT[: len(TEXT) // 2], b"not gzip", gzip.compress(b"2 3\nthe 1 2 3\nof 1\n"), b""]
)
def test_a_damaged_download_is_said_and_fetched_again(served: Served, content: bytes) -> None:
    fetch_pretrained("words/glove-gigaword", **served.urls)
    download().write_bytes(content)
    parquet().unlink()
    with pytest.raises(
        DamagedFile, match=r"was damaged .* Fetch it again: python -m embedkit fetch words/glove-gigaword"
    ):
        embedkit.load("words/glove-gigaword")
    check(fetch_pretrained("words/glove-gigaword", **served.urls))
    assert download().read_bytes() == TEXT


def test_a_table_without_its_download_still_opens(served: Served) -> None:
    fetch_pretrained("words/glove-gigaword", **served.urls)
    download().unlink()
    assert is_here("words/glove-gigaword")
    check(embedkit.load("words/glove-gigaword", limit=5), 5)


def test_of_a_word_that_comes_twice_the_first_is_kept(served: Served) -> None:
    served.add(GLOVE.name, gzip.compress(b"4 2\nthe 1 2\nThe 3 4\nthe 5 6\nof 7 8\n"))
    space = fetch_pretrained("words/glove-gigaword", **served.urls)
    assert space.items == ("the", "The", "of")
    np.testing.assert_array_equal(space.vectors, [[1, 2], [3, 4], [7, 8]])


@pytest.mark.parametrize(
    "text", [b"2 2\nthe 1 2\nof 1 nan\n", b"2 2\nthe 1 2\n", b"-1 2\n", b"1 99999\n", b"1 2\nthe 1 x\n"]
)
def test_vectors_that_are_none(served: Served, text: bytes) -> None:
    served.add(GLOVE.name, gzip.compress(text))
    with pytest.raises(FetchError, match="is no table of vectors"):
        fetch_pretrained("words/glove-gigaword", **served.urls)


@pytest.mark.parametrize("limit", [0, -1, 400_001])
def test_a_limit_out_of_range(served: Served, limit: int) -> None:
    with pytest.raises(InputError, match="opens with 1 to 400,000 words"):
        embedkit.load("words/glove-gigaword", limit=limit)


def test_an_unknown_table(served: Served) -> None:
    with pytest.raises(
        InputError, match="There is no table 'words/elmo' to fetch; known: words/fasttext-news, words/glove-gigaword"
    ):
        fetch_pretrained("words/elmo")


def test_as_a_job_with_the_addresses_of_gensim(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    from gensim import downloader

    monkeypatch.setattr(downloader, "DATA_LIST_URL", served.urls["list_url"])
    monkeypatch.setattr(downloader, "DOWNLOAD_BASE_URL", served.urls["base_url"])
    messages: list[dict[str, Any]] = []
    report = Report(messages.append)
    arrays, meta = fetch_task(report, key="words/glove-gigaword")
    report.flush()
    assert arrays == {}
    assert meta == {"key": "words/glove-gigaword", "title": "GloVe", "words": N, "dims": D}
    assert messages[-1]["fraction"] == 1.0
    assert json.dumps(meta)


def test_the_file_is_read_a_little_at_a_time() -> None:
    """A million-fold gzip bomb in one line ends at the longest line that can be a word."""
    line = io.BytesIO(b"a" * 10_000_000)
    pretrained._text_word(line, 3)
    assert line.tell() < 2_000
