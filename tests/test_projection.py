"""Projections: the seed decides, PCA agrees with scikit-learn, limits are named, new points land among their kind."""

import tracemalloc
from typing import Any

import numpy as np
import pytest

from embedkit import index, neighbors
from embedkit import projection as home
from embedkit.errors import InputError
from embedkit.neighbors import KnnGraph, Metric
from embedkit.projection import MethodName, Projection, chosen_params, place, project, projections
from embedkit.space import Space

METHODS = tuple(projections())


def made(vectors: Any) -> Space:
    return Space("made", "Made", tuple(f"i{row}" for row in range(len(vectors))), vectors)


@pytest.fixture(scope="module")
def cloud() -> Space:
    """60 points in 5 dimensions of unlike spread, away from the origin."""
    rng = np.random.default_rng(3)
    return made(rng.normal(size=(60, 5)) * [5, 3, 2, 1, 0.5] + 4)


def test_the_table_of_methods_is_whole() -> None:
    assert METHODS == ("pca", "tsne", "umap", "pacmap")
    for recipe in projections().values():
        assert recipe.title
        assert recipe.source
        assert recipe.note
        assert recipe.defaults.keys() == recipe.bounds.keys()
        for name, (low, high) in recipe.bounds.items():
            assert low <= recipe.defaults[name] <= high
    projections().clear()
    assert projections()


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("method", METHODS)
def test_same_seed_same_bytes(blobs: Space, method: Any, dims: int) -> None:
    one = project(blobs, method=method, dims=dims, seed=4)
    two = project(made(blobs.vectors), method=method, dims=dims, seed=4)
    assert one.coords.shape == (120, dims)
    assert one.coords.dtype == np.float32
    assert np.isfinite(one.coords).all()
    assert not one.coords.flags.writeable
    assert one.coords.tobytes() == two.coords.tobytes()
    assert (one.dims, one.method, one.seed, one.space_key) == (dims, method, 4, "blobs")


@pytest.mark.parametrize("method", ["umap", "tsne", "pacmap"])
def test_another_seed_another_map(blobs: Space, method: Any) -> None:
    assert not np.allclose(project(blobs, method=method, seed=0).coords, project(blobs, method=method, seed=1).coords)


def test_pca_has_no_seed(blobs: Space) -> None:
    maps = [project(blobs, method="pca", seed=seed).coords.tobytes() for seed in (0, 1)]
    assert maps[0] == maps[1]


@pytest.mark.parametrize("method", METHODS)
def test_the_largest_coordinate_of_each_axis_is_positive(blobs: Space, method: Any) -> None:
    coords = project(blobs, method=method).coords
    assert (coords[np.abs(coords).argmax(0), [0, 1]] > 0).all()
    mirrored = project(made(-blobs.vectors), method="pca").coords
    assert (mirrored[np.abs(mirrored).argmax(0), [0, 1]] > 0).all()


@pytest.mark.parametrize("dims", [2, 3])
def test_pca_agrees_with_scikit_learn(cloud: Space, dims: int) -> None:
    from sklearn.decomposition import PCA

    ours = project(cloud, method="pca", dims=dims).coords
    theirs = PCA(dims, svd_solver="full").fit_transform(cloud.vectors.astype(np.float64))
    signs = np.sign((ours * theirs).sum(0))
    np.testing.assert_allclose(ours, theirs * signs, atol=1e-4)


@pytest.mark.parametrize("dims", [2, 3])
def test_pca_of_few_items_of_very_many_numbers_agrees_with_scikit_learn(dims: int) -> None:
    from sklearn.decomposition import PCA

    vectors = np.random.default_rng(0).normal(size=(12, 1_500)).astype(np.float32) * np.linspace(0.1, 3, 1_500)
    wide = made(vectors)
    ours = project(wide, method="pca", dims=dims)
    theirs = PCA(dims, svd_solver="full").fit_transform(wide.vectors)
    np.testing.assert_allclose(np.abs(ours.coords), np.abs(theirs), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(ours.transform(wide.vectors[:4]), ours.coords[:4], atol=1e-3)
    line = made(np.outer(np.arange(4.0), np.ones(1_500)))
    assert np.abs(project(line, method="pca", dims=3).coords[:, 1:]).max() < 1e-3, "one direction, and no noise beside"
    same = project(made(np.ones((3, 1_500))), method="pca", dims=dims)
    assert not same.coords.any()


def test_pca_by_hand() -> None:
    space = made([[0, 0, 7], [4, 0, 7], [0, 2, 7], [4, 2, 7]])  # a rectangle of 4 x 2
    coords = project(space, method="pca").coords
    np.testing.assert_allclose(np.abs(coords), [[2, 1]] * 4, atol=1e-6)
    three = project(space, method="pca", dims=3).coords
    np.testing.assert_allclose(three[:, 2], 0, atol=1e-6)


def test_pca_places_its_own_points_where_they_are(cloud: Space) -> None:
    for dims in (2, 3):
        shown = project(cloud, method="pca", dims=dims)
        np.testing.assert_allclose(shown.transform(cloud.vectors), shown.coords, atol=1e-4)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_pca_takes_any_number(n: int) -> None:
    shown = project(made(np.eye(3)[:n]), method="pca", dims=3)
    assert shown.coords.shape == (n, 3)
    assert np.isfinite(shown.coords).all()


def test_one_dimension_leaves_the_second_axis_at_zero() -> None:
    coords = project(made([[1.0], [2.0], [6.0]]), method="pca").coords
    np.testing.assert_allclose(coords, [[-2, 0], [-1, 0], [3, 0]], atol=1e-6)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"method": "mds"}, "no projection 'mds'; use one of pca, tsne, umap, pacmap, axes"),
        ({"dims": 4}, "2 or 3 dimensions, not 4"),
        ({"method": "tsne", "perplexity": 1}, "perplexity must lie between 2 and 100, not 1"),
        ({"method": "tsne", "perplexity": float("nan")}, "perplexity must lie between 2 and 100, not nan"),
        ({"n_neighbors": 101}, "n_neighbors must lie between 2 and 100, not 101"),
        ({"min_dist": -0.5}, "min_dist must lie between 0 and 0.99, not -0.5"),
        ({"perplexity": 10}, "UMAP has no setting 'perplexity'; its settings: n_neighbors, min_dist"),
        ({"method": "pca", "perplexity": 10}, "PCA has no setting 'perplexity'; its settings: none"),
        ({"metric": "manhattan"}, "no metric 'manhattan'"),
    ],
)
def test_what_does_not_fit_is_refused_with_value_and_limit(blobs: Space, given: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as caught:
        project(blobs, **given)
    assert says in str(caught.value)


@pytest.mark.parametrize(("method", "title"), [("tsne", "t-SNE"), ("umap", "UMAP"), ("pacmap", "PaCMAP")])
def test_too_few_items_are_refused(method: Any, title: str) -> None:
    with pytest.raises(InputError, match=f"{title} needs at least 5 items; this space has 4. PCA takes any"):
        project(made(np.eye(4)), method=method)


def test_settings_are_cut_to_n(blobs: Space) -> None:
    min_dist = projections()["umap"].defaults["min_dist"]
    assert project(blobs.take(blobs.items[:10]), method="umap").params == {"n_neighbors": 9, "min_dist": min_dist}
    assert project(blobs.take(blobs.items[:10]), method="tsne").params == {"perplexity": 3}
    assert chosen_params("tsne", {}, 1_000) == {"perplexity": 30}
    assert chosen_params("umap", {"n_neighbors": 40}, 41) == {"n_neighbors": 40, "min_dist": min_dist}
    assert chosen_params("pca", {}, 1) == {}
    ratios = {"MN_ratio": 0.5, "FP_ratio": 2.0}  # 3.5 pairs a neighbor in all, each with another item
    assert chosen_params("pacmap", {}, 1_000) == {"n_neighbors": 10} | ratios
    assert chosen_params("pacmap", {}, 21) == {"n_neighbors": 6} | ratios
    assert chosen_params("pacmap", {"FP_ratio": 4.0}, 5) == {"n_neighbors": 1, "MN_ratio": 0.5, "FP_ratio": 4.0}


@pytest.mark.parametrize("method", ["tsne", "umap", "pacmap"])
@pytest.mark.parametrize("vectors", [np.ones((12, 3)), np.zeros((12, 3)), np.arange(12.0)[:, None]])
def test_equal_zero_and_straight_vectors_give_finite_maps(method: Any, vectors: Any) -> None:
    shown = project(made(vectors), method=method)
    assert np.isfinite(shown.coords).all()


@pytest.mark.parametrize(
    ("method", "metric"),
    [
        ("tsne", "euclidean"),
        ("umap", "euclidean"),
        ("umap", "dot"),
        ("pacmap", "euclidean"),
        ("pacmap", "dot"),
        pytest.param("tsne", "dot"),
    ],
)
def test_other_metrics_keep_neighborhoods(blobs: Space, method: Any, metric: Any) -> None:
    from embedkit.quality import measure

    rng = np.random.default_rng(1)
    directions = rng.normal(size=(120, 6))  # of equal length: all three metrics agree on what is near
    space = made(directions / np.linalg.norm(directions, axis=1, keepdims=True))
    shown = project(space, method=method, metric=metric)
    assert measure(space, shown, metric=metric).trustworthiness > 0.85


@pytest.mark.parametrize("method", ["tsne", "umap", "pacmap"])
def test_groups_stay_together(blobs: Space, method: Any) -> None:
    coords = project(blobs, method=method).coords
    nearest = np.linalg.norm(coords[:, None] - coords[None], axis=-1) + np.diag([np.inf] * 120)
    assert (nearest.argmin(1) // 40 == np.arange(120) // 40).all()


@pytest.mark.parametrize("method", METHODS)
def test_report_tells_and_stops(blobs: Space, method: Any) -> None:
    class Stopped(Exception):
        pass

    told: list[float] = []

    def report(fraction: float, text: str) -> None:
        told.append(fraction)
        if len(told) > 1:
            raise Stopped

    if method == "pca":  # done before anything could be told
        project(blobs, method=method, report=report)
        return
    with pytest.raises(Stopped):
        project(blobs, method=method, report=report)
    assert 0 <= told[0] <= told[1] <= 1


@pytest.fixture(scope="module")
def digits() -> tuple[Space, Any, Any, Any]:
    """900 digits to make the map of, 200 held out."""
    from sklearn.datasets import load_digits

    data, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(data))
    first, rest = order[:900], order[900:1100]
    return made(data[first]), labels[first], data[rest], labels[rest]


@pytest.mark.parametrize(("method", "least"), [("pca", 0.5), ("tsne", 0.95), ("umap", 0.95), ("pacmap", 0.95)])
def test_new_digits_land_among_their_kind(digits: tuple[Space, Any, Any, Any], method: Any, least: float) -> None:
    from sklearn.neighbors import KNeighborsClassifier

    space, labels, new, answers = digits
    shown = project(space, method=method)
    before = shown.coords.tobytes()
    placed = shown.transform(new)
    assert shown.coords.tobytes() == before
    assert placed.shape == (200, 2)
    assert placed.dtype == np.float32
    inside = KNeighborsClassifier(5).fit(shown.coords, labels)
    assert inside.score(placed, answers) > least
    assert placed.tobytes() == place(space, shown, new).tobytes()


@pytest.mark.parametrize("method", ["tsne", "umap", "pacmap"])
def test_points_of_the_map_are_placed_where_they_are(digits: tuple[Space, Any, Any, Any], method: Any) -> None:
    shown = project(digits[0], method=method)
    moved = np.linalg.norm(shown.transform(digits[0].vectors[:300]) - shown.coords[:300], axis=1)
    assert np.median(moved) < 0.03 * np.ptp(shown.coords, axis=0).max()


@pytest.mark.parametrize("method", METHODS)
def test_place_checks_what_it_is_given(blobs: Space, method: Any) -> None:
    shown = Projection(np.zeros((120, 2), np.float32), method, {}, 0, "blobs", "cosine", blobs)
    assert shown.transform(np.zeros((0, 6), np.float32)).shape == (0, 2)
    for shape in ((6,), (2, 5)):
        with pytest.raises(InputError, match="do not fit a space of 6 dimensions"):
            shown.transform(np.zeros(shape, np.float32))
    homeless = Projection(shown.coords, method, {}, 0, "blobs")
    with pytest.raises(InputError, match="does not carry its space"):
        homeless.transform(np.zeros((1, 6), np.float32))


def test_all_layouts_read_the_one_graph(blobs: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    graph = home.knn_graph

    def counted(space: Space, k: int, metric: Metric, **more: Any) -> KnnGraph:
        asked.append(k)
        return graph(space, k, metric, **more)

    monkeypatch.setattr(home, "knn_graph", counted)
    project(blobs, method="umap", n_neighbors=15)
    project(blobs, method="tsne", perplexity=10)
    project(blobs, method="pacmap", n_neighbors=20)
    assert asked == [14, 30, 70]


@pytest.mark.parametrize("method", ["umap", "tsne", "pacmap"])
def test_while_neighbors_are_looked_for_it_says_how_far_and_can_be_stopped(
    method: MethodName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbors, "COMPILED", 100)
    monkeypatch.setattr(index, "LINES", 16)
    space, seen = made(np.random.default_rng(0).normal(size=(400, 8))), []

    def stop(done: float, text: str) -> None:
        seen.append((done, text))
        if done > 0.1:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        project(space, method=method, report=stop)
    assert {text for _, text in seen} == {"Finding neighbors"}
    assert len(seen) > 5
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_pca_never_holds_n_by_n() -> None:
    n = 20_000
    space = made(np.random.default_rng(0).normal(size=(n, 8)))
    tracemalloc.start()
    try:
        project(space, method="pca")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < n * n * 4 / 100
