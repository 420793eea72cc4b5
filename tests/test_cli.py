"""The command line and the catalog behind it: what is here, what can be fetched, errors as sentences."""

import importlib
import inspect
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from embedkit import __version__
from embedkit.catalog import CatalogRow, catalog, fetch_task_of
from embedkit.cli import main
from embedkit.encoders import models, vision
from embedkit.errors import FetchError, InputError, JobStopped
from embedkit.explore import kept_space
from embedkit.files import open_files
from embedkit.registry import methods
from embedkit.sources import movielens, picture_sets
from embedkit.space import Space
from embedkit.store import default_store
from embedkit.words import pretrained, recipe

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Nothing was fetched on this machine: neither vectors nor transformers."""
    monkeypatch.setenv("EMBEDKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path


def rows(text: str) -> dict[str, list[str]]:
    """Cells of a printed table by the first of their row."""
    return {line.split()[0]: line.split() for line in text.splitlines() if line.strip()}


def test_list_shows_every_method_and_all_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    upper, lower = (rows(part) for part in capsys.readouterr().out.split("\n\n"))
    assert set(upper) == {"Methods:", "KEY", *methods()}
    assert upper["words/minilm"][:5] == ["words/minilm", "static", "Apache-2.0", "2021", "yes"]
    assert upper["words/glove-gigaword"][:5] == ["words/glove-gigaword", "static", "PDDL-1.0", "2014", "no"]
    assert set(lower) == {"Data", "NAME", *(row.name for row in catalog())}
    assert lower["bert-base"][:6] == ["bert-base", "transformer", "Apache-2.0", "2018", "no", "440.0"]
    assert lower["wikipedia"][4] == "yes"


def test_the_catalog_says_for_everything_what_the_person_must_know() -> None:
    found = catalog()
    assert len({row.name for row in found}) == len(found)
    sets = {key for key, row in picture_sets.picture_sets().items() if row.fetched}
    others = {*vision.vision_cards(), *movielens.movielens_sets(), "text8"}
    assert {row.fetch for row in found if row.fetch} == {*models.cards(), *pretrained.tables(), *sets, *others}
    for row in found:
        assert row.title, row
        assert row.what, row
        assert row.licence, row
        assert row.megabytes > 0 or row.name == "shapes", row  # which are drawn when asked
        assert 1990 < row.year < 2100, row
        assert row.here or row.fetch, row
    assert next(row for row in found if row.name == "minilm").here  # carried by its package


def test_who_fetches_what_is_decided_for_all_that_can_be_fetched() -> None:
    for row in catalog():
        if row.fetch:
            task, params = fetch_task_of(row.fetch)
            module, _, function = task.partition(":")
            assert callable(getattr(importlib.import_module(module), function)), row
            assert list(params.values()) == [row.fetch]
            inspect.signature(getattr(importlib.import_module(module), function)).bind(None, **params)
    assert fetch_task_of("mnist") == ("embedkit.sources.picture_sets:fetch_pictures_task", {"name": "mnist"})
    with pytest.raises(
        InputError, match=r"There is nothing called 'digits' to fetch; known: minilm, .*words/glove-gigaword.*mnist"
    ):
        fetch_task_of("digits")


def test_the_catalog_is_quick() -> None:
    start = time.perf_counter()
    catalog()
    assert time.perf_counter() - start < 0.1


def test_the_catalog_sees_a_fetched_transformer_as_the_hub_client_does(home: Path) -> None:
    folder = home / "hub" / "models--google-bert--bert-base-uncased"
    snapshot = folder / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("a" * 40)

    def seen() -> tuple[bool, bool]:
        code = (
            "import sys; from embedkit.encoders.models import _from_cache; print(_from_cache(sys.argv[1]) is not None)"
        )
        theirs = subprocess.run(
            [sys.executable, "-c", code, "google-bert/bert-base-uncased"],
            env=dict(os.environ, PYTHONPATH=str(ROOT)),
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        return next(row.here for row in catalog() if row.name == "bert-base"), theirs == "True"

    (snapshot / "config.json").write_text("{}")
    assert seen() == (False, False)
    (snapshot / "tokenizer.json").write_text("{}")
    (snapshot / "model.safetensors").write_bytes(b"x")
    assert seen() == (True, True)


def test_the_catalog_sees_fetched_vectors(home: Path) -> None:
    file = home / "home" / "gensim-data" / "glove-wiki-gigaword-100" / "glove-wiki-gigaword-100.gz"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x")
    assert {row.name for row in catalog() if row.here and row.fetch} == {"minilm", "words/glove-gigaword"}


def test_the_catalog_knows_the_networks_as_torchvision_does(home: Path) -> None:
    for key, card in vision.vision_cards().items():

        def row(name: str = key) -> CatalogRow:
            return next(each for each in catalog() if each.name == name)

        said = (row().title, row().megabytes, row().licence, row().year)
        assert said == (card.title, card.megabytes, card.licence, card.year)
        assert not row().here
        file = home / "torch" / "hub" / "checkpoints" / card.file
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
        assert row().here
        assert vision.find_vision(key) == file


def test_the_catalog_sees_fetched_pictures(home: Path) -> None:
    folder = home / "home" / "pictures" / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for name in ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"):
        assert {row.name for row in catalog() if row.here and row.fetch} == {"minilm"}
        (folder / name).write_bytes(b"x")
    assert {row.name for row in catalog() if row.here and row.fetch} == {"minilm", "mnist"}
    here = {row.name: row for row in catalog() if row.kind == "pictures" and row.here and not row.fetch}
    assert set(here) == {"digits", "shapes"}


def test_near_gives_a_table_with_the_asked_word_marked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["near", "words/minilm", "apple", "-k", "2"]) == 0
    head, first, second, third = capsys.readouterr().out.splitlines()
    assert head.split() == ["RANK", "ITEM", "COSINE"]
    assert first.split() == ["1", "apple", "1.0000", "asked"]
    assert [second.split()[:2], third.split()[0], len(third.split())] == [["2", "apples"], "3", 3]


def test_near_gives_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["near", "words/minilm", "apple", "-k", "1", "--json", "--metric", "euclidean"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["space"], answer["word"], answer["metric"]) == ("words/minilm", "apple", "euclidean")
    assert answer["neighbors"][0] == {"rank": 1, "item": "apple", "score": 0.0, "asked": True}
    assert answer["neighbors"][1]["item"] == "apples"


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["near", "words/minilm", "aple"], "'aple' is not among 22,501 items. Did you mean"),
        (["near", "words/elmo", "apple"], "There is no method 'words/elmo'."),
        (
            ["near", "words/glove-gigaword", "apple"],
            "GloVe is not on this machine. Fetch it (134 MB, licence PDDL-1.0, 2014):",
        ),
        (["near", "words/minilm", "apple", "-k", "0"], "k must be at least 1, not 0."),
        (["near", "words/minilm", "apple", "--metric", "far"], "There is no metric 'far'"),
        (["fetch", "words/elmo"], "There is nothing called 'words/elmo' to fetch; known: minilm, bert-base"),
    ],
)
def test_an_error_is_one_sentence_on_stderr(capsys: pytest.CaptureFixture[str], argv: list[str], sentence: str) -> None:
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(sentence)
    assert err.count("\n") == 1


@pytest.mark.parametrize("argv", [[], ["nonsense"], ["near", "words/minilm"], ["build-assets", "--only", "songs"]])
def test_a_wrong_command_is_told_the_usage(capsys: pytest.CaptureFixture[str], argv: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2
    assert "usage: python -m embedkit" in capsys.readouterr().err


def test_fetch_says_size_licence_and_year_and_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(key: str, report: Callable[[float | None, str], object]) -> Space:
        report(None, "Waiting for another fetch")
        for i in range(100):
            report(i / 100, f"{i} MB")
        return Space(key, "GloVe", ("a", "b"), np.eye(2, dtype=np.float32))

    monkeypatch.setattr(pretrained, "fetch_pretrained", fetch)
    assert main(["fetch", "words/glove-gigaword"]) == 0
    out, err = capsys.readouterr()
    assert out == "GloVe is here: 2 words x 2. Next: python -m embedkit near words/glove-gigaword apple\n"
    assert err.splitlines()[0] == "GloVe: 134.0 MB, licence PDDL-1.0, 2014."
    assert err.splitlines()[1:3] == ["Waiting for another fetch", "  0%  0 MB"]
    assert len(err.splitlines()) == 12  # a line for every tenth, as stderr is no terminal here


def test_fetch_on_a_terminal_writes_over_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(key: str, report: Callable[[float | None, str], object]) -> Space:
        report(0.5, "long text")
        report(0.6, "text")
        raise FetchError("It did not arrive.")

    monkeypatch.setattr(pretrained, "fetch_pretrained", fetch)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert main(["fetch", "words/glove-gigaword"]) == 2
    assert capsys.readouterr().err.endswith("\r 50%  long text\r 60%  text     \nIt did not arrive.\n")


def test_fetch_of_a_transformer(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tiny_folder: Path
) -> None:
    asked: list[str] = []

    def fetch(name: str) -> models.ModelFiles:
        asked.append(name)
        return models.ModelFiles(tiny_folder, "hub cache", "MPNet")

    monkeypatch.setattr(models, "fetch_model", fetch)
    assert main(["fetch", "mpnet"]) == 0
    assert asked == ["mpnet"]
    out, err = capsys.readouterr()
    assert (out, err) == ("MPNet is here.\n", "MPNet: 438.0 MB, licence Apache-2.0, 2021.\nFetching from the hub\n")


@pytest.mark.parametrize("here", [False, True])
def test_fetch_of_pictures_looks_also_at_what_is_here(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, here: bool
) -> None:
    asked: list[str] = []

    def fetch(key: str, report: Callable[[float | None, str], object]) -> Path:
        report(0.5, "6 of 12 MB")
        asked.append(key)
        return Path()

    monkeypatch.setattr(picture_sets, "is_here", lambda key: here)
    monkeypatch.setattr(picture_sets, "fetch_pictures", fetch)
    assert main(["fetch", "mnist"]) == 0
    assert asked == ["mnist"]
    out, err = capsys.readouterr()
    assert (out, err) == ("MNIST is here.\n", "MNIST: 11.6 MB, licence CC BY-SA 3.0, 1998.\n 50%  6 of 12 MB\n")


def test_fetch_of_movielens_names_its_licence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(movielens, "fetch_movielens", lambda key, report: asked.append(key))
    monkeypatch.setattr(movielens, "is_here", lambda key: True)  # whether it is whole is for the fetch to see
    assert main(["fetch", "movielens-100k"]) == 0
    assert asked == ["movielens-100k"]
    out, err = capsys.readouterr()
    assert (out, err) == (
        "MovieLens 100K is here.\n",
        "MovieLens 100K: 4.9 MB, licence research only, no redistribution, 1998.\n",
    )


@pytest.mark.parametrize("name", ["words/minilm", "wikipedia", "minilm", "digits", "shapes", "cinema"])
def test_what_is_here_is_not_fetched(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(models, "fetch_model", None)
    assert main(["fetch", name]) == 0
    assert capsys.readouterr().out.endswith("is here already.\n")


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (JobStopped("It was stopped."), 2)])
def test_ctrl_c_ends_quietly(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def fetch(*_: object) -> Space:
        raise error

    monkeypatch.setattr(pretrained, "fetch_pretrained", fetch)
    assert main(["fetch", "words/glove-gigaword"]) == code
    assert "Traceback" not in capsys.readouterr().err


def test_a_bug_shows_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(*_: object) -> Space:
        raise ZeroDivisionError

    monkeypatch.setattr(pretrained, "fetch_pretrained", fetch)
    with pytest.raises(ZeroDivisionError):
        main(["fetch", "words/glove-gigaword"])


@pytest.mark.parametrize(
    ("only", "expected"),
    [(None, ["distill", "write table", None]), ("words", ["distill", "write table"]), ("maps", ["maps"])],
)
def test_build_assets_follows_the_recipes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, only: str | None, expected: list[Any]
) -> None:
    done: list[Any] = []

    def distill() -> str:
        done.append("distill")
        return "table"

    def build(only: str | None, say: Callable[[str], None]) -> None:
        done.append(only)
        say("Made the maps.")

    other: Any = ModuleType("embedkit.assets_recipe")
    other.build = build
    other.__spec__ = ModuleSpec("embedkit.assets_recipe", None)
    monkeypatch.setitem(sys.modules, "embedkit.assets_recipe", other)
    monkeypatch.setattr(recipe, "distill", distill)
    monkeypatch.setattr(recipe, "write_table", lambda table: done.append(f"write {table}"))
    assert main(["build-assets", *(["--only", only] if only else [])]) == 0
    assert done == expected
    assert ("Made the maps." in capsys.readouterr().err) == (only != "words")


def test_open_says_what_it_understood_and_keeps_the_space_for_the_explorer(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    vectors, labels = tmp_path / "vectors.npy", tmp_path / "labels.tsv"
    np.save(vectors, np.array([[1.0, 2.0], [np.nan, 4.0], [5.0, 6.0]]))
    labels.write_text("word\tkind\na\tx\nb\tx\nc\ty\n")
    assert main(["open", str(vectors), str(labels)]) == 0
    out, err = capsys.readouterr()
    *said, size, link = out.splitlines()
    assert said == [
        "Read as NumPy array: 'vectors.npy' holds 3 x 2 numbers (float64).",
        "'labels.tsv' names the items; its columns: 'word', 'kind'.",
        "1 of 3 rows was left out, as it is no vector: row 2 (column 1 is NaN).",
    ]
    assert (size, err) == ("2 x 2", "")
    before, _, key = link.rpartition("=")
    assert before == "With the app running (make run): http://localhost:8501/explorer?ex_src=Own+files&ex_open"
    space = kept_space(default_store(), key)
    assert space.items == ("a", "c")
    assert space.vectors.tolist() == [[1, 2], [5, 6]]
    assert space.meta["kind"].tolist() == ["x", "y"]


def test_the_link_of_open_is_what_the_explorer_reads() -> None:
    page = (ROOT / "ui" / "explorer_open.py").read_text("utf-8")
    for name in ("ex_src", "ex_open"):
        assert f'key="{name}"' in page
    assert 'FILES = "Own files"' in page


def test_open_converts(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("New York,1,2\nb,3,4\n")
    for argv, files in (
        (["--to", "y.parquet"], ["y.parquet"]),
        (["--to", "y.npy"], ["y.npy", "y.labels.tsv"]),
        (["--to", "any name", "--as", "word2vec"], ["any name"]),
        (["--to", "y.tsv"], ["y.vectors.tsv", "y.metadata.tsv"]),
    ):
        assert main(["open", str(tmp_path / "x.csv"), argv[0], str(tmp_path / argv[1]), *argv[2:]]) == 0
        out = capsys.readouterr().out
        assert out.splitlines()[-1] == "Written: " + ", ".join(str(tmp_path / file) for file in files)
        assert ("'_' stands for them in 1 name." in out) == ("word2vec" in argv)
        found = open_files([tmp_path / file for file in files]).space
        assert found.items == ("New_York" if "word2vec" in argv else "New York", "b")
        assert found.vectors.tolist() == [[1, 2], [3, 4]]
    assert "explorer" not in out
    assert not list(tmp_path.glob("*.tmp"))


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["nope.csv"], "There is no file 'nope.csv'."),
        (["nope.csv", "--as", "csv"], "--as says how to write; name the file with --to OUT."),
        (["nope.csv", "--to", "x.xyz"], "The end of 'x.xyz' names no format to write; say which: parquet, arrow, npy,"),
        (
            ["nope.csv", "--to", "x", "--as", "texts"],
            "There is no format 'texts' to write; known: parquet, arrow, npy,",
        ),
    ],
)
def test_open_ends_with_a_sentence(capsys: pytest.CaptureFixture[str], argv: list[str], sentence: str) -> None:
    assert main(["open", *argv]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(sentence)


def test_open_says_when_it_cannot_write(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("1,2\n3,4\n")
    assert main(["open", str(tmp_path / "x.csv"), "--to", str(tmp_path / "no folder" / "y.npy")]) == 2
    assert "y.npy' cannot be written: No such file or directory." in capsys.readouterr().err


def run(*argv: str, code: str = "") -> "subprocess.CompletedProcess[str]":
    start = ["-c", code] if code else ["-m", "embedkit"]
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    return subprocess.run(
        [sys.executable, *start, *argv], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_as_a_program(home: Path) -> None:
    assert run("--version").stdout == f"embedkit {__version__}\n"
    unknown = run("near", "words/minilm", "aple")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert unknown.stderr.startswith("'aple' is not among 22,501 items.")
    assert "Traceback" not in unknown.stderr


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom embedkit.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "heavy = {'numpy', 'pandas', 'torch', 'numba', 'gensim', 'pyarrow', 'transformers'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    ended = run(code=code)
    assert ended.returncode == 0, ended.stderr
    assert "build-assets" in ended.stdout
