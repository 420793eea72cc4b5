"""What is near: numbers by hand on four points, brute force on many."""

import threading
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from embedkit import index, neighbors
from embedkit.errors import InputError, UnknownItem
from embedkit.neighbors import METRICS, Metric, analogy, axis, cosine, knn_graph, odd_one_out, search
from embedkit.space import Space


def made(vectors: object) -> Space:
    vectors = np.array(vectors, np.float32)
    return Space("made", "Made", tuple(f"i{row}" for row in range(len(vectors))), vectors)


def random(n: int, d: int = 8, seed: int = 0) -> Space:
    return made(np.random.default_rng(seed).normal(size=(n, d)))


def brute(space: Space, metric: Metric) -> np.ndarray:  # type: ignore[type-arg]
    """Distances in float64, (n, n)."""
    X = space.vectors.astype(np.float64)
    if metric == "euclidean":
        return np.linalg.norm(X[:, None] - X[None], axis=-1)  # type: ignore[no-any-return]
    if metric == "cosine":
        X = X / np.maximum(np.linalg.norm(X, axis=1, keepdims=True), 1e-300)
    return (metric == "cosine") - X @ X.T  # type: ignore[no-any-return]


def test_cosine_by_hand() -> None:
    assert cosine(np.array([3, 4]), np.array([1, 0])) == pytest.approx(0.6)
    assert cosine(np.array([3, 4]), np.array([0, 2])) == pytest.approx(0.8)
    assert cosine(np.array([3, 4]), np.array([-6, -8])) == pytest.approx(-1)
    assert cosine(np.array([0, 0]), np.array([1, 0])) == 0


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("cosine", [("slope", 1.0), ("north", 0.8), ("east", 0.6), ("west", -0.6)]),
        ("dot", [("slope", 25), ("north", 4), ("east", 3), ("west", -3)]),
        ("euclidean", [("slope", 0), ("north", 18**0.5), ("east", 20**0.5), ("west", 32**0.5)]),
    ],
)
def test_scores_and_ranks_by_hand(toy: Space, metric: Metric, expected: list[tuple[str, float]]) -> None:
    answer = search(toy, "slope", k=3, metric=metric)
    assert [n.item for n in answer] == [item for item, _ in expected]
    assert [n.score for n in answer] == pytest.approx([score for _, score in expected], abs=1e-6)
    assert [n.rank for n in answer] == [1, 2, 3, 4]  # the asked word counts as the first
    assert [n.asked for n in answer] == [True, False, False, False]
    assert [toy.items[n.row] for n in answer] == [n.item for n in answer]


def test_the_asked_word_stays_at_its_rank_where_it_is_not_the_nearest() -> None:
    space = made([[1, 0], [2, 0], [3, 0], [4, 0]])
    one = search(space, "i0", k=1, metric="dot")
    assert [(n.item, n.rank, n.asked) for n in one] == [("i3", 1, False), ("i0", 4, True)]
    two = search(space, "i2", k=3, metric="dot")
    assert [(n.item, n.rank, n.score) for n in two] == [("i3", 1, 12), ("i2", 2, 9), ("i1", 3, 6), ("i0", 4, 3)]


def test_a_vector_asks_for_nobody(toy: Space) -> None:
    answer = search(toy, np.array([0, 5], np.float32), k=2)
    assert [(n.item, n.rank, n.asked) for n in answer] == [("north", 1, False), ("slope", 2, False)]
    assert [n.score for n in answer] == pytest.approx([1, 0.8])
    both = search(toy, np.array([[0, 5], [-1, 0]], np.float32), k=1)
    assert [[n.item for n in line] for line in both] == [["north"], ["west"]]


def test_several_items_give_one_list_each(toy: Space) -> None:
    lists = search(toy, ["slope", "west"], k=2)
    assert lists == [search(toy, "slope", k=2), search(toy, "west", k=2)]
    assert search(toy, []) == []


def test_more_than_there_is_gives_all(toy: Space) -> None:
    assert [n.rank for n in search(toy, "slope", k=99)] == [1, 2, 3, 4]
    assert len(search(toy, np.zeros(2, np.float32), k=99)) == 4


def test_search_refuses_by_name(toy: Space) -> None:
    with pytest.raises(InputError, match="k must be at least 1, not 0"):
        search(toy, "slope", k=0)
    with pytest.raises(InputError, match=r"no metric 'manhattan'.*cosine, dot, euclidean"):
        search(toy, "slope", metric="manhattan")  # type: ignore[call-overload]
    with pytest.raises(InputError, match="no metric 'manhattan'"):
        knn_graph(toy, metric="manhattan")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"shape \(3,\).*2 numbers"):
        search(toy, np.zeros(3))
    with pytest.raises(UnknownItem, match="Did you mean 'slope'"):
        search(toy, ["east", "slop"])


@pytest.mark.parametrize("metric", METRICS)
def test_search_agrees_with_brute_force(metric: Metric) -> None:
    space = random(300)
    distances = brute(space, metric)
    for row in (0, 17, 299):
        order = np.argsort(distances[row])
        answer = search(space, space.items[row], k=20, metric=metric)
        free = [n.row for n in answer if not n.asked]
        assert free == [i for i in order if i != row][:20]
        assert {n.row: n.rank for n in answer} == {int(n): int(np.flatnonzero(order == n)[0]) + 1 for n in [*free, row]}


def test_equal_items_are_ranked_by_row() -> None:
    space = made([[0, 1], [1, 0], [1, 0], [2, 0], [1, 0]])
    answer = search(space, "i2", k=2)
    assert [(n.row, n.rank, n.asked) for n in answer] == [(1, 1, False), (2, 2, True), (3, 3, False)]
    assert knn_graph(space, 3).indices.tolist()[1:] == [[2, 3, 4], [1, 3, 4], [1, 2, 4], [1, 2, 3]]


def test_many_equal_items_are_ranked_by_row_too() -> None:
    vectors = np.random.default_rng(0).normal(size=(200, 8))
    vectors[50:150] = vectors[50]
    space = made(vectors)
    answer = search(space, "i100", k=5)
    assert [(n.row, n.rank) for n in answer] == [(50, 1), (51, 2), (52, 3), (53, 4), (54, 5), (100, 51)]
    assert knn_graph(space, 5).indices[100].tolist() == [50, 51, 52, 53, 54]


def test_zero_vectors_have_cosine_zero_with_all() -> None:
    space = made([[0, 0], [1, 0], [-1, 0]])
    assert [n.score for n in search(space, "i0", k=2)] == [0, 0, 0]
    assert [n.item for n in search(space, "i1", k=2)] == ["i1", "i0", "i2"]
    assert np.isfinite(knn_graph(space, 2).distances).all()


def test_euclidean_distances_far_from_the_origin() -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 8)) * 0.1 + 1_000
    space = made(vectors)
    true = brute(space, "euclidean")
    graph = knn_graph(space, 3, "euclidean")
    np.testing.assert_allclose(graph.distances[0], np.sort(true[0])[1:4], rtol=1e-3)
    assert search(space, "i0", k=3, metric="euclidean")[1].score == pytest.approx(np.sort(true[0])[1], rel=1e-3)


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("metric", METRICS)
def test_very_small_spaces(n: int, metric: Metric) -> None:
    space = made(np.eye(2)[:n])
    assert search(space, "i0", k=5, metric=metric)[0].item == "i0"
    graph = knn_graph(space, 5, metric)
    assert graph.indices.shape == graph.distances.shape == (n, n - 1)
    assert graph.indices.ravel().tolist() == [[], [1, 0]][n - 1]


def test_analogy_by_hand(toy: Space) -> None:
    answer = analogy(toy, "east", "north", "slope", k=3)
    np.testing.assert_allclose(answer.point, [-0.4, 1.8], atol=1e-6)  # (0,1) - (1,0) + (.6,.8)
    length = (0.4**2 + 1.8**2) ** 0.5
    assert [n.item for n in answer.neighbors] == ["north", "slope", "west", "east"]
    assert [n.score for n in answer.neighbors] == pytest.approx([s / length for s in (1.8, 1.2, 0.4, -0.4)], abs=1e-6)
    assert [n.asked for n in answer.neighbors] == [True, True, False, True]
    assert [n.rank for n in answer.neighbors] == [1, 2, 3, 4]
    assert answer.answer is not None
    assert answer.answer.item == "west"


def test_analogy_uses_unit_vectors() -> None:
    short = made([[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 1, 1], [1, 1, 1]])
    long = made(short.vectors * np.array([[9], [1], [5], [2], [3]]))
    a, b = analogy(short, "i0", "i1", "i2"), analogy(long, "i0", "i1", "i2")
    assert [n.item for n in a.neighbors] == [n.item for n in b.neighbors]
    assert a.answer is not None
    assert (a.answer.item, a.answer.score) == ("i3", pytest.approx(1))
    twice = analogy(short, "i0", "i1", "i0")
    assert sum(n.asked for n in twice.neighbors) == 2
    with pytest.raises(UnknownItem):
        analogy(short, "i0", "x", "i1")


def test_an_analogy_of_all_items_has_no_answer() -> None:
    assert analogy(made(np.eye(3)), "i0", "i1", "i2").answer is None


def test_axis_by_hand(toy: Space) -> None:
    found = axis(toy, [("east", "north")])  # midpoint (.5, .5), direction (-1, 1)/sqrt 2
    half = 0.5**0.5
    np.testing.assert_allclose(found.direction, [-half, half], atol=1e-6)
    np.testing.assert_allclose(found.coordinates, [-half, half, 0.2 * half, half], atol=1e-6)
    np.testing.assert_allclose(found.residual, [0, 0, 0.08**0.5, 2**0.5], atol=1e-6)
    assert found.ends == (("east",), ("north",))


def test_axis_splits_the_distance_to_the_midpoint() -> None:
    space = random(50)
    found = axis(space, [("i0", "i1"), ("i2", "i3"), ("i4", "i5")])
    unit = space.unit.astype(np.float64)
    below, above = unit[[0, 2, 4]].mean(0), unit[[1, 3, 5]].mean(0)
    squares = ((unit - (below + above) / 2) ** 2).sum(1)
    np.testing.assert_allclose(found.coordinates**2 + found.residual**2, squares, rtol=1e-4)
    assert np.linalg.norm(found.direction) == pytest.approx(1)
    ends = (above - (below + above) / 2) @ found.direction, (below - (below + above) / 2) @ found.direction
    assert ends[0] == pytest.approx(-ends[1], rel=1e-5)
    assert ends[0] > 0


def test_axis_refuses(toy: Space) -> None:
    with pytest.raises(InputError, match="at least one pair"):
        axis(toy, [])
    with pytest.raises(InputError, match="east and east, are the same point"):
        axis(toy, [("east", "east")])
    with pytest.raises(UnknownItem):
        axis(toy, [("east", "up")])


def test_odd_one_out_by_hand(toy: Space) -> None:
    found = odd_one_out(toy, ["slope", "east", "north"])
    assert found.item == "east"
    assert [item for item, _ in found.fits] == ["east", "north", "slope"]
    assert [fit for _, fit in found.fits] == pytest.approx([0.3, 0.4, 0.7], abs=1e-6)
    with pytest.raises(InputError, match="three different items, not 2"):
        odd_one_out(toy, ["east", "north", "east"])


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(neighbors, "BLOCK_BYTES", 4 * 200 * 7)  # 7 rows of 200
    return


@pytest.mark.parametrize("metric", METRICS)
def test_graph_agrees_with_brute_force_over_blocks(metric: Metric, small_blocks: None) -> None:
    space = random(200)
    graph = knn_graph(space, 9, metric)
    distances = brute(space, metric)
    np.fill_diagonal(distances, np.inf)
    assert graph.exact
    assert graph.metric == metric
    assert (graph.indices.dtype, graph.distances.dtype, graph.k) == (np.int32, np.float32, 9)
    np.testing.assert_array_equal(graph.indices, np.argsort(distances, 1)[:, :9])
    np.testing.assert_allclose(graph.distances, np.sort(distances, 1)[:, :9], atol=2e-5)
    assert not (graph.indices == np.arange(200)[:, None]).any()
    assert not graph.indices.flags.writeable
    assert not graph.distances.flags.writeable


def test_an_item_under_its_double_is_not_its_own_neighbor() -> None:
    space = made([[1, 0], [5, 0], [1, 0], [0, 1]])
    for metric in METRICS:
        assert not (knn_graph(space, 2, metric).indices == np.arange(4)[:, None]).any()


def test_one_graph_for_a_space_and_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    made_graphs = []
    exact = neighbors._exact_graph
    monkeypatch.setattr(neighbors, "_exact_graph", lambda *given: made_graphs.append(given[1:]) or exact(*given))
    space = random(60)
    ten, five = knn_graph(space, 10), knn_graph(space, 5)
    np.testing.assert_array_equal(ten.indices[:, :5], five.indices)
    assert not five.indices.flags.writeable
    knn_graph(space, 5, "dot")
    knn_graph(space, 12)
    knn_graph(space, 11)
    assert made_graphs == [(10, "cosine"), (5, "dot"), (12, "cosine")]
    assert ten.first(99) is ten


def test_a_graph_goes_with_its_space() -> None:
    before = len(neighbors._graphs)
    space = random(10)
    knn_graph(space)
    assert len(neighbors._graphs) == before + 1
    del space
    assert len(neighbors._graphs) == before


def test_many_threads_get_the_same_graph() -> None:
    space, gate = random(400), threading.Barrier(6)

    def ask(k: int) -> bytes:
        gate.wait()
        return knn_graph(space, k).first(4).indices.tobytes()

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(ask, (4, 9, 15, 4, 9, 15)))) == 1


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbors, "COMPILED", 0)
    monkeypatch.setattr(index, "LINES", 7)
    monkeypatch.setattr(index, "WIDTH", 33)
    monkeypatch.setattr(index, "GROUP", 100)


@pytest.mark.parametrize("metric", METRICS)
def test_the_compiled_graph_agrees_with_brute_force_over_blocks(metric: Metric, compiled: None) -> None:
    space = random(200)
    distances = brute(space, metric)
    np.fill_diagonal(distances, np.inf)
    graph = knn_graph(space, 9, metric)
    assert graph.exact
    assert (graph.indices.dtype, graph.distances.dtype, graph.k) == (np.int32, np.float32, 9)
    np.testing.assert_array_equal(graph.indices, np.argsort(distances, 1)[:, :9])
    np.testing.assert_allclose(graph.distances, np.sort(distances, 1)[:, :9], atol=2e-5)
    assert not graph.indices.flags.writeable
    assert not graph.distances.flags.writeable


@pytest.mark.parametrize("metric", METRICS)
def test_the_compiled_graph_ranks_equal_items_by_row(metric: Metric, compiled: None) -> None:
    vectors = np.random.default_rng(0).integers(-3, 4, size=(200, 4))  # whole numbers: the products are exact
    vectors[50:150] = vectors[50]
    vectors[150:160] = 0
    found = knn_graph(made(vectors), 12, metric)
    neighbors.COMPILED = 1_000  # the fixture puts it back
    true = knn_graph(made(vectors), 12, metric)
    if metric == "cosine":
        assert found.indices[100].tolist() == true.indices[100].tolist() == list(range(50, 62))
    else:
        np.testing.assert_array_equal(found.indices, true.indices)
    np.testing.assert_allclose(found.distances, true.distances, atol=1e-6)


def test_the_compiled_graph_far_from_the_origin_and_wider_than_the_rows(compiled: None) -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 8)) * 0.1 + 1_000
    true = brute(made(vectors), "euclidean")
    graph = knn_graph(made(vectors), 49, "euclidean")
    np.testing.assert_allclose(graph.distances, np.sort(true, 1)[:, 1:], rtol=1e-3)
    assert (np.sort(graph.indices, 1) == [[row for row in range(50) if row != own] for own in range(50)]).all()


def test_the_order_of_blocks_changes_nothing_and_rounding_makes_no_cosine_larger_than_one() -> None:
    from embedkit.near_kernel import keep_best

    above = np.nextafter(np.float32(1), np.float32(2))
    scores = np.array([[0.5, 1, 0.5, above, 0.5, 0.25]], np.float32)
    names, zero = np.arange(6, dtype=np.int32), np.zeros(1, np.int32)
    for order in ([0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0], [3, 4, 0, 1, 5, 2]):
        best, found = index._nowhere(1, 4)
        for column in order:
            block = np.ascontiguousarray(scores[:, [column]])
            keep_best(block, np.float32(1), zero, zero - 1, names[[column]], best, found)
        assert found.tolist() == [[1, 3, 0, 2]]
        assert best.tolist() == [[1, 1, 0.5, 0.5]]


@pytest.fixture(scope="module")
def digits() -> Space:
    from sklearn.datasets import load_digits

    return made(load_digits().data)


def kept(true: neighbors.KnnGraph, found: neighbors.KnnGraph) -> float:
    """Share of the true neighbors that were found; of equally near ones any counts."""
    return float((found.distances <= true.distances[:, -1:] * (1 + 1e-5) + 1e-6).mean())


@pytest.mark.parametrize("k", [10, 60])
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_above_the_limit_an_index_finds_nearly_all_and_says_how_many(
    metric: Metric, k: int, digits: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = knn_graph(made(digits.vectors), k, metric)
    monkeypatch.setattr(neighbors, "EXACT_LIMIT", digits.n - 1)
    found = knn_graph(made(digits.vectors), k, metric)
    assert (true.exact, true.recall, true.sampled) == (True, None, 0)
    assert found.recall is not None
    assert not found.exact
    assert found.sampled == 500
    assert 0.99 <= kept(true, found) < 1
    assert found.recall == pytest.approx(kept(true, found), abs=0.006)
    assert found.indices.shape == found.distances.shape == (digits.n, k)
    assert not (found.indices == np.arange(digits.n)[:, None]).any()
    assert (np.diff(found.distances, axis=1) >= 0).all()
    for row in (0, 900, 1796):
        own = brute(made(digits.vectors[[row, *found.indices[row]]]), metric)[0, 1:]
        np.testing.assert_allclose(found.distances[row], own, rtol=1e-4, atol=1e-5)
    again = knn_graph(made(digits.vectors), k, metric)
    assert (again.indices.tobytes(), again.distances.tobytes(), again.recall) == (
        found.indices.tobytes(),
        found.distances.tobytes(),
        found.recall,
    )


def test_what_was_asked_before_does_not_change_a_graph_of_an_index(
    digits: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbors, "EXACT_LIMIT", 1_000)
    one, other = made(digits.vectors), made(digits.vectors)
    knn_graph(one, 60)
    after_many, alone = knn_graph(one, 10), knn_graph(other, 10)
    assert after_many.indices.tobytes() == alone.indices.tobytes()
    assert knn_graph(one, 10).indices.base is after_many.indices.base  # and is made once


def test_one_thread_or_two_give_the_same_graph(digits: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "GROUP", 100)
    two = index.near_cells(digits.unit, 15, "cosine")
    monkeypatch.setattr(index, "THREADS", 1)
    one = index.near_cells(digits.unit, 15, "cosine")
    assert (one.rows.tobytes(), one.scores.tobytes()) == (two.rows.tobytes(), two.scores.tobytes())


def test_too_few_cells_are_noticed_and_more_are_asked(digits: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    real = index._among_cells
    monkeypatch.setattr(index, "_enough", lambda *given: 2)
    monkeypatch.setattr(index, "_among_cells", lambda *given: asked.append(given[4]) or real(*given))
    found = index.near_cells(digits.unit, 15, "cosine")
    assert asked == [2, 4, 8, 16][: len(asked)]
    assert len(asked) > 1
    assert found.recall is not None
    assert found.recall >= 0.99
    true = index.every_pair(digits.unit, 15, "cosine")
    assert (found.scores >= true.scores[:, -1:] - 1e-6).mean() >= 0.985


def test_where_nothing_is_in_groups_all_pairs_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    space = random(1_200, 64)
    true = knn_graph(made(space.vectors), 10)
    monkeypatch.setattr(neighbors, "EXACT_LIMIT", 1_199)
    found = knn_graph(space, 10)
    assert found.exact
    np.testing.assert_array_equal(found.indices, true.indices)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_an_index_of_doubles_and_zero_vectors(metric: Metric, digits: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = np.concatenate([digits.vectors] * 3 + [np.zeros((90, digits.d), np.float32)])
    true = knn_graph(made(vectors), 12, metric)
    monkeypatch.setattr(neighbors, "EXACT_LIMIT", 1_000)
    found = knn_graph(made(vectors), 12, metric)
    assert not found.exact
    assert kept(true, found) >= 0.99
    assert (found.indices < len(vectors)).all()
    assert all(len(set(line)) == 12 for line in found.indices.tolist())
    doubles = found.indices[:1797, :2] % 1797
    assert (doubles == np.arange(1797)[:, None]).mean() > 0.99
    equal = made(np.ones((700, 5)))
    assert (knn_graph(equal, 5, metric).distances < 1e-6).all()


def test_items_in_small_cells_find_as_many_as_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    centers = np.random.default_rng(0).normal(size=(300, 16)) * 20
    vectors = np.repeat(centers, 4, 0) + np.random.default_rng(1).normal(size=(1_200, 16)) * 0.01
    points = index._Points(vectors.astype(np.float32), "euclidean")
    middles, cells = index._cells(points, np.random.default_rng(0))
    found = index._among_cells(points, 40, middles, cells, 1, lambda done: None)
    assert found.rows.max() < 1_200
    assert all(len(set(line)) == 40 for line in found.rows.tolist())


@pytest.mark.parametrize("limit", [1_000, 50_000])
def test_a_graph_says_how_far_it_is_and_can_be_stopped(
    limit: int, digits: Space, monkeypatch: pytest.MonkeyPatch, compiled: None
) -> None:
    monkeypatch.setattr(neighbors, "EXACT_LIMIT", limit)
    space, seen = made(digits.vectors), []
    knn_graph(made(digits.vectors), report=seen.append)
    assert len(seen) > 10
    assert seen == sorted(seen)
    assert 0 <= seen[0] < seen[-1] <= 1

    def stop(done: float) -> None:
        if done > 0.5:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        knn_graph(space, report=stop)
    assert knn_graph(space).k == 15  # and it can be asked again


def test_the_dot_product_stays_exact_at_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbors, "EXACT_LIMIT", 10)
    space = random(50)
    graph = knn_graph(space, 5, "dot")
    assert graph.exact
    distances = brute(space, "dot")
    np.fill_diagonal(distances, np.inf)
    np.testing.assert_array_equal(graph.indices, np.argsort(distances, 1)[:, :5])


def test_the_graph_never_holds_all_distances(monkeypatch: pytest.MonkeyPatch) -> None:
    n = 20_000
    monkeypatch.setattr(neighbors, "BLOCK_BYTES", 4 * 2**20)
    space = random(n)
    tracemalloc.start()
    try:
        knn_graph(space, 5)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < n * n * 4 / 20  # 1.6 GB would be all of them


def test_many_who_ask_at_once_share_one_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    space, runs = made(np.random.default_rng(0).normal(size=(300, 4))), []
    real = neighbors._exact_graph

    def counted(*args: object) -> object:
        runs.append(1)
        return real(*args)

    monkeypatch.setattr(neighbors, "_exact_graph", counted)
    with ThreadPoolExecutor(8) as pool:
        graphs = list(pool.map(lambda _: knn_graph(space, 5), range(8)))
    assert len(runs) == 1
    assert all(graph.indices is graphs[0].indices for graph in graphs)
