"""Two towers (Covington et al. 2016; Yi et al. 2019): a vector for a user, one for an item, and their inner product.

The user's tower reads an id, what is known of the person, and the films watched; the item's tower an id, genres, year
and title. Each part can be switched off. A training is a generator of frozen steps.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import InputError
from embedkit.space import Vectors, frozen

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["LOSSES", "NEGATIVES", "Features", "TowerRecipe", "TowerStep", "Towers", "train_towers"]

Tensor = Any  # torch loads in the functions

LOSSES = {
    "full softmax": "Every film of the catalogue competes for the user; exact, and affordable up to some ten thousand.",
    "in-batch softmax": "The other films of the batch compete, less their popularity (Yi et al. 2019).",
    "BPR": "A watched film shall score above one that was not (Rendle et al. 2009).",
    "hinge": "max(0, sum of u.v over pairs not watched - sum over watched pairs), user by user.",
}
NEGATIVES = {
    "random": "any film, each as likely",
    "popularity": "films as often as they are watched",
    "hard": "of 20 random films the one that scores highest now",
    "none": "no negatives at all: what is watched is pulled together, and nothing pushes back",
}
LIMITS = {
    "dims": (2, 256),
    "epochs": (1, 1_000),
    "batch": (16, 4_096),
    "temperature": (0.05, 10.0),
    "dropout": (0.0, 0.95),
    "decay": (0.0, 10.0),
    "seed": (0, 2**31 - 1),
}
RATE = 5e-3
PAIRS = 2_048  # in a batch of the pairwise losses
CANDIDATES = 20  # of which the hardest is taken


@dataclass(frozen=True)
class TowerRecipe:
    """What is trained: loss, negatives, dimensions, parts of the towers, temperature, epochs, seed.

    `dropout` is the share of a user's films that is hidden from the user's tower at each look, `decay` the weight
    decay, `batch` the users of a step of the full softmax. Raises InputError with the limit.
    """

    loss: str = "full softmax"
    negatives: str = "random"
    dims: int = 64
    history: bool = True
    user_id: bool = False
    people: bool = False
    item_id: bool = True
    genres: bool = True
    year: bool = True
    title: bool = True
    temperature: float = 1.0
    dropout: float = 0.8
    decay: float = 1.0
    epochs: int = 100
    batch: int = 256
    seed: int = 0

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise InputError(f"There is no loss '{self.loss}'; use one of: {', '.join(LOSSES)}.")
        if self.negatives not in NEGATIVES:
            raise InputError(f"There are no negatives '{self.negatives}'; use one of: {', '.join(NEGATIVES)}.")
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise InputError(f"{name} must lie between {low:.10g} and {high:.10g}, not {value:.10g}.")
        if not (self.history or self.user_id or self.people):
            raise InputError("The user's tower has no part: switch on history, id or what is known of people.")
        if not (self.item_id or self.genres or self.year or self.title):
            raise InputError("The item's tower has no part: switch on id, genres, year or title.")


@dataclass(frozen=True, eq=False)
class Features:
    """What the towers know besides ids, float32: `genres`, `year`, `title` (n_items, ...), `people` (n_users, ...)."""

    genres: Vectors
    year: Vectors
    title: Vectors
    people: Vectors

    def parts(self, recipe: TowerRecipe) -> dict[str, Vectors]:
        """The item's parts that are switched on and known, by name."""
        found = {"genres": self.genres, "year": self.year, "title": self.title}
        return {name: table for name, table in found.items() if getattr(recipe, name) and table.shape[1]}


@dataclass(frozen=True, eq=False)
class TowerStep:
    """Both towers after an epoch; 0 is untrained. `weights` by name, read-only; `loss` is the mean over the epoch."""

    epoch: int
    epochs: int
    weights: Mapping[str, Vectors]
    loss: float
    seconds: float


class Towers:
    """Both towers with the weights of a step, or untrained. A user's vector ends in a 1, an item's in its bias.

    So the inner product of the two is the whole score, and any search by inner product can retrieve.
    """

    def __init__(
        self,
        recipe: TowerRecipe,
        features: Features,
        shape: tuple[int, int],
        weights: Mapping[str, Vectors] | None = None,
    ) -> None:
        import torch

        self.recipe, self.features, self.shape = recipe, features, shape
        self.parts = {name: torch.from_numpy(np.array(table)) for name, table in features.parts(recipe).items()}
        if not recipe.item_id and not self.parts:
            raise InputError("Nothing is known of these items but their ids: switch the id on in the item's tower.")
        if recipe.people and not features.people.shape[1]:
            raise InputError("Nothing is known of these people but their ids: switch that part of the tower off.")
        self.people = torch.from_numpy(np.array(features.people)) if recipe.people else None
        if weights is None:
            self.weights = self._untrained()
        else:
            self.weights = {name: torch.tensor(np.asarray(array)) for name, array in weights.items()}

    def _untrained(self) -> dict[str, Tensor]:
        import torch

        users, items, d = *self.shape, self.recipe.dims
        chance = torch.Generator().manual_seed(self.recipe.seed)

        def drawn(*size: int) -> Tensor:
            return torch.randn(*size, generator=chance) * 0.1

        found = {"bias": torch.zeros(items)}
        if self.recipe.item_id:
            found["item"] = drawn(items, d)
        for name, table in self.parts.items():
            found[name] = drawn(table.shape[1], d)
        if self.recipe.history:
            found["watched"] = drawn(items, d)
            for name, table in self.parts.items():
                found[f"watched.{name}"] = drawn(table.shape[1], d)
        if self.recipe.user_id:
            found["user"] = drawn(users, d)
        if self.people is not None:
            found["people"] = drawn(self.people.shape[1], d)
        return found

    def _items(self) -> Tensor:
        """Item vectors without bias: (n_items, dims)."""
        return self._table("item", "")

    def _table(self, own: str, head: str) -> Tensor:
        found: Any = 0
        if own in self.weights:
            found = self.weights[own]
        for name, table in self.parts.items():
            found = found + table @ self.weights[head + name]
        return found

    def _users(self, watched: Tensor, counts: Tensor, rows: Tensor | None) -> Tensor:
        """User vectors without the 1: `watched` (b, n_items), `counts` (b, 1), `rows` of known users, or None."""
        found: Any = 0
        if self.recipe.history:
            found = watched @ self._table("watched", "watched.") / counts.clamp(min=1).sqrt()
        if rows is not None and self.recipe.user_id:
            found = found + _picked(self.weights["user"], rows)
        if rows is not None and self.people is not None:
            found = found + self.people[rows] @ self.weights["people"]
        return found

    def items(self) -> Vectors:
        """Vectors of all items, float32 (n_items, dims + 1)."""
        import torch

        with torch.inference_mode():
            found = torch.cat([self._items() / self.recipe.temperature, self.weights["bias"][:, None]], 1)
            return np.asarray(found.numpy())

    def users(self, seen: csr_matrix, rows: NDArray[np.int64] | None = None) -> Vectors:
        """Vectors of users by what they watched, `seen` (n, n_items), float32 (n, dims + 1); `rows`: who they are.

        Without `rows` they are new people, of whom nothing but their films is known.
        """
        import torch

        with torch.inference_mode():
            watched = torch.from_numpy(np.asarray(seen.astype(bool).astype(np.float32).todense()))
            known = None if rows is None else torch.from_numpy(np.asarray(rows))
            found = self._users(watched, watched.sum(1, keepdim=True), known)
            found = found if not isinstance(found, int) else torch.zeros(len(watched), self.recipe.dims)
            return np.asarray(torch.cat([found, torch.ones(len(found), 1)], 1).numpy())

    def new_items(self, features: Features) -> Vectors:
        """Vectors of films that were never watched, from their features alone: float32 (m, dims + 1), bias 0."""
        parts = features.parts(self.recipe)
        rows = len(features.genres)
        found = np.zeros((rows, self.recipe.dims), np.float32)
        for name, table in parts.items():
            found += table @ self.weights[name].detach().numpy()
        return np.hstack([found / self.recipe.temperature, np.zeros((rows, 1), np.float32)])


def train_towers(
    seen: csr_matrix,
    features: Features,
    recipe: TowerRecipe,
    *,
    heartbeat: Callable[[float], None] = lambda done: None,
) -> Iterator[TowerStep]:
    """Train on `seen`, sparse (n_users, n_items) of weights (a rating over the highest, or 1), yielding each epoch.

    The first step is untrained. Same seed, same bytes. `heartbeat` is called with the share done, and may raise.
    """
    import torch

    if seen.nnz < 2 or min(seen.shape) < 2:
        raise InputError(f"Training needs two users, two items and two pairs; here are {seen.shape} and {seen.nnz}.")
    torch.set_num_threads(2)
    towers = Towers(recipe, features, seen.shape)
    learned = {name: tensor.requires_grad_() for name, tensor in towers.weights.items()}
    optimizer = torch.optim.AdamW(learned.values(), lr=RATE, weight_decay=recipe.decay)
    batches = _users_of(seen, recipe.batch) if recipe.loss == "full softmax" else _pairs_of(seen)
    work = _full_softmax if recipe.loss == "full softmax" else _pairwise
    start = time.perf_counter()

    def step(epoch: int, loss: float) -> TowerStep:
        weights = {name: frozen(tensor.detach().numpy()) for name, tensor in learned.items()}
        return TowerStep(epoch, recipe.epochs, weights, loss, time.perf_counter() - start)

    yield step(0, float("nan"))
    for epoch in range(1, recipe.epochs + 1):
        chance = torch.Generator().manual_seed(recipe.seed * 10_007 + epoch)
        total, count = 0.0, 0
        for batch, share in batches(chance):
            done = (epoch - 1 + share) / recipe.epochs
            heartbeat(done)
            optimizer.param_groups[0]["lr"] = RATE * min(1.0, done * 30 + 0.05) * 0.5 * (1 + math.cos(math.pi * done))
            loss = work(towers, batch, chance)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total, count = total + float(loss.detach()), count + 1
        yield step(epoch, total / count)


def _picked(table: Tensor, rows: Tensor) -> Tensor:
    """Rows of a table. As `table[rows]`, but its gradient is summed in one order, so that bytes come again."""
    import torch

    return torch.nn.functional.embedding(rows, table)


def _users_of(seen: csr_matrix, size: int) -> Callable[[Any], Iterator[tuple[Any, float]]]:
    """Batches of users: rows, weights (b, n_items), watched (b, n_items) and counts (b, 1)."""
    import torch

    people = torch.from_numpy(np.flatnonzero(np.diff(seen.indptr)))

    def batches(chance: Any) -> Iterator[tuple[Any, float]]:
        order = people[torch.randperm(len(people), generator=chance)].split(size)
        for number, rows in enumerate(order):
            weights = torch.from_numpy(np.asarray(seen[rows.numpy()].todense(), np.float32))
            watched = (weights > 0).float()
            yield (rows, weights, watched, watched.sum(1, keepdim=True)), number / len(order)

    return batches


def _full_softmax(towers: Towers, batch: Any, chance: Any) -> Tensor:
    """Minus the log probability of the films watched, their weights as counts, over all films."""
    import torch

    rows, weights, watched, counts = batch
    logits = _hidden(towers, watched, counts, rows, chance) @ towers._items().T / towers.recipe.temperature
    logits = logits + towers.weights["bias"]
    return -(torch.log_softmax(logits, 1) * weights).sum(1).mean() / 50


def _hidden(towers: Towers, watched: Tensor, counts: Tensor, rows: Tensor, chance: Any) -> Tensor:
    """Users with a part of their films hidden, so that the tower learns to find films that it is not told."""
    import torch

    dropout = towers.recipe.dropout
    kept = (torch.rand(watched.shape, generator=chance) >= dropout).float() / (1 - dropout)
    return towers._users(watched * kept, counts, rows)


def _pairs_of(seen: csr_matrix) -> Callable[[Any], Iterator[tuple[Any, float]]]:
    """Batches of watched pairs: users (b,), films (b,), their weights, what the users watched, and popularity."""
    import torch

    table = seen.tocoo()
    users, films = torch.from_numpy(table.row.astype(np.int64)), torch.from_numpy(table.col.astype(np.int64))
    weights = torch.from_numpy(table.data.astype(np.float32))
    share = torch.from_numpy(np.bincount(table.col, minlength=seen.shape[1]).astype(np.float32)) / len(users)

    def batches(chance: Any) -> Iterator[tuple[Any, float]]:
        order = torch.randperm(len(users), generator=chance).split(PAIRS)
        for number, rows in enumerate(order):
            watched = torch.from_numpy((seen[users[rows].numpy()] > 0).astype(np.float32).toarray())
            yield (users[rows], films[rows], weights[rows], watched, share), number / len(order)

    return batches


def _pairwise(towers: Towers, batch: Any, chance: Any) -> Tensor:
    """In-batch softmax, BPR or hinge on a batch of watched pairs."""
    import torch

    users, films, weights, watched, share = batch
    recipe = towers.recipe
    people = _hidden(towers, watched, watched.sum(1, keepdim=True), users, chance)
    table, bias = towers._items() / recipe.temperature, towers.weights["bias"]
    if recipe.loss == "in-batch softmax":
        logits = people @ _picked(table, films).T + bias.index_select(0, films) - share[films].log()
        same = films[None, :] == films[:, None]
        same.fill_diagonal_(False)
        known = watched[:, films].bool() & ~torch.eye(len(films), dtype=torch.bool)
        logits = logits.masked_fill(same | known, -1e9)
        return (torch.nn.functional.cross_entropy(logits, torch.arange(len(films)), reduction="none") * weights).mean()
    scores = (people * _picked(table, films)).sum(1) + bias.index_select(0, films)
    if recipe.negatives == "none":
        # lengths would grow without end: what remains to learn is the direction
        apart = torch.nn.functional.cosine_similarity(people, _picked(table, films), dim=1)
        return -(apart * weights).mean()
    others = _negatives(towers, people, table, bias, watched, share, chance)
    wrong = (people * _picked(table, others)).sum(1) + bias.index_select(0, others)
    if recipe.loss == "BPR":
        return -(torch.nn.functional.logsigmoid(scores - wrong) * weights).mean()
    per_user = torch.zeros(towers.shape[0]).index_add(0, users, (wrong - scores) * weights)
    return per_user.clamp(min=0).sum() / len(users)


def _negatives(
    towers: Towers, people: Tensor, table: Tensor, bias: Tensor, watched: Tensor, share: Tensor, chance: Any
) -> Tensor:
    """A film for each pair that its user has not watched: (b,)."""
    import torch

    n = len(watched)
    if towers.recipe.negatives == "hard":
        drawn = torch.randint(0, len(share), (n, CANDIDATES), generator=chance)
        with torch.no_grad():
            scores = (people[:, None] * table[drawn]).sum(2) + bias[drawn]
            scores = scores.masked_fill(watched.gather(1, drawn) > 0, -1e9)
        hardest = drawn.gather(1, scores.argmax(1, keepdim=True))
        stuck = watched.gather(1, hardest)[:, 0] > 0  # users who have watched all 20
        if stuck.any():
            hardest[stuck] = torch.multinomial(1 - watched[stuck] + 1e-9, 1, generator=chance)
        return hardest[:, 0]
    odds = (share if towers.recipe.negatives == "popularity" else torch.ones_like(share)) * (1 - watched) + 1e-9
    return torch.multinomial(odds, 1, generator=chance)[:, 0]
