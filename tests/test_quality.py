"""Quality: scikit-learn as the oracle, and small maps by hand."""

from typing import Any

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from embedkit import quality
from embedkit.errors import InputError
from embedkit.neighbors import Metric, knn_graph
from embedkit.projection import Projection, project
from embedkit.quality import lost_and_invented, map_neighbors, measure
from embedkit.space import Space


def made(vectors: Any) -> Space:
    return Space("made", "Made", tuple(f"i{row}" for row in range(len(vectors))), vectors)


def shown(space: Space, coords: Any) -> Projection:
    return Projection(np.array(coords, np.float32), "pca", {}, 0, space.key, "euclidean", space)


@pytest.fixture(scope="module")
def cloud() -> tuple[Space, Projection]:
    space = made(np.random.default_rng(5).normal(size=(150, 6)))
    return space, project(space, method="pca")


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 5, 12])
def test_trustworthiness_agrees_with_scikit_learn(cloud: tuple[Space, Projection], metric: Metric, k: int) -> None:
    space, projection = cloud
    expected = trustworthiness(space.vectors, projection.coords, n_neighbors=k, metric=metric)
    assert measure(space, projection, k=k, metric=metric).trustworthiness == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_continuity_is_trustworthiness_with_the_roles_swapped(cloud: tuple[Space, Projection], metric: Metric) -> None:
    space, projection = cloud
    vectors = space.vectors.astype(np.float64)
    if metric == "cosine":  # on unit vectors the Euclidean distance ranks as the cosine does
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = trustworthiness(projection.coords, vectors, n_neighbors=7)
    assert measure(space, projection, k=7, metric=metric).continuity == pytest.approx(expected, abs=1e-6)


def test_the_dot_product_counts_no_point_as_its_own_neighbor(cloud: tuple[Space, Projection]) -> None:
    space, projection = cloud
    vectors = space.vectors.astype(np.float64)
    distances = -vectors @ vectors.T
    np.fill_diagonal(distances, distances.min() - 1)
    expected = trustworthiness(distances - distances.min(), projection.coords, n_neighbors=5, metric="precomputed")
    assert measure(space, projection, k=5, metric="dot").trustworthiness == pytest.approx(expected, abs=1e-6)


def test_recall_and_spearman_agree_with_brute_force(cloud: tuple[Space, Projection]) -> None:
    from scipy.stats import spearmanr

    space, projection = cloud
    found = measure(space, projection, k=6, metric="euclidean")

    def distances(points: Any) -> Any:
        points = points.astype(np.float64)
        return np.linalg.norm(points[:, None] - points[None], axis=-1)

    one, two = distances(space.vectors), distances(projection.coords)
    near = [np.argsort(table + np.diag([np.inf] * 150), 1)[:, :6] for table in (one, two)]
    recall = [len(set(a) & set(b)) / 6 for a, b in zip(*near, strict=True)]
    np.testing.assert_allclose(found.point_recall, recall, atol=1e-6)
    assert found.recall == pytest.approx(np.mean(recall))
    assert found.point_recall.dtype == np.float32
    assert not found.point_recall.flags.writeable
    pairs = np.triu_indices(150, 1)
    assert found.spearman == pytest.approx(spearmanr(one[pairs], two[pairs]).statistic, abs=0.02)  # 20,000 pairs drawn
    assert found.sampled == 150


def test_a_perfect_map_keeps_all() -> None:
    points = np.random.default_rng(0).normal(size=(80, 2))
    found = measure(made(points), shown(made(points), points), metric="euclidean")
    assert (found.k, found.trustworthiness, found.continuity, found.recall) == (10, 1, 1, 1)
    assert found.spearman == pytest.approx(1)
    assert (found.point_recall == 1).all()


def test_a_shuffled_map_keeps_little(blobs: Space) -> None:
    coords = project(blobs, method="pca").coords
    mixed = measure(blobs, shown(blobs, np.random.default_rng(0).permutation(coords)))
    kept = measure(blobs, shown(blobs, coords))
    assert kept.trustworthiness - mixed.trustworthiness > 0.25
    assert kept.continuity - mixed.continuity > 0.25
    assert mixed.recall < 0.2
    assert abs(mixed.spearman) < 0.1 < kept.spearman


def test_a_line_turned_around_by_hand() -> None:
    # On the line 0 1 2 3 4 the map changes the places of items 0 and 4; k = 1, worst = 5 * 1 * (10 - 3 - 1) / 2 = 15.
    space = made([[0.0], [1.1], [2.0], [3.05], [4.5]])
    found = measure(space, shown(space, [[4.5, 0], [1.1, 0], [2, 0], [3.05, 0], [0, 0]]), k=1, metric="euclidean")
    # nearest in truth: 0-1, 1-2, 2-1, 3-2, 4-3; on the map: 0-3, 1-2, 2-1, 3-2, 4-1
    assert found.point_recall.tolist() == [0, 1, 1, 1, 0]
    # true rank of 3 from 0 is 3, of 1 from 4 is 3: 2 + 2 too far; on the map 1 from 0 and 3 from 4 have rank 3
    assert found.trustworthiness == pytest.approx(1 - 4 / 15)
    assert found.continuity == pytest.approx(1 - 4 / 15)


def test_a_sample_comes_near_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    space = made(np.random.default_rng(2).normal(size=(900, 5)))
    projection = project(space, method="pca")
    whole = measure(space, projection)
    monkeypatch.setattr(quality, "SAMPLE", 400)
    part = measure(space, projection, seed=1)
    assert (whole.sampled, part.sampled) == (900, 400)
    assert part.trustworthiness == pytest.approx(whole.trustworthiness, abs=0.02)
    assert part.continuity == pytest.approx(whole.continuity, abs=0.02)
    assert part.trustworthiness != whole.trustworthiness
    assert part.recall == whole.recall
    assert part.trustworthiness == measure(space, projection, seed=1).trustworthiness
    assert part.trustworthiness != measure(space, projection, seed=2).trustworthiness


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_very_small_maps(n: int) -> None:
    space = made(np.eye(4)[:n] + np.arange(n)[:, None])
    found = measure(space, project(space, method="pca"))
    assert found.k == (n - 1) // 2
    assert found.point_recall.shape == (n,)
    for figure in (found.trustworthiness, found.continuity, found.recall):
        assert 0 <= figure <= 1
    assert -1 <= found.spearman <= 1


def test_k_is_cut_to_what_n_allows(blobs: Space) -> None:
    assert measure(blobs, project(blobs, method="pca"), k=1_000).k == 59


def test_equal_points_break_nothing() -> None:
    space = made(np.ones((30, 3)))
    found = measure(space, shown(space, np.zeros((30, 2))))
    assert (found.trustworthiness, found.spearman) == (1, 1)
    assert measure(space, shown(space, np.random.default_rng(0).normal(size=(30, 2)))).spearman == 0


def test_a_map_of_another_space_is_refused(blobs: Space, toy: Space) -> None:
    with pytest.raises(InputError, match="4 points, the space 120 items"):
        measure(blobs, shown(toy, toy.vectors))


def test_map_neighbors_by_hand() -> None:
    projection = shown(made(np.eye(4)), [[0, 0], [1, 0], [3, 0], [7, 0]])
    assert map_neighbors(projection, 2).tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]
    assert map_neighbors(projection, 99).shape == (4, 3)
    assert map_neighbors(shown(made([[1.0]]), [[0, 0]]), 5).shape == (1, 0)
    equal = map_neighbors(shown(made(np.eye(9)), np.zeros((9, 2))), 3)
    assert not (equal == np.arange(9)[:, None]).any()


def test_lost_and_invented_by_hand() -> None:
    space = made([[0.0], [1.0], [2.5], [6.0], [9.0]])
    projection = shown(space, [[0, 0], [1, 0], [8, 0], [2, 0], [9, 0]])  # i3 came near, i2 went away
    assert lost_and_invented(space, projection, "i0", k=2, metric="euclidean") == (("i2",), ("i3",))
    assert lost_and_invented(space, projection, "i0", k=1, metric="euclidean") == ((), ())
    assert lost_and_invented(space, projection, "i4", k=4, metric="euclidean") == ((), ())


def test_lost_and_invented_agree_with_the_recall_of_the_point(cloud: tuple[Space, Projection]) -> None:
    space, projection = cloud
    recall = measure(space, projection, k=8).point_recall
    for row in (0, 50, 149):
        lost, invented = lost_and_invented(space, projection, space.items[row], k=8)
        assert len(lost) == len(invented) == round(8 * (1 - float(recall[row])))
        assert set(lost) <= {space.items[i] for i in knn_graph(space, 8).indices[row]}
