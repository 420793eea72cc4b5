"""Users and items as vectors: what people watched, how lists for them are measured, and the methods to beat."""

from embedkit.interactions.baselines import Baseline, als, bpr, ease, item_knn, popularity, title_mean
from embedkit.interactions.evaluation import Ranking, evaluate, recall_at, top_items

__all__ = [
    "Baseline",
    "Ranking",
    "als",
    "bpr",
    "ease",
    "evaluate",
    "item_knn",
    "popularity",
    "recall_at",
    "title_mean",
    "top_items",
]
