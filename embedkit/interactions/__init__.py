"""Users and items as vectors: what people watched, and how lists for them are measured."""

from embedkit.interactions.evaluation import Ranking, evaluate, recall_at, top_items

__all__ = ["Ranking", "evaluate", "recall_at", "top_items"]
