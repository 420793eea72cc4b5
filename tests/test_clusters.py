"""Groups: those that were put there are found and named, noise is in none, figures by hand."""

from __future__ import annotations

import numpy as np
import pytest

import embedkit
from embedkit.clusters import Clusters, clusters, names_of
from embedkit.errors import InputError
from embedkit.space import Space

RNG = np.random.default_rng(0)


def three(per: int = 40, spread: float = 0.1) -> tuple[Space, list[str]]:
    centers = np.eye(20)[:3]
    vectors = np.vstack([center + spread * RNG.normal(size=(per, 20)) for center in centers]).astype(np.float32)
    words = ("red apple", "blue sea", "green tree")
    texts = [f"{words[row // per]} the {row}" for row in range(3 * per)]
    return Space("s", "s", tuple(map(str, range(3 * per))), vectors), texts


def test_groups_that_are_there_are_found_and_named() -> None:
    space, texts = three()
    found = clusters(space, least=10, texts=texts)
    assert len(found.sizes) == 3
    of = [
        set(found.labels[start : start + 40][found.labels[start : start + 40] >= 0].tolist()) for start in (0, 40, 80)
    ]
    assert all(len(each) == 1 for each in of)
    assert {frozenset(name.split(", ")) for name in found.names} == {
        frozenset({"apple", "red"}),
        frozenset({"blue", "sea"}),
        frozenset({"green", "tree"}),
    }
    assert found.purity > 0.95
    assert found.chance == pytest.approx(1 / 3, abs=0.05)
    assert found.silhouette > 0.5
    assert sum(found.sizes) == (found.labels >= 0).sum()
    assert found.outside == pytest.approx((found.labels < 0).mean())


def test_the_same_seed_gives_the_same_groups() -> None:
    space, _ = three(spread=0.4)
    assert clusters(space, seed=3).labels.tolist() == clusters(space, seed=3).labels.tolist()


def test_silhouette_is_none_where_there_are_no_two_groups() -> None:
    space = Space("s", "s", tuple("abcdefgh"), RNG.normal(size=(8, 4)).astype(np.float32))
    found = clusters(space, least=8)
    assert found.silhouette is None
    assert found.purity in (0.0, 1.0)


def test_a_word_that_stands_everywhere_names_no_group() -> None:
    texts = ["the cat sat", "the cat ran", "the dog sat", "the dog ran", "the dog hid"]
    assert names_of(texts, np.array([0, 0, 1, 1, 1], np.int32)) == ("cat", "dog")


def test_groups_of_single_words_are_named_by_their_first() -> None:
    assert names_of(["a1", "b2", "c3", "d4"], np.array([0, 1, 0, -1], np.int32)) == ("a1, c3", "b2")
    assert names_of(["x"], np.array([-1], np.int32)) == ()


def test_numbers_and_single_letters_that_repeat_are_said_once() -> None:
    assert names_of(["7 (1)", "7 (2)", "7 (3)", "3 (4)", "3 (5)"], np.array([0, 0, 0, 1, 1], np.int32)) == ("7", "3")
    assert names_of(["x", "x", "y", "z"], np.array([0, 0, 0, 1], np.int32)) == ("x, y", "z")


# --- real data -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits() -> tuple[Space, Clusters]:
    space = embedkit.load("images/pixels")
    return space, clusters(space, texts=[str(label) for label in space.meta["label"]])


def test_groups_of_digits_are_named_by_the_digit_that_most_of_them_show(digits: tuple[Space, Clusters]) -> None:
    space, found = digits
    shown = space.meta["digit"].to_numpy().astype(int)
    assert {name for name in found.names if len(name) == 1} == set("0123456789")
    for label, name in enumerate(found.names):
        counts = np.bincount(shown[found.labels == label], minlength=10)
        assert name.split(", ")[0] == str(counts.argmax())
        for other in name.split(", ")[1:]:  # named beside it only where it is more frequent than elsewhere
            assert counts[int(other)] / counts.sum() > (shown == int(other)).mean()
    counts = [np.bincount(shown[found.labels == label]).max() for label in range(len(found.sizes))]
    assert sum(counts) / sum(found.sizes) > 0.9


def test_items_alone_name_the_digits_too(digits: tuple[Space, Clusters]) -> None:
    space, found = digits
    assert names_of(space.items, found.labels) == found.names


def test_purity_chance_and_silhouette_of_digits_are_those_by_hand(digits: tuple[Space, Clusters]) -> None:
    from sklearn.metrics import silhouette_score
    from sklearn.neighbors import NearestNeighbors

    space, found = digits
    vectors = space.vectors.astype(np.float64)
    near = NearestNeighbors(n_neighbors=16, metric="cosine").fit(vectors).kneighbors(vectors, return_distance=False)
    inside = np.flatnonzero(found.labels >= 0)
    labels = found.labels
    same = [(labels[[x for x in near[row] if x != row][:15]] == labels[row]).mean() for row in inside]
    assert found.purity == pytest.approx(np.mean(same), abs=1e-3)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert found.silhouette == pytest.approx(silhouette_score(unit[inside], labels[inside]), abs=1e-3)
    counts = np.bincount(found.labels[inside])
    assert found.chance == pytest.approx(((counts / len(inside)) ** 2).sum() * len(inside) / space.n)
    assert list(found.sizes) == counts.tolist()


def test_frequent_words_of_minilm_fall_into_groups_that_their_names_announce() -> None:
    words = embedkit.load("words/minilm")
    space = words.take(words.items[:2_000])
    found = clusters(space, least=8)
    assert all(set(name.split(", ")) <= set(space.items) for name in found.names)
    assert len(set(found.names)) == len(found.names)
    kinds = {
        "months": "january february march april june july august september october november december",
        "colors": "black white red blue green brown yellow",
        "numbers": "four five six seven eight nine ten",
        "directions": "south north west east western northern southern eastern",
    }
    for kind, listed in kinds.items():
        members = [item for item in listed.split() if item in space]
        labels = found.labels[[space.row(item) for item in members]]
        label = np.bincount(labels[labels >= 0]).argmax()
        assert (labels == label).mean() > 0.8, kind
        assert set(found.names[label].split(", ")) & set(members), (kind, found.names[label])


@pytest.mark.parametrize(
    ("n", "least", "said"), [(4, 0, "5 to 50,000 items; these are 4"), (20, 21, "between 2 and 20")]
)
def test_limits_are_said(n: int, least: int, said: str) -> None:
    space = Space("s", "s", tuple(map(str, range(n))), RNG.normal(size=(n, 4)).astype(np.float32))
    with pytest.raises(InputError, match=said):
        clusters(space, least=least)


def test_stopping_ends_the_search() -> None:
    def stop(done: float, text: str) -> None:
        if done >= 0.8:
            raise InterruptedError(text)

    with pytest.raises(InterruptedError, match="Finding groups"):
        clusters(three()[0], report=stop)
