"""The simulated cinema: real films, and users drawn by rule, whose true tastes are therefore known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import DamagedFile, InputError
from embedkit.paths import asset
from embedkit.sources.interactions import Interactions, film_table

__all__ = ["GENRES", "Tastes", "cinema", "tastes"]

GENRES = (
    "Action", "Adventure", "Animation", "Comedy", "Crime", "Drama", "Fantasy", "Horror", "Musical", "Mystery",
    "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
DECADES = tuple(range(1930, 2030, 10))
FEWEST, MOST = 10, 120  # films of a user
MEDIAN, SPREAD = 32.0, 0.6  # of their number, log-normal
MOST_USERS = 20_000
LIKED, DISLIKED = (2.0, 4.0), -3.0  # weights of genres; a film's genres share a length of 1
ERA, WIDTHS = 2.0, (6.0, 18.0)  # weight of the liked decade, and its width in years
PULL = (0.2, 1.0)  # toward popular films, times the logarithm of a popularity of 1 / rank
CHANGED = 0.2  # of the users get other tastes half-way
START, YEAR = 1_672_531_200, 365 * 86_400  # 2023-01-01 UTC; two years from there

RULE = (
    f"Each of the users is given two or three liked genres (weight {LIKED[0]:g} to {LIKED[1]:g}), one disliked "
    f"({DISLIKED:g}), a liked decade (weight {ERA:g}, fading over {WIDTHS[0]:g} to {WIDTHS[1]:g} years) and a pull of "
    f"{PULL[0]:g} to {PULL[1]:g} toward popular films, whose popularity is 1 / rank in an order drawn once. "
    f"The user then watches {FEWEST} to {MOST} films (log-normal, median {MEDIAN:g}), drawn without replacement with a "
    "probability proportional to exp(genres + decade + pull x log popularity), at random times within two years. "
    f"Half-way through, {CHANGED:.0%} of the users are given other tastes."
)


@dataclass(frozen=True, eq=False)
class Tastes:
    """What the simulation knows, and a model has to find: true vectors of users and films.

    `users` float32 (n_users, d) holds the tastes of the first year, `later` those of the second, which differ where
    `changed`; `films` float32 (n_films, d) what a film has of each of the d `features` (genres, then decades).
    `users @ films.T + pull[:, None] * popularity` are the logarithms of the chances, up to a constant for each user;
    `popularity` is the logarithm, (n_films,), and `pull` (n_users,). All are read-only.
    """

    features: tuple[str, ...]
    users: NDArray[np.float32]
    later: NDArray[np.float32]
    films: NDArray[np.float32]
    pull: NDArray[np.float32]
    popularity: NDArray[np.float32]
    changed: NDArray[np.bool_]

    def __post_init__(self) -> None:
        for values in (self.users, self.later, self.films, self.pull, self.popularity, self.changed):
            values.flags.writeable = False

    def scores(self, later: bool = False) -> NDArray[np.float32]:
        """The logarithms of the chances, (n_users, n_films): in the first year, or in the second."""
        chances: NDArray[np.float32] = (self.later if later else self.users) @ self.films.T
        chances += self.pull[:, None] * self.popularity
        return chances

    def likes(self, row: int, later: bool = False) -> str:
        """The tastes of one user in words: "likes Comedy and War, not Horror; the 1970s"."""
        weights = (self.later if later else self.users)[row]
        genres = weights[: len(GENRES)]
        liked = [self.features[i] for i in np.argsort(-genres, kind="stable") if genres[i] > 0]
        era = self.features[len(GENRES) + int(weights[len(GENRES) :].argmax())]
        return f"likes {', '.join(liked[:-1])} and {liked[-1]}, not {GENRES[int(genres.argmin())]}; the {era}"


@lru_cache(maxsize=4)
def cinema(users: int = 1_000, seed: int = 0) -> Interactions:
    """The simulated cinema: who of `users` (10 to 20,000) watched which of some 300 films, and when.

    Every rating is 1. The rule stands in `simulated`, the true tastes in `tastes(users, seed)`. Raises InputError.
    """
    import pandas as pd

    true = tastes(users, seed)
    rng = np.random.default_rng([seed, 2])
    wanted = np.exp(rng.normal(np.log(MEDIAN), SPREAD, users))
    counts = np.clip(np.rint(wanted), FEWEST, MOST).astype(np.int64)
    first = counts // 2
    early = _drawn(true.scores(), first, rng)
    late = _drawn(np.where(early, -np.inf, true.scores(later=True)), counts - first, rng)
    user, item = np.nonzero(early | late)
    time = START + rng.integers(0, YEAR, len(user)) + np.where(early[user, item], 0, YEAR)
    order = np.lexsort((time, user))
    titles, genres = _films()
    return Interactions(
        key=f"cinema/{users}/{seed}",
        title="Simulated cinema",
        users=tuple(f"user {i + 1}" for i in range(users)),
        items=titles,
        user=user[order].astype(np.int32),
        item=item[order].astype(np.int32),
        rating=np.ones(len(user), np.float32),
        time=time[order],
        films=film_table(titles, genres),
        people=pd.DataFrame(index=range(users)),
        licence="CC0-1.0",
        year=2026,
        simulated=RULE,
    )


def _drawn(scores: NDArray[np.floating], counts: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which `counts` films each user draws without replacement, by softmax of the scores: (users, films).

    Gumbel top-k (Kool, van Hoof and Welling 2019): the k largest of scores plus Gumbel noise are such a draw.
    """
    noisy = scores + rng.gumbel(size=scores.shape)
    rank = np.empty(scores.shape, np.int64)
    np.put_along_axis(rank, np.argsort(-noisy, axis=1), np.arange(scores.shape[1])[None], axis=1)
    return np.asarray(rank < counts[:, None])


@lru_cache(maxsize=4)
def tastes(users: int = 1_000, seed: int = 0) -> Tastes:
    """The true tastes behind `cinema(users, seed)`; raises InputError."""
    if not 10 <= users <= MOST_USERS:
        raise InputError(f"Between 10 and {MOST_USERS:,} users can be simulated, not {users:,}.")
    if seed < 0:
        raise InputError(f"A seed is 0 or more, not {seed}.")
    titles, genres = _films()
    films = np.zeros((len(titles), len(GENRES) + len(DECADES)), np.float32)
    for i, (film, year) in enumerate(zip(genres, film_table(titles)["year"], strict=True)):
        has = [GENRES.index(genre) for genre in film.split("|")]
        films[i, has] = 1 / np.sqrt(len(has))
        films[i, len(GENRES) + DECADES.index(year // 10 * 10)] = 1
    rank = np.random.default_rng([seed, 0]).permutation(len(titles)) + 1
    rng = np.random.default_rng([seed, 1])
    now, other = _weights(users, rng), _weights(users, rng)
    changed = np.zeros(users, bool)
    changed[rng.permutation(users)[: round(CHANGED * users)]] = True
    later = np.where(changed[:, None], other, now)
    pull = rng.uniform(*PULL, users).astype(np.float32)
    features = (*GENRES, *(f"{decade}s" for decade in DECADES))
    return Tastes(features, now, later, films, pull, -np.log(rank).astype(np.float32), changed)


def _weights(users: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Tastes over genres and decades, (users, d)."""
    order = rng.permuted(np.tile(np.arange(len(GENRES)), (users, 1)), axis=1)
    liked = np.arange(len(GENRES)) < rng.integers(2, 4, users)[:, None]
    by_order = np.where(liked, rng.uniform(*LIKED, liked.shape), 0.0)
    by_order[:, -1] = DISLIKED
    genres = np.empty_like(by_order)
    np.put_along_axis(genres, order, by_order, axis=1)
    middles = np.array(DECADES) + 5
    apart = middles - rng.choice(middles, users)[:, None]
    eras = ERA * np.exp(-0.5 * (apart / rng.uniform(*WIDTHS, (users, 1))) ** 2)
    return np.hstack([genres, eras]).astype(np.float32)


@lru_cache(maxsize=1)
def _films() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The films as "title (year)", and their genres as "Comedy|Drama"."""
    lines = asset("cinema/films.tsv").read_text("utf-8").splitlines()[1:]
    try:
        rows = [(title, int(year), genres) for title, year, genres in (line.split("\t") for line in lines)]
    except ValueError as error:
        raise DamagedFile(f"The shipped file assets/cinema/films.tsv is damaged: {error}.") from None
    return tuple(f"{title} ({year})" for title, year, _ in rows), tuple(genres for *_, genres in rows)
