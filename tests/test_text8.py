"""text8 through gensim-data's list: fetched once, checked, damaged files noticed; offered before it is here."""

import gzip
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

import embedkit
from embedkit.catalog import catalog, fetch_task_of
from embedkit.cli import main
from embedkit.errors import DamagedFile, FetchError, JobStopped, NotInstalled
from embedkit.sources import gensim_fetch
from embedkit.sources import text8 as module
from embedkit.sources.text8 import TEXT8, fetch_text8, text8, text8_is_here
from embedkit.words.word_training import Text, load_text

PACKED = gzip.compress(b" anarchism originated as a term of abuse" * 60)


class Answer(io.BytesIO):
    """What stands for a server's answer."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.status, self.headers = 200, {"Content-Length": str(len(data))}


class Server:
    """gensim-data's list and its file; `asked` are the addresses."""

    def __init__(self, packed: bytes, checksum: str = "") -> None:
        entry = {"parts": 1, "checksum": checksum or hashlib.md5(packed).hexdigest(), "file_size": len(packed)}
        self.files = {"list": json.dumps({"corpora": {"text8": entry}, "models": {}}).encode()}
        self.files["base/text8/text8.gz"] = packed
        self.asked: list[str] = []

    def __call__(self, url: str, start: int = 0) -> Any:
        self.asked.append(url)
        return Answer(self.files[url][start:])


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMBEDKIT_HOME", str(tmp_path))
    text8.cache_clear()
    load_text.cache_clear()
    return tmp_path


def fetch(server: Server, monkeypatch: pytest.MonkeyPatch, report: Any = None) -> None:
    monkeypatch.setattr(gensim_fetch, "_ask", server)
    fetch_text8(report, list_url="list", base_url="base")


def test_before_the_fetch_the_person_learns_what_it_takes() -> None:
    assert not text8_is_here()
    for ask in (text8, lambda: load_text(Text("text8")), lambda: embedkit.load("words/lsa", text="text8")):
        with pytest.raises(NotInstalled, match=r"33 MB, licence .*GFDL, 2006\): python -m embedkit fetch text8$"):
            ask()
    (row,) = [row for row in catalog() if row.name == "text8"]
    assert (row.here, row.fetch, row.megabytes) == (False, "text8", 33.2)
    assert fetch_task_of("text8") == ("embedkit.sources.text8:fetch_text8_task", {"name": "text8"})


def test_what_is_fetched_is_a_corpus_and_is_fetched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(PACKED)
    said: list[tuple[float | None, str]] = []
    fetch(server, monkeypatch, lambda fraction, text: said.append((fraction, text)))
    assert server.asked == ["list", "base/text8/text8.gz"]
    assert said[-1] == (1.0, "text8 is here.")
    assert text8_is_here()
    corpus = load_text(Text("text8"))
    assert (corpus.key, corpus.n_tokens, len(corpus.words), corpus.year) == ("text8", 420, 7, 2006)
    fetch(server, monkeypatch)
    assert len(server.asked) == 2
    assert [row.here for row in catalog() if row.name == "text8"] == [True]


def test_by_the_command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from gensim import downloader

    monkeypatch.setattr(gensim_fetch, "_ask", Server(PACKED))
    monkeypatch.setattr(downloader, "DATA_LIST_URL", "list")
    monkeypatch.setattr(downloader, "DOWNLOAD_BASE_URL", "base")
    assert main(["fetch", "text8"]) == 0
    out, err = capsys.readouterr()
    assert out == "text8 is here.\n"
    assert err.startswith("text8: 33.2 MB, licence not stated; Wikipedia of 2006: GFDL, 2006.")


def test_what_is_not_what_the_list_promises_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FetchError, match="checksum differs"):
        fetch(Server(PACKED, "0" * 32), monkeypatch)
    assert not text8_is_here()


@pytest.mark.parametrize(
    ("data", "why"),
    [(b"no gzip at all", "Not a gzipped file"), (PACKED[:60], "ended before"), (gzip.compress(b""), "no text")],
)
def test_a_damaged_file_is_noticed_removed_and_fetched_again(
    data: bytes, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    TEXT8.path.parent.mkdir(parents=True)
    TEXT8.path.write_bytes(data)
    with pytest.raises(DamagedFile, match=rf"{why}.*fetch text8$"):
        text8()
    assert not text8_is_here()
    TEXT8.path.write_bytes(data)
    fetch(Server(PACKED), monkeypatch)
    assert text8().n_tokens == 420
    TEXT8.path.unlink()
    with pytest.raises(FetchError, match="arrived whole, but is no text"):
        fetch(Server(data), monkeypatch)


def test_what_unpacks_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 1_000)
    TEXT8.path.parent.mkdir(parents=True)
    TEXT8.path.write_bytes(PACKED)
    with pytest.raises(DamagedFile, match="more than 1,000 bytes"):
        text8()


def test_a_stopped_fetch_keeps_its_part(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(fraction: float | None, text: str) -> None:
        if fraction:
            raise JobStopped("stopped")

    with pytest.raises(JobStopped):
        fetch(Server(PACKED), monkeypatch, stop)
    assert not text8_is_here()
    assert [path.name for path in TEXT8.path.parent.iterdir()] == ["text8.gz.part"]
    server = Server(PACKED)
    fetch(server, monkeypatch)
    assert text8_is_here()
    assert server.asked == ["list"]  # the part was whole already


def test_without_a_network_it_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(url: str, start: int = 0) -> Any:
        raise ConnectionRefusedError("refused")

    monkeypatch.setattr(gensim_fetch, "_ask", nobody)
    with pytest.raises(FetchError, match=r"text8 did not arrive \(refused\)\. Check the network, then go on"):
        fetch_text8(list_url="list", base_url="base")
