"""Users and items on one map that turns as little as possible from step to step, and how near to true tastes it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embedkit.interactions.training import Seen
from embedkit.space import Vectors, to_unit

__all__ = ["TowersPlane", "like_truth", "towers_plane_of"]

PAIRS = 20_000


@dataclass(frozen=True, eq=False)
class TowersPlane:
    """A map (n_users, 2) and (n_items, 2) of directions: vectors without bias, at length 1, by one PCA for both.

    Each tower's mean is taken out first: what all users share moves no list. `mean` (d,), the users', and `axes` (2, d)
    place other users; `share` of the variance lies in the plane.
    """

    users: Vectors
    items: Vectors
    mean: Vectors
    axes: Vectors
    share: float

    def place(self, vectors: Vectors) -> Vectors:
        """Where vectors of users (n, d + 1), with their last number, stand: (n, 2)."""
        found: Vectors = (to_unit(vectors[:, :-1]) - self.mean) @ self.axes.T
        return found


def towers_plane_of(seen: Seen, before: TowersPlane | None = None) -> TowersPlane:
    """The map of a step; with the one `before`, turned or mirrored to lie as near to it as can be (Schoenemann 1966).

    Two dimensions are drawn as they are, at their own lengths.
    """
    from scipy.linalg import orthogonal_procrustes

    users, items = to_unit(seen.users[:, :-1]), to_unit(seen.items[:, :-1])
    mean = users.mean(0)
    both = np.vstack([users - mean, items - items.mean(0)]).astype(np.float64)
    _, values, directions = np.linalg.svd(both, full_matrices=False)
    axes = directions[:2]
    if len(axes) < 2:
        axes = np.vstack([axes, np.zeros_like(axes)])[:2]
    axes = axes * np.where(axes[np.arange(2), np.abs(axes).argmax(1)] < 0, -1, 1)[:, None]
    places = both @ axes.T
    if before is not None:
        turn, _ = orthogonal_procrustes(places, np.vstack([before.users, before.items]))
        axes, places = turn.T @ axes, places @ turn
    share = float((values[:2] ** 2).sum() / max((values**2).sum(), 1e-12))
    found = places.astype(np.float32)
    split = len(users)
    return TowersPlane(found[:split], found[split:], mean.astype(np.float32), axes.astype(np.float32), share)


def like_truth(learned: Vectors, true: Vectors, seed: int = 0) -> float:
    """Spearman's correlation of cosines over 20,000 seeded pairs of users: learned (n, d) against true (n, e)."""
    from scipy.stats import spearmanr

    a, b = np.random.default_rng(seed).integers(0, len(true), (2, PAIRS))
    apart = a != b
    cosines = [(to_unit(each)[a] * to_unit(each)[b]).sum(1)[apart] for each in (learned, true)]
    return float(spearmanr(*cosines).statistic)
