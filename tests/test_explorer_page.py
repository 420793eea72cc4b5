"""The explorer's page: a pick answers from all numbers, samples are stated, files open, errors keep the page."""

from __future__ import annotations

import io
import pickle
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from pages_help import explorer, open_page, opened_box, press, run_until, table, text, workers
from PIL import Image
from sklearn.datasets import load_digits
from streamlit.testing.v1 import AppTest

import embedkit
from embedkit import neighbors
from embedkit.compare import compare
from embedkit.explore import keep_space, kept
from embedkit.files import FORMATS, open_files, space_bytes
from embedkit.files.keeping import keep_opened
from embedkit.jobs import Pool
from embedkit.maps import Settings, map_key, pack_map, result_now
from embedkit.space import Space
from ui.explorer_open import escaped

CALM = {"ex_method": "PCA"}
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module", autouse=True)
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    with workers(tmp_path_factory.mktemp("home")) as made:
        yield made


def own(n: int = 60) -> Space:
    meta = pd.DataFrame({"kind": [f"k{i % 40}" for i in range(n)], "price": np.arange(n) * 1.5})
    return Space("own", "Own", tuple(f"item {i}" for i in range(n)), RNG.normal(size=(n, 5)).astype(np.float32), meta)


def test_it_opens_with_the_map_that_ships() -> None:
    at = explorer()
    assert not at.exception
    assert not at.error
    assert not at.progress
    assert "1,797 vectors of 64 numbers" in text(at)
    recall = re.search(r"kNN recall (0\.\d+)", text(at))
    assert recall is not None
    assert 0.3 < float(recall[1]) < 0.7


def test_a_pick_answers_from_all_numbers() -> None:
    at = explorer(ex_pick="7 (7)", ex_k=4, **CALM)
    shown = table(at, "item", "cosine")
    space = embedkit.load("images/pixels")
    scores = space.unit @ space.unit[7]
    order = np.argsort(-scores, kind="stable")[:5]
    assert list(shown["item"]) == [space.items[row] for row in order]
    assert shown["cosine"].to_numpy() == pytest.approx(scores[order], abs=1e-5)


def test_the_share_kept_is_the_sum_in_the_arithmetic() -> None:
    at = opened_box(explorer(ex_pick="7 (7)", **CALM), "ex_sums")
    shown = {each.label: each.value for each in at.metric}["Of its true neighbors the map keeps near"]
    share = int(shown.rstrip("%")) / 100
    assert any(f"= {share:.2f}" in each.value for each in at.latex)


def test_an_unknown_pick_is_one_sentence_and_the_map_stays() -> None:
    at = explorer(ex_pick="7 (9999999)", **CALM)
    assert not at.exception
    assert "is not among 1,797 items" in " ".join(each.value for each in at.error)
    assert at.get("plotly_chart")


def test_search_counts_what_matches() -> None:
    at = explorer(ex_search="7 (7", **CALM)
    assert "match “7 (7”" in text(at)
    assert not at.exception


def test_a_sample_is_stated_and_neighbors_come_from_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.explorer_open.LIMIT", 20_000)
    at = explorer(ex_src="Words, from MiniLM", ex_size=200, ex_pick="apple", ex_k=3, **CALM)
    assert "On the map: 200 of 22,501" in text(at)
    near = embedkit.search(embedkit.load("words/minilm"), "apple", 3)
    assert list(table(at, "item", "cosine")["item"]) == [each.item for each in near]
    assert "not in the sample" in " ".join(each.value for each in at.info) or "map keeps near" in text(at)


def test_a_space_that_was_sent_is_opened_by_its_key(pool: Pool) -> None:
    key = keep_space(own(), pool.store)
    at = explorer(ex_src="Own files", ex_open=key, ex_pick="item 3", **CALM)
    assert not at.exception
    assert not at.error
    assert "Own: 60 vectors of 5 numbers" in text(at)
    assert table(at, "item", "cosine")["kind"].iloc[0] == "k3"


def test_many_classes_can_be_looked_for(pool: Pool) -> None:
    key = keep_space(own(), pool.store)
    at = explorer(ex_src="Own files", ex_open=key, ex_color="kind", ex_classes=["k39"], **CALM)
    assert not at.exception
    assert at.multiselect(key="ex_classes").value == ["k39"]


def test_a_key_that_is_not_kept_is_one_sentence() -> None:
    at = explorer(ex_src="Own files", ex_open="0" * 32, **CALM)
    assert not at.exception
    assert "no longer kept here" in " ".join(each.value for each in at.error)


CSV = b"name,kind,a,b\nx,p,1,2\ny,q,3,4\nz,p,5,7\nw,q,-1,2\n"


def drop(at: AppTest, *files: tuple[str, bytes]) -> AppTest:
    """The page after these files were dropped on it together."""
    given = [(name, data, "application/octet-stream") for name, data in files]
    at.get("file_uploader")[0].set_value(given)
    return at.run()


def opened_key(at: AppTest) -> str:
    return str(at.text_input(key="ex_open").value)


def listed(at: AppTest) -> Any:
    """The list of what was opened in this visit."""
    (box,) = [each for each in at.selectbox if each.label == "Opened in this visit"]
    return box


def errors(at: AppTest) -> str:
    return " ".join(each.value for each in at.error)


def test_without_files_it_says_what_opens_and_offers_what_is_here() -> None:
    at = explorer(ex_src="Own files", **CALM)
    assert not at.exception
    assert not at.error
    said = text(at)
    endings = {suffix for row in FORMATS.values() for suffix in row.suffixes[:1]}
    assert [each for each in sorted(endings) if each not in said] == []
    assert "200 MB" in said
    assert "2 GB" in said
    press(at, "Handwritten digits, autoencoder")
    assert "Handwritten digits, autoencoder: 1,797" in text(at) or "1,797 vectors of" in text(at)


def test_the_small_file_to_try_opens() -> None:
    space = embedkit.load("images/pixels")
    data = space_bytes(space.take(space.items[:200]), "csv")[".csv"]
    at = drop(explorer(ex_src="Own files", **CALM), ("digits.csv", data))
    assert not at.error
    assert "200 vectors of 64 numbers" in text(at)


def test_files_that_are_given_open_with_what_was_understood() -> None:
    at = drop(explorer(ex_src="Own files", **CALM), ("t.csv", CSV))
    assert not at.exception
    assert not at.error
    assert not at.warning
    assert "t: 4 vectors of 2 numbers" in text(at)
    assert re.fullmatch(r"[0-9a-f]{32}", opened_key(at))
    assert "Read as CSV, TSV: 't.csv' has 4 rows" in text(at)
    assert "Kept as columns: 'kind'" in text(at)
    assert listed(at).options == ["t, 4 x 2"]


def test_what_does_not_line_up_stands_out_and_nothing_is_dropped() -> None:
    table_ = b"name,kind,a,b\nx,p,1,2\nx,q,3,4\nz,p,5\nw,q,-1,nan\n,q,2,2\nv,q,1,1\n"
    at = drop(explorer(ex_src="Own files", **CALM), ("t.csv", table_))
    (warned,) = at.warning
    for part in ("row 4", "row 5", "had no name"):
        assert part in warned.value
    assert "1 more below" in warned.value
    made = open_files([("t.csv", table_)])
    assert len(made.odd) == 4
    assert [each for each in made.said if escaped(each) not in text(at)] == []


def test_the_link_of_a_file_tells_what_was_understood_in_another_visit(pool: Pool) -> None:
    at = drop(explorer(ex_src="Own files", **CALM), ("a_b.csv", CSV.replace(b"y,q", b"x,q")))
    other = explorer(ex_src="Own files", ex_open=opened_key(at), **CALM)
    assert not other.exception
    assert not other.error
    assert listed(other).options == ["a_b, 4 x 2"]
    assert listed(other).value == opened_key(at)
    assert "more than once" in other.warning[0].value
    assert "a\\_b.csv" in text(other)


def test_what_the_command_line_opened_is_told_by_its_link(pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(CSV.replace(b"3,4", b"3,nan"))
    opened = open_files([tmp_path / "t.csv"])
    key = keep_opened(opened, ["t.csv"], pool.store)
    at = explorer(ex_src="Own files", ex_open=key, **CALM)
    assert "row 3" in at.warning[0].value
    assert "3 vectors of 2 numbers" in text(at)


def test_a_broken_file_is_one_sentence_and_the_map_stays() -> None:
    at = explorer(ex_src="Own files", **CALM)
    broken = ("t.npy", b"\x93NUMPY\x01\x00garbage")
    drop(at, broken)
    assert not at.exception
    assert "t.npy" in errors(at)
    drop(at, ("good.csv", CSV))
    assert not at.error
    key = opened_key(at)
    drop(at, broken)
    assert "t.npy" in errors(at)
    assert "What was open before is still here" in text(at)
    assert opened_key(at) == key
    assert "good: 4 vectors of 2 numbers" in text(at)
    assert at.get("plotly_chart")
    at.run()
    assert "t.npy" in errors(at)
    drop(at, ("next.csv", CSV + b"u,p,9,9\n"))  # not together with what was dropped before
    assert not at.error
    assert "next: 5 vectors of 2 numbers" in text(at)
    drop(at, broken)
    listed(at).set_value(key).run()
    assert not at.error
    assert "good: 4 vectors of 2 numbers" in text(at)


def test_vectors_of_this_visit_are_chosen_by_their_titles() -> None:
    at = drop(explorer(ex_src="Own files", **CALM), ("one.csv", CSV))
    first = opened_key(at)
    drop(at, ("one.csv", CSV + b"u,p,9,9\n"))
    drop(at, ("one.csv", CSV.replace(b"-1,2", b"-1,3")))
    last = opened_key(at)
    at.session_state["ex_open"] = first  # as a request does that the browser sent before the last file was opened
    assert opened_key(at.run()) == last
    box = listed(at)
    assert box.options == ["one, 4 x 2", "one, 5 x 2", "one, 4 x 2 (2)"]
    assert box.value == last
    box.set_value(first).run()
    assert opened_key(at) == first
    assert first in at.query_params["ex_open"]
    at.selectbox(key="ex_src").set_value("Handwritten digits, pixels").run()
    assert "1,797 vectors" in text(at)
    at.selectbox(key="ex_src").set_value("Own files").run()
    assert opened_key(at) == first
    assert not at.error
    assert "one: 4 vectors of 2 numbers" in text(at)
    at.text_input(key="ex_open").set_value("0" * 32).run()
    assert "no longer kept here" in errors(at)
    assert listed(at).value is None
    listed(at).set_value(last).run()
    assert not at.error
    assert opened_key(at) == last


def test_a_file_with_odd_names_is_shown_as_it_is() -> None:
    table_ = b"name,*kind*,a,b\n:red[x],$1$,1,2\n<b>y</b>,q_q_q,3,4\n"
    at = drop(explorer(ex_src="Own files", ex_pick="<b>y</b>", **CALM), ("# a_b_c [x](y).csv", table_))
    assert not at.exception
    assert not at.error
    assert "\\# a\\_b\\_c \\[x\\](y): 2 vectors" in text(at)


WRONG = {
    "empty.csv": (b"", "is empty"),
    "empty.npy": (b"", "is empty"),
    "setup.exe": (b"MZ\x90\x00" + bytes(range(256)), "setup.exe"),
    "page.html": (b"<!DOCTYPE html><html></html>", "web page"),
    "model.pkl": (pickle.dumps({"a": [1, 2]}), "pickle"),
    "words.csv": (b"a,b\nc,d\n", "words.csv"),
    "climb.zip": (None, ""),
    "letter.docx": (None, "Office"),
}


def packed(**files: str) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/"), content)
    return held.getvalue()


@pytest.mark.parametrize("name", WRONG)
def test_nonsense_is_refused_in_a_sentence(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, part = WRONG[name]
    if name == "letter.docx":
        data = packed(word__document="<x/>", other="x")
    if name == "climb.zip":
        data = packed(**{"..__..__etc__vectors.csv": "name,a,b\nx,1,2\ny,3,4\nz,5,9\n"})
    monkeypatch.chdir(tmp_path)
    at = drop(explorer(ex_src="Own files", **CALM), (name, data or b""))
    assert not at.exception
    if name == "climb.zip":  # what is in it opens; its path leads nowhere
        assert "3 vectors of 2 numbers" in text(at)
    else:
        assert len(at.error) == 1
        assert part in errors(at)
        assert "Open your own vectors" in text(at)
    assert not list(tmp_path.iterdir())
    if name == "model.pkl":
        assert "pickle.load" in at.code[0].value


def test_files_that_do_not_belong_together_are_refused_together() -> None:
    more = CSV.replace(b"x,p", b"o,p")
    at = drop(explorer(ex_src="Own files", **CALM), ("a.npy", npy(4)), ("b.npy", npy(5)), ("c.csv", more))
    assert not at.exception
    assert "More than one file holds vectors" in errors(at)
    assert "have to be dropped together" in text(at)
    drop(at, ("a.npy", npy(4)), ("c.csv", more))
    assert not at.error
    assert "4 vectors of 3 numbers" in text(at)


def npy(n: int, d: int = 3) -> bytes:
    held = io.BytesIO()
    np.save(held, RNG.normal(size=(n, d)).astype(np.float32))
    return held.getvalue()


def test_more_than_is_opened_by_upload_names_value_and_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    from embedkit.files.given import Limits

    small = Limits("by upload", 6 * 2**20)
    monkeypatch.setattr("embedkit.files.keeping.UPLOAD", small)
    at = drop(explorer(ex_src="Own files", **CALM), ("a.npy", npy(2**19, 4)))
    assert not at.exception
    assert "'a.npy' has 8 MB; at most 6 MB are opened by upload" in errors(at)


def texts() -> bytes:
    return "\n".join(f"a {color} {thing}" for color in ("red", "blue") for thing in ("dog", "car", "tree")).encode()


def test_texts_are_embedded_by_a_worker_with_progress(pool: Pool) -> None:
    at = drop(explorer(ex_src="Own files", **CALM), ("texts.txt", texts()))
    assert not at.exception
    assert at.progress
    assert "texts.txt" in at.progress[0].text
    assert [each for each in at.button if each.label == "Stop"]
    run_until(at, lambda page: not page.progress and "6 vectors of 384 numbers" in text(page))
    assert "MiniLM made 384 numbers of each line" in text(at)
    assert kept(pool.store, opened_key(at)).way == "by upload"


def test_a_long_reading_goes_on_while_other_vectors_are_shown_and_can_be_stopped(pool: Pool) -> None:
    at = drop(explorer(ex_src="Own files", **CALM), ("good.csv", CSV))
    before = uploads_in(pool)
    drop(at, ("texts.txt", texts() * 200))
    assert at.progress
    assert at.get("file_uploader")[0].proto.disabled
    assert "good: 4 vectors of 2 numbers" in text(at)
    at.selectbox(key="ex_src").set_value("Handwritten digits, pixels").run()
    at.selectbox(key="ex_src").set_value("Own files").run()
    assert at.progress
    press(at, "Stop")
    run_until(at, lambda page: not page.progress)
    assert not at.error
    assert "was stopped" in " ".join(each.value for each in at.info)
    assert "good: 4 vectors of 2 numbers" in text(at)
    assert uploads_in(pool) == before


def uploads_in(pool: Pool) -> set[str]:
    """Entries of the store that are the bytes of files."""
    return {each.name for each in pool.store.root.rglob("*.ek") if b'"kind": "bytes"' in each.read_bytes()[:600]}


def test_a_zip_of_pictures_brings_them_along(pool: Pool) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for n, color in enumerate([(255, 0, 0), (0, 255, 0), (0, 0, 255), (9, 9, 9)]):
            inner = io.BytesIO()
            Image.new("RGB", (40, 40), color).save(inner, "PNG")
            archive.writestr(f"{'ab'[n % 2]}/p{n}.png", inner.getvalue())
    at = drop(explorer(ex_src="Own files", **CALM), ("pictures.zip", held.getvalue()))
    assert not at.exception
    assert not at.error
    assert "4 vectors of 3,072 numbers" in text(at) or "4 vectors of 3072 numbers" in text(at)
    found = kept(pool.store, opened_key(at))
    assert found.pictures is not None
    assert found.pictures.shape == (4, 32, 32, 3)
    assert tuple(found.pictures[1, 16, 16]) == (0, 255, 0)


def test_all_points_are_drawn_by_our_own_component(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ui.explorer_open.LIMIT", "ui.explorer_draw.LIMIT"):
        monkeypatch.setattr(name, 1_000)
    at = explorer(ex_points="all points", ex_pick="7 (7)", ex_color="digit", **CALM)
    assert not at.exception
    assert "1,797 vectors of 64 numbers" in text(at)
    assert not [each for each in at.get("plotly_chart") if "Map of" in each.proto.alt]
    assert at.get("bidi_component")
    too_many = explorer(ex_points="all points", ex_method="UMAP")
    monkeypatch.setattr("ui.explorer_map.MOST_LAID_OUT", 1_000)
    too_many.run()
    assert "at most 1,000 are laid out" in " ".join(each.value for each in too_many.error)


def test_a_sum_of_items_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.explorer_open.LIMIT", 20_000)
    at = opened_box(explorer(ex_src="Words, from MiniLM", ex_size=200, **CALM), "ex_new")
    at.text_input(key="ex_sum").set_value("king - man + woman").run()
    assert not at.exception
    assert table(at, "near", "cosine")["near"].iloc[0] == "queen"
    at.text_input(key="ex_sum").set_value("king - qqqq").run()
    assert "'qqqq' is not among" in " ".join(each.value for each in at.error)


def test_groups_are_found_and_said_to_be_an_offer() -> None:
    at = explorer(ex_color="groups found", **CALM)
    for _ in range(120):
        if not at.progress:
            break
        at.run()
    assert not at.exception
    assert "groups," in text(at)
    assert "an offer, not a truth" in text(at)


def test_noise_keeps_fewer_neighbors_than_the_vectors() -> None:
    at = explorer(ex="Noise and settings", **CALM)
    found = [float(each) for each in re.findall(r"kNN recall (\d\.\d+)", text(at))]
    assert len(found) >= 2
    assert found[0] > 2 * found[1]
    assert "PCA has no settings" in text(at)


def test_compared_figures_are_those_of_the_core() -> None:
    at = explorer(ex="Compare", ex_ck=7)
    assert not at.exception
    made = compare([embedkit.load("images/pixels"), embedkit.load("images/autoencoder")], k=7).pair(0, 1)
    row = table(at, "spaces", "linear CKA").iloc[0]
    assert row["common neighbors of 7"] == pytest.approx(made.mean)
    assert row["linear CKA"] == pytest.approx(made.cka)


@pytest.mark.parametrize(
    "chosen", [[], ["Handwritten digits, pixels"], ["Handwritten digits, pixels", "Words, from MiniLM"]]
)
def test_spaces_that_cannot_be_compared_are_one_sentence(chosen: list[str]) -> None:
    at = explorer(ex="Compare", ex_cmp=chosen)
    assert not at.exception
    assert at.error or not chosen


def test_python_lines_make_the_same_map(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], taken: dict[str, Any]
) -> None:
    at = opened_box(explorer(ex_pick="7 (7)", **CALM), "ex_code")
    said = run_lines(at, taken, tmp_path, monkeypatch, capsys)
    assert "7 (1201)" in said
    recall = re.search(r"kNN recall (0\.\d+)", text(at))
    assert recall is not None
    assert float(said.split()[-1]) == pytest.approx(float(recall[1]), abs=1e-3)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the page gives to take away, by the button's key."""
    found: dict[str, Any] = {}
    theirs = st.download_button

    def button(label: str, data: Any, *args: Any, **kwargs: Any) -> bool:
        found[kwargs["key"]] = data
        return theirs(label, data, *args, **kwargs)

    monkeypatch.setattr(st, "download_button", button)
    return found


def run_lines(
    at: AppTest,
    taken: dict[str, Any],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> str:
    """Run the lines of Python in a folder; their map has the coordinates that the page gives."""
    assert not at.exception
    assert not at.error
    (code,) = [each.value for each in at.code if "embedkit.project" in each.value]
    page = pd.read_csv(io.BytesIO(taken["ex_get_map"]()), keep_default_na=False)
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    capsys.readouterr()
    exec(compile(code, "lines", "exec"), names)
    coords = names["projection"].coords
    assert page[["x", "y"]].to_numpy() == pytest.approx(coords, abs=1e-5)
    assert np.ptp(coords, axis=0).min() > 0.1
    assert len(page) == names["space"].n
    return capsys.readouterr().out


ODD = 'it\'s "x" \\n \\'


def odd_csv(n: int = 80) -> bytes:
    made = own(n)
    items = (ODD, *made.items[1:])
    meta = pd.DataFrame({"name": items, "a 'kind'": [f"k{i % 3}" for i in range(n)]})
    numbers = pd.DataFrame(made.vectors, columns=[f"v{i}" for i in range(made.d)])
    return pd.concat([meta, numbers], axis=1).to_csv(index=False).encode()


def pair() -> list[tuple[str, bytes]]:
    files = space_bytes(own(80), "projector-tsv")
    return [(f"my{ending}", data) for ending, data in files.items()]


@pytest.mark.parametrize(
    ("files", "link"),
    [
        ([("my 'own' vectors.csv", odd_csv())], {"ex_pick": ODD, "ex_k": 4, **CALM}),
        ([("vectors.csv", odd_csv())], {"ex_method": "UMAP", "ex_n_neighbors": 7, "ex_min_dist": 0.37, "ex_seed": 3}),
        (pair(), {"ex_pick": "item 3", "ex_metric": "Euclidean", **CALM}),
    ],
    ids=["csv", "umap", "pair"],
)
def test_python_lines_open_the_same_files(
    files: list[tuple[str, bytes]],
    link: dict[str, Any],
    pool: Pool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    taken: dict[str, Any],
) -> None:
    at = drop(explorer(ex_src="Own files", **link), *files)
    run_until(at, lambda page: not page.progress)
    opened_box(at, "ex_code")
    for name, data in files:
        (tmp_path / name).write_bytes(data)
    said = run_lines(at, taken, tmp_path, monkeypatch, capsys)
    assert "Read as" in said
    if pick := link.get("ex_pick"):
        metric = link.get("ex_metric", "cosine").lower()
        for near in embedkit.search(kept(pool.store, opened_key(at)).space, pick, k=3, metric=metric):
            assert f"{near.rank} {near.item} {round(near.score, 4)}" in said
        assert pick in said


def test_python_lines_draw_the_same_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], taken: dict[str, Any]
) -> None:
    monkeypatch.setattr("ui.explorer_open.LIMIT", 300)
    at = explorer(ex_src="Own files", ex_size=120, ex_by="a 'kind'", ex_sample_seed=5, ex_pick=ODD, **CALM)
    data = odd_csv(400)
    drop(at, ("many.csv", data))
    at.selectbox(key="ex_by").set_value("a 'kind'").run()
    assert "120 of 400 vectors, a sample" in text(at)
    opened_box(at, "ex_code")
    (tmp_path / "many.csv").write_bytes(data)
    run_lines(at, taken, tmp_path, monkeypatch, capsys)


def test_python_lines_read_what_another_page_sent_from_what_is_taken_away(
    pool: Pool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    taken: dict[str, Any],
) -> None:
    key = keep_space(own(), pool.store)
    at = opened_box(explorer(ex_src="Own files", ex_open=key, **CALM), "ex_code")
    assert "All vectors (Parquet)" in at.code[0].value
    (tmp_path / "space.parquet").write_bytes(taken["ex_get_space"]())
    run_lines(at, taken, tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize(
    ("path", "query", "key", "said"),
    [
        (
            "pages/words.py",
            {"set": "Own list", "method": "PCA", "list": "apple, pear, plum, car, bus, king"},
            "send_words",
            "6 vectors of 256",
        ),
        ("pages/contexts.py", {"of": "apple"}, "send_layer", "vectors of 384"),
        ("pages/images.py", {}, "send_codes", "1,797 vectors of 2 numbers"),
        ("pages/images.py", {"view": "Compare"}, "send_spaces", "1,797 vectors of 64 numbers"),
        ("pages/interactions.py", {}, "send_items", "308 vectors of 64 numbers"),
        ("pages/train_words.py", {"tw": "Train"}, "send_learned", "8,350 vectors of 100 numbers"),
    ],
)
def test_vectors_of_other_pages_are_sent_here(
    path: str, query: dict[str, str], key: str, said: str, pool: Pool
) -> None:
    at = open_page(path, **query)
    at.button(key=key).click().run()
    assert not at.exception
    (link,) = [each.proto for each in at.get("page_link") if "Sent" in each.proto.label]
    name = re.search(r"ex_open=([0-9a-f]{32})", link.query_string)
    assert name is not None
    other = explorer(ex_src="Own files", ex_open=name[1], **CALM)
    assert not other.exception
    assert said in text(other)
    if key in ("send_spaces", "send_codes"):
        pictures = kept(pool.store, name[1]).pictures
        assert pictures is not None
        expected = embedkit.load("images/pixels").vectors.reshape(-1, 8, 8, 1)
        assert pictures == pytest.approx(255 * expected, abs=0.51)
        space = kept(pool.store, name[1]).space
        again = embedkit.load(space.origin.method, **space.origin.params, seed=space.origin.seed)
        assert space.vectors == pytest.approx(again.vectors, abs=1e-5)  # so phrases and pictures can be read into it
        assert list(space.meta["label"]) == list(again.meta["label"])


def test_opened_vectors_can_be_compared_with_each_other(pool: Pool) -> None:
    first, second = own(), own()
    keys = [
        keep_space(Space(each.key, f"{each.title} {n}", each.items, each.vectors), pool.store)
        for n, each in enumerate((first, second))
    ]
    at = explorer(ex="Compare", ex_cmp="", ex_more=" ".join(keys))
    assert not at.exception
    assert not at.error
    made = compare([first, second]).pair(0, 1)
    row = table(at, "spaces", "linear CKA").iloc[0]
    assert row["spaces"] == "Own 0 / Own 1"
    assert row["linear CKA"] == pytest.approx(made.cka)


def test_vectors_are_saved_in_a_format_that_opens_again() -> None:
    from ui.explorer_take import _saved

    made = own()
    with zipfile.ZipFile(io.BytesIO(_saved(made, "projector-tsv"))) as packed:
        files = [(name, packed.read(name)) for name in packed.namelist()]
    again = open_files(files).space
    assert again.items == made.items
    assert again.vectors == pytest.approx(made.vectors, abs=1e-5)


def digits_kept(pool: Pool, key: str, step: int = 1) -> str:
    vectors = load_digits().data.astype(np.float32)[:, ::step]
    return keep_space(Space(key, key, tuple(f"i{row}" for row in range(len(vectors))), vectors), pool.store)


def test_a_map_of_an_approximate_graph_says_so(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    key = digits_kept(pool, "Many")
    space, settings = kept(pool.store, key).space, Settings("umap", params=(("n_neighbors", 15), ("min_dist", 0.1)))
    monkeypatch.setattr(neighbors, "EXACT_LIMIT", 1_000)  # the worker's is another: the map is made here
    made = result_now(space, settings)
    pool.store.put(map_key(space, settings), *pack_map(made), "map")
    at = explorer(ex_src="Own files", ex_open=key, ex_pick="i3", **{**CALM, "ex_method": "UMAP"})
    assert not at.exception
    assert f"approximate: {made.graph_recall:.1%} of the true neighbors, measured on 500 points" in text(at)
    assert "Exact, from all 64 numbers, among all 1,797 vectors" in text(at)
    straight = explorer(ex_src="Own files", ex_open=key, **{**CALM, "ex_method": "PCA"})
    assert "approximate" not in text(straight)


def test_overlaps_counted_in_approximate_graphs_say_so(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [digits_kept(pool, "All numbers"), digits_kept(pool, "Every other", 2)]
    monkeypatch.setattr(neighbors, "EXACT_LIMIT", 1_000)
    at = explorer(ex="Compare", ex_cmp="", ex_more=" ".join(keys), **CALM)
    assert not at.exception
    said = re.search(r"an index found ([\d.]+)% in All numbers, ([\d.]+)% in Every other, measured on 500", text(at))
    assert said is not None
    assert all(99 <= float(share) <= 100 for share in said.groups())


def test_what_is_asked_of_the_map_waits_while_another_view_is_looked_at() -> None:
    at = explorer(ex_pick="7 (7)", ex_search="7", ex_sum="7 (7) - 0 (0)", ex_draw="names", ex_k=4, **CALM)
    for view in ("Compare", "Noise and settings", "Map"):
        at.segmented_control(key="ex").set_value(view).run()
    assert not at.exception
    assert at.text_input(key="ex_pick").value == "7 (7)"
    assert at.text_input(key="ex_search").value == "7"
    assert at.text_input(key="ex_sum").value == "7 (7) - 0 (0)"
    assert at.segmented_control(key="ex_draw").value == "names"
    assert len(table(at, "item", "cosine")) == 5


def test_vectors_are_chosen_for_comparison_by_their_titles(pool: Pool) -> None:
    spaces = [Space(f"s{n}", f"Model {n}", own().items, own().vectors) for n in range(3)]
    keys = [keep_space(space, pool.store) for space in spaces]
    at = explorer(ex="Compare", ex_cmp="", ex_more=" ".join(keys))
    assert at.multiselect(key="ex_more_titles").options == [f"Model {n}, 60 x 5" for n in range(3)]
    at.multiselect(key="ex_more_titles").set_value([keys[2], keys[0]]).run()
    assert not at.exception
    assert at.text_input(key="ex_more").value == f"{keys[2]} {keys[0]}"
    assert table(at, "spaces", "linear CKA")["spaces"].tolist() == ["Model 2 / Model 0"]


def test_points_of_ones_own_are_answered_by_the_chosen_nearness() -> None:
    at = explorer(ex_sum="7 (7)", ex_metric="Euclidean", **CALM)
    shown = table(at, "near", "distance")
    space = embedkit.load("images/pixels")
    near = embedkit.search(space, space.unit[7], 11, "euclidean")
    assert list(shown["near"]) == [each.item for each in near if each.item != "7 (7)"][:10]


def test_many_items_are_compared_by_a_worker_with_the_same_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedkit.compare.AT_ONCE", 100)
    at = explorer(ex="Compare", ex_ck=7)
    for _ in range(300):
        if not at.progress:
            break
        at.run()
    assert not at.exception
    made = compare([embedkit.load("images/pixels"), embedkit.load("images/autoencoder")], k=7).pair(0, 1)
    assert table(at, "spaces", "linear CKA").iloc[0]["common neighbors of 7"] == pytest.approx(made.mean)
