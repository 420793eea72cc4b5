"""Our UMAP against the reference: the same graph, the same curve, a map that keeps no less."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from embedkit import umap_engine
from embedkit.neighbors import knn_graph
from embedkit.projection import project
from embedkit.quality import measure
from embedkit.space import Space
from embedkit.umap_engine import curve, fuzzy_graph, layout, place_new

pytestmark = pytest.mark.filterwarnings("ignore::ImportWarning")  # umap-learn warns that TensorFlow is absent


@pytest.fixture(scope="module")
def some_digits() -> Space:
    vectors = load_digits().data[:600]
    return Space("digits", "Digits", tuple(map(str, range(600))), vectors)


def with_self(space: Space, k: int) -> tuple[np.ndarray, np.ndarray]:
    graph = knn_graph(space, k - 1)
    own = np.arange(space.n, dtype=np.int32)[:, None]
    return np.hstack([own, graph.indices]), np.hstack([np.zeros((space.n, 1), np.float32), graph.distances])


def test_graph_equals_umap_learn(some_digits: Space) -> None:
    from umap.umap_ import fuzzy_simplicial_set

    indices, distances = with_self(some_digits, 15)
    theirs, _, _ = fuzzy_simplicial_set(
        some_digits.vectors, 15, np.random.RandomState(0), "cosine", knn_indices=indices, knn_dists=distances
    )
    ours = fuzzy_graph(indices, distances)
    assert abs(ours - theirs).max() < 1e-4
    assert ours.nnz == theirs.nnz


@pytest.mark.parametrize("min_dist", [0.0, 0.1, 0.5, 0.99])
def test_curve_equals_umap_learn(min_dist: float) -> None:
    from umap.umap_ import find_ab_params

    assert curve(min_dist) == pytest.approx(find_ab_params(1.0, min_dist), rel=1e-4)


def test_the_map_keeps_no_less_than_umap_learns(some_digits: Space) -> None:
    import umap
    from sklearn.manifold import trustworthiness

    theirs = umap.UMAP(metric="cosine", random_state=0, n_jobs=1).fit_transform(some_digits.vectors)
    ours = measure(some_digits, project(some_digits, method="umap")).trustworthiness
    assert ours > trustworthiness(some_digits.vectors, theirs, n_neighbors=10, metric="cosine") - 0.005


def test_threads_do_not_change_the_map(some_digits: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = fuzzy_graph(*with_self(some_digits, 15))
    start = some_digits.vectors[:, 20:22].copy()
    maps = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(umap_engine, "THREADS", threads)
        maps.append(layout(graph, start, epochs=30, min_dist=0.1, seed=4).tobytes())
    assert maps[0] == maps[1] == maps[2]
    assert layout(graph, start, epochs=30, min_dist=0.1, seed=5).tobytes() != maps[0]


def test_progress_is_told_and_can_stop(some_digits: Space) -> None:
    told: list[float] = []

    def stop(fraction: float) -> None:
        told.append(fraction)
        if fraction >= 0.5:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        layout(
            fuzzy_graph(*with_self(some_digits, 15)),
            some_digits.vectors[:, 20:22],
            epochs=100,
            min_dist=0.1,
            seed=0,
            report=stop,
        )
    assert told == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]


def test_placing_moves_new_points_only() -> None:
    coords = np.array([[0, 0], [1, 0], [10, 10], [11, 10]], np.float32)
    before = coords.copy()
    rows = np.array([[0, 1], [2, 3]])
    placed = place_new(rows, np.full((2, 2), 0.1, np.float32), coords, min_dist=0.1, seed=0)
    assert (coords == before).all()
    assert np.linalg.norm(placed[0] - [0.5, 0]) < 4
    assert np.linalg.norm(placed[1] - [10.5, 10]) < 4


def test_equal_points_and_two_points_are_survived() -> None:
    indices = np.array([[0, 1], [1, 0]], np.int32)
    graph = fuzzy_graph(indices, np.zeros((2, 2), np.float32))
    assert np.isfinite(layout(graph, np.zeros((2, 2), np.float32), epochs=20, min_dist=0.1, seed=0)).all()
