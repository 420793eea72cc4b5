"""The simulated cinema: films that are facts, users drawn by the rule that is told, true tastes that explain them."""

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from embedkit.errors import DamagedFile, InputError
from embedkit.paths import ASSETS
from embedkit.sources import cinema as module
from embedkit.sources.cinema import GENRES, cinema, tastes
from embedkit.sources.interactions import Interactions

YEAR = 365 * 86_400


@pytest.fixture(scope="module")
def shown() -> Interactions:
    return cinema()


def rows() -> list[list[str]]:
    lines = (ASSETS / "cinema" / "films.tsv").read_text("utf-8").splitlines()
    assert lines[0] == "title\tyear\tgenres"
    return [line.split("\t") for line in lines[1:]]


def test_the_films_are_about_300_spread_over_decades_and_genres() -> None:
    films = rows()
    assert 280 <= len(films) <= 320
    assert len({(title, year) for title, year, _ in films}) == len(films)
    assert [int(year) for _, year, _ in films] == sorted(int(year) for _, year, _ in films)
    decades = Counter(int(year) // 10 * 10 for _, year, _ in films)
    assert sorted(decades) == list(range(1930, 2030, 10))
    assert min(decades.values()) >= 15
    genres = Counter(genre for *_, of in films for genre in of.split("|"))
    assert sorted(genres) == list(GENRES)
    assert min(genres.values()) >= 20
    for title, year, of in films:
        assert title.strip() == title != ""
        assert 1930 <= int(year) <= 2023
        assert of.split("|") == sorted(set(of.split("|")))
        assert 1 <= len(of.split("|")) <= 3


@pytest.mark.parametrize(
    ("title", "year", "genre"),
    [
        ("Casablanca", 1942, "War"),
        ("Psycho", 1960, "Horror"),
        ("Alien", 1979, "Sci-Fi"),
        ("Toy Story", 1995, "Animation"),
        ("Parasite", 2019, "Drama"),
    ],
)
def test_what_everybody_knows_of_a_film(shown: Interactions, title: str, year: int, genre: str) -> None:
    row = shown.films["title"].tolist().index(title)
    assert shown.films["year"][row] == year
    assert genre in shown.films["genres"][row].split("|")
    assert shown.items[row] == f"{title} ({year})"


def test_remakes_are_told_apart(shown: Interactions) -> None:
    assert {"West Side Story (1961)", "West Side Story (2021)", "8½ (1963)"} <= set(shown.items)


def test_users_watch_as_the_rule_says(shown: Interactions) -> None:
    assert (shown.key, shown.n_users, shown.licence) == ("cinema/1000/0", 1_000, "CC0-1.0")
    counts = np.bincount(shown.user, minlength=shown.n_users)
    assert counts.min() >= 10
    assert counts.max() <= 120
    assert 28 <= np.median(counts) <= 36
    assert np.log(counts[(counts > 10) & (counts < 120)]).std() == pytest.approx(0.55, abs=0.08)
    pairs = shown.user.astype(np.int64) * shown.n_items + shown.item
    assert len(np.unique(pairs)) == shown.n  # without replacement
    assert (shown.rating == 1).all()
    assert shown.time.max() - shown.time.min() == pytest.approx(2 * YEAR, rel=0.01)
    second = shown.time >= module.START + YEAR
    assert second.mean() == pytest.approx(0.5, abs=0.02)
    assert shown.simulated.count(". ") == 2  # three sentences
    for number in ("10 to 120", "median 32", "20%", "0.2 to 1", "6 to 18 years"):
        assert number in shown.simulated


def test_the_true_tastes_are_sparse_and_fit_the_rule() -> None:
    true = tastes()
    genres = true.users[:, : len(GENRES)]
    assert set((genres > 0).sum(1)) == {2, 3}
    assert set((genres < 0).sum(1)) == {1}
    assert genres[genres > 0].min() >= 2
    assert genres.max() <= 4
    eras = true.users[:, len(GENRES) :]
    assert eras.max(1) == pytest.approx(2.0)
    assert (np.sort(eras, axis=1)[:, -2] < 2 * np.exp(-0.5 * (10 / 18) ** 2) + 1e-6).all()
    np.testing.assert_allclose(np.linalg.norm(true.films[:, : len(GENRES)], axis=1), 1, rtol=1e-6)
    assert (true.films[:, len(GENRES) :].sum(1) == 1).all()
    assert true.changed.sum() == 200
    assert (true.users == true.later).all(1).tolist() == (~true.changed).tolist()
    assert np.sort(np.exp(-true.popularity)) == pytest.approx(np.arange(1, len(true.films) + 1), rel=1e-5)
    i, j = 3, 17
    by_hand = sum(a * b for a, b in zip(true.users[i], true.films[j], strict=True)) + true.pull[i] * true.popularity[j]
    assert true.scores()[i, j] == pytest.approx(by_hand, rel=1e-5)
    assert not true.users.flags.writeable


def test_tastes_in_words() -> None:
    true = tastes()
    text = true.likes(0)
    best = GENRES[int(true.users[0, : len(GENRES)].argmax())]
    assert text.startswith(f"likes {best}")
    assert f"not {GENRES[int(true.users[0, : len(GENRES)].argmin())]}; the " in text
    changed = int(np.flatnonzero(true.changed)[0])
    assert true.likes(changed) != true.likes(changed, later=True)


def test_what_users_watch_follows_their_tastes_and_their_change(shown: Interactions) -> None:
    true = tastes()
    second = shown.time >= module.START + YEAR
    now, later = true.scores(), true.scores(later=True)
    watched = [(score - score.mean(1, keepdims=True))[shown.user, shown.item] for score in (now, later)]
    assert watched[0][~second].mean() > 1  # e times as likely as the average film
    moved = true.changed[shown.user]
    for half, own, other in ((~second, *watched), (second, watched[1], watched[0])):
        assert own[half & moved].mean() > other[half & moved].mean() + 0.5


def test_popular_films_are_watched_more(shown: Interactions) -> None:
    true = tastes()
    counts = np.bincount(shown.item, minlength=shown.n_items)
    order = np.argsort(-true.popularity)
    assert counts[order[:30]].mean() > 1.5 * counts[order[-100:]].mean()


def test_draws_are_by_softmax_without_replacement() -> None:
    scores = np.tile(np.log([0.6, 0.3, 0.1]), (60_000, 1))
    rng = np.random.default_rng(0)
    one = module._drawn(scores, np.ones(60_000, np.int64), rng)
    assert one.mean(0) == pytest.approx([0.6, 0.3, 0.1], abs=0.01)
    two = module._drawn(scores, np.full(60_000, 2), rng)
    # one is missing as often as the other two are drawn first, in either order
    left_out = [0.3 * 0.1 / 0.7 + 0.1 * 0.3 / 0.9, 0.6 * 0.1 / 0.4 + 0.1 * 0.6 / 0.9, 0.6 * 0.3 / 0.4 + 0.3 * 0.6 / 0.7]
    assert 1 - two.mean(0) == pytest.approx(left_out, abs=0.01)


def test_same_seed_same_bytes_and_another_seed_other_tastes() -> None:
    code = "from embedkit.sources.cinema import cinema; print(cinema(50, 3).digest)"
    fresh = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert cinema(50, 3).digest == fresh
    assert cinema(50, 4).digest != fresh
    assert cinema(50, 3).key == "cinema/50/3"
    assert (tastes(50, 3).users != tastes(50, 4).users).any()
    np.testing.assert_array_equal(np.exp(-tastes(50, 3).popularity), np.exp(-tastes(60, 3).popularity))


def test_it_is_quick_and_needs_no_torch() -> None:
    cinema.__wrapped__(20, 1)  # imports
    start = time.perf_counter()
    cinema.__wrapped__(1_000, 1)
    assert time.perf_counter() - start < 0.5
    code = "import sys; from embedkit.sources.cinema import cinema; cinema(20); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("users", [-1, 0, 9, 20_001])
def test_how_many_users_there_can_be(users: int) -> None:
    with pytest.raises(InputError, match=rf"Between 10 and 20,000 users can be simulated, not {users:,}"):
        cinema(users)


def test_a_seed_is_not_negative() -> None:
    with pytest.raises(InputError, match="A seed is 0 or more, not -1"):
        cinema(20, -1)


def test_a_damaged_list_of_films(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "films.tsv"
    path.write_text("title\tyear\tgenres\nM\t19x1\tCrime\n", "utf-8")
    monkeypatch.setattr(module, "asset", lambda name: path)
    with pytest.raises(DamagedFile, match=r"cinema/films\.tsv is damaged: .*19x1"):
        module._films.__wrapped__()
