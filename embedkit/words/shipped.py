"""What the views of pitfalls and of a reader open with: their experiments on the sample of Wikipedia."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from embedkit.words.reader import reader_key, reader_task
from embedkit.words.training_pitfalls import EXPERIMENTS, experiment_key, run_experiment
from embedkit.words.word_training import Text
from embedkit.worker import Report

__all__ = ["READERS", "shipped_experiments"]

READERS = (
    ("words/word2vec", "first"),
    ("words/word2vec", "title"),
    ("words/word2vec", "whole"),
    ("words/lsa", "first"),
    ("words/minilm", "first"),
)


def shipped_experiments() -> Iterator[tuple[str, str, Callable[[], Any]]]:
    """The name of each, its key in the store, and what makes it."""
    for name in EXPERIMENTS:
        yield name, experiment_key(name, Text()), lambda name=name: run_experiment(Report(), name, Text())  # type: ignore[misc]
    for words, part in READERS:
        yield (
            f"reader by {words}, {part}",
            reader_key(words, part),
            lambda words=words, part=part: reader_task(Report(), words=words, part=part),  # type: ignore[misc]
        )
