"""What people take away: safe tables, scripts that run and make the same result, a worksheet."""

import numpy as np
import pandas as pd
import pytest

import embedkit
from embedkit.contexts import read_layers, sentences_of
from embedkit.export import coordinates_table, layers_script, map_script, safe_csv, worksheet
from embedkit.maps import Settings, result_now


def test_cells_that_a_spreadsheet_would_run_are_made_safe():
    table = pd.DataFrame({"word": ["=1+1", "+a", "-b", "@c", "\td", "plain", "a=b"], "n": [-1.5, 2, 3, 4, 5, 6, 7]})
    lines = safe_csv(table).decode().splitlines()
    assert lines[1] == "'=1+1,-1.5"
    assert [line.split(",")[0] for line in lines[2:5]] == ["'+a", "'-b", "'@c"]
    assert lines[6:] == ["plain,6.0", "a=b,7.0"]


def test_the_script_of_a_map_makes_the_same_coordinates(capsys):
    items = ("apple", "pear", "plum", "lemon", "car", "bus", "train", "truck", "king", "queen")
    settings = Settings("umap", 2, 3, "cosine", (("n_neighbors", 4.0), ("min_dist", 0.25)))
    scope: dict[str, object] = {}
    exec(map_script("words/minilm", "apple", items, settings), scope)
    same = result_now(embedkit.load("words/minilm").take(items), settings).projection
    assert (scope["projection"].coords == same.coords).all()
    assert "apple" in capsys.readouterr().out


def test_the_script_of_a_context_page_reads_the_same_vectors(capsys):
    found = sentences_of("apple")[::4]
    scope: dict[str, object] = {}
    exec(layers_script([(o.sense, o.sentence) for o in found], "apple", 4, "minilm", ""), scope)
    np.testing.assert_allclose(scope["layers"].vectors, read_layers(found).vectors, atol=1e-5)
    assert "silhouette" in capsys.readouterr().out


def test_coordinates_come_with_what_they_keep():
    space = embedkit.load("words/minilm").take(["apple", "pear", "plum", "car", "bus", "train"])
    made = result_now(space, Settings("pca", 3))
    table = coordinates_table(made)
    assert list(table.columns) == ["item", "x", "y", "z", "neighbors_kept"]
    assert table["item"].tolist() == list(space.items)
    assert table["x"].to_numpy() == pytest.approx(made.projection.coords[:, 0])


def test_a_worksheet_keeps_its_answers_for_the_last_page():
    text = worksheet("T", [("What is near?", "pear"), ("Why?", "open")])
    tasks, answers = text.split("---")
    assert "pear" not in tasks
    assert "1. pear" in answers
