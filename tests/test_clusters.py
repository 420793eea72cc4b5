"""Groups: those that were put there are found and named, noise is in none, figures by hand."""

from __future__ import annotations

import numpy as np
import pytest

from embedkit.clusters import clusters, names_of
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
