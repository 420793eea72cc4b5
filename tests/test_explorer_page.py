"""The explorer's page: a pick answers from all numbers, samples are stated, files open, errors keep the page."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pages_help import explorer, open_page, opened_box, table, text, workers

import embedkit
from embedkit.compare import compare
from embedkit.explore import keep_space
from embedkit.files import open_files
from embedkit.jobs import Pool
from embedkit.space import Space

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


def test_files_that_are_given_open_with_what_was_understood() -> None:
    at = explorer(ex_src="Own files", **CALM)
    assert "Open vectors: .npy" in " ".join(each.value for each in at.info)
    table_ = "name,a,b\nx,1,2\ny,3,4\nz,5,6\n"
    at.get("file_uploader")[0].set_value(("t.csv", table_.encode(), "text/csv")).run()
    assert not at.exception
    assert not at.error
    assert "3 vectors of 2 numbers" in text(at)
    assert re.fullmatch(r"[0-9a-f]{32}", at.text_input(key="ex_open").value)


def test_a_broken_file_is_one_sentence() -> None:
    at = explorer(ex_src="Own files", **CALM)
    at.get("file_uploader")[0].set_value(("t.npy", b"\x93NUMPY\x01\x00garbage", "x")).run()
    assert not at.exception
    assert at.error
    assert "t.npy" in at.error[0].value


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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at = opened_box(explorer(ex_pick="7 (7)", **CALM), "ex_code")
    monkeypatch.chdir(tmp_path)
    exec(compile(at.code[0].value, "lines", "exec"), {})
    said = capsys.readouterr().out
    assert "7 (1201)" in said
    recall = re.search(r"kNN recall (0\.\d+)", text(at))
    assert recall is not None
    assert float(said.split()[-1]) == pytest.approx(float(recall[1]), abs=1e-3)


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
def test_vectors_of_other_pages_are_sent_here(path: str, query: dict[str, str], key: str, said: str) -> None:
    at = open_page(path, **query)
    at.button(key=key).click().run()
    assert not at.exception
    (link,) = [each.proto for each in at.get("page_link") if "Sent" in each.proto.label]
    name = re.search(r"ex_open=([0-9a-f]{32})", link.query_string)
    assert name is not None
    other = explorer(ex_src="Own files", ex_open=name[1], **CALM)
    assert not other.exception
    assert said in text(other)


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
