"""Maps as stored results: what is kept beside the coordinates, and that maps of before open as they are."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from embedkit import neighbors
from embedkit.maps import MadeMap, Settings, make_map, map_key, pack_map, result_now, stored_map
from embedkit.space import Space
from embedkit.store import Store, default_store, recipe_key


def digits() -> Space:
    vectors = load_digits().data.astype(np.float32)
    return Space("digits", "Digits", tuple(f"i{row}" for row in range(len(vectors))), vectors)


@pytest.mark.parametrize("method", ["umap", "pacmap"])
def test_a_map_of_an_approximate_graph_keeps_how_much_it_found(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbors, "EXACT_LIMIT", 1_000)
    space, settings = digits(), Settings(method)  # type: ignore[arg-type]
    store = default_store()
    key = recipe_key("vectors", digest=space.digest)
    store.put(key, {"vectors": space.vectors}, {"title": space.title}, "vectors")
    params = {"n_neighbors": 15, "min_dist": 0.1} if method == "umap" else {}
    arrays, meta = make_map(
        lambda done, text: None, vectors_key=key, method=settings.method, dims=2, seed=0, metric="cosine", params=params
    )
    store.put(map_key(space, settings), arrays, meta, "map")
    kept = stored_map(space, settings, store)
    assert kept is not None
    assert kept.graph_recall is not None
    assert 0.99 <= kept.graph_recall < 1
    assert kept.graph_sampled == 500


def test_a_map_of_an_exact_graph_has_the_entries_of_before(tmp_path: object) -> None:
    space, settings = digits(), Settings("umap")
    made = result_now(space, settings)
    arrays, meta = pack_map(made)
    assert (made.graph_recall, made.graph_sampled) == (None, 0)
    assert set(meta) == {"params", "quality"}
    store = Store(tmp_path)  # type: ignore[arg-type]
    store.put(map_key(space, settings), arrays, meta, "map")
    kept = stored_map(space, settings, store)
    assert isinstance(kept, MadeMap)
    assert kept.graph_recall is None
    assert kept.quality.recall == pytest.approx(made.quality.recall)


def test_pca_takes_no_graph_and_says_nothing_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbors, "EXACT_LIMIT", 1_000)
    space = digits()
    assert not neighbors.knn_graph(space).exact
    assert result_now(space, Settings("pca")).graph_recall is None
