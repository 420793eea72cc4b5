"""Users and items as vectors: what people watched, how lists for them are measured, and the methods to beat."""

from embedkit.interactions.baselines import Baseline, als, bpr, ease, item_knn, popularity, title_mean
from embedkit.interactions.evaluation import Ranking, evaluate, recall_at, top_items
from embedkit.interactions.nearest import (
    HnswIndex,
    RetrievalRow,
    exact_top,
    retrieval_table,
    retrieval_task,
    simulated_vectors,
)

__all__ = [
    "Baseline",
    "HnswIndex",
    "Ranking",
    "RetrievalRow",
    "als",
    "bpr",
    "ease",
    "evaluate",
    "exact_top",
    "item_knn",
    "popularity",
    "recall_at",
    "retrieval_table",
    "retrieval_task",
    "simulated_vectors",
    "title_mean",
    "top_items",
]
