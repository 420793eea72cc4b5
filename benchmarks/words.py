"""The shipped word vectors: people's judgments, analogies, size and times; --baseline measures model2vec as it comes.

gensim's own evaluation: Spearman correlation with WordSim-353 (Finkelstein et al. 2002) and SimLex-999 (Hill et al.
2015), Google analogies (Mikolov et al. 2013) by 3CosAdd with the question's words hidden, all 22,501 words searched.
Pairs and questions with a word that is not among them are left out, not counted wrong: see the coverage.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence

import numpy as np

import embedkit
from benchmarks import _common as common
from benchmarks._common import Figure, median, timed
from embedkit.encoders.models import find_model
from embedkit.paths import asset
from embedkit.sources.gensim_data import test_data

BASELINE = {"WordSim-353": 0.751, "SimLex-999": 0.487, "Google analogies": 66.5}  # model2vec 0.10 as it comes, 256


def evaluate(items: Sequence[str], vectors: np.ndarray, aims: dict[str, float]) -> Iterator[Figure]:
    """gensim's three evaluations with their coverage."""
    from gensim.models import KeyedVectors

    table = KeyedVectors(vectors.shape[1])
    table.add_vectors(list(items), np.asarray(vectors, np.float32))
    how = {"case_insensitive": True, "restrict_vocab": len(items)}
    for title, name in (("WordSim-353", "wordsim353.tsv"), ("SimLex-999", "simlex999.txt")):
        _, spearman, missing = table.evaluate_word_pairs(str(test_data(name)), **how)
        yield Figure(title, float(spearman[0]), "", aims.get(title), ">", f"coverage {100 - missing:.1f} %")
    title = "Google analogies"
    score, sections = table.evaluate_word_analogies(str(test_data("questions-words.txt")), **how)
    asked = len(sections[-1]["correct"]) + len(sections[-1]["incorrect"])
    with test_data("questions-words.txt").open(encoding="utf-8") as file:
        total = sum(not line.startswith(":") for line in file)
    note = f"{len(sections[-1]['correct']):,} of {asked:,} asked; coverage {100 * asked / total:.1f} %"
    yield Figure(title, 100 * score, "%", aims.get(title), ">", note)


def baseline() -> Iterator[Figure]:
    """The same words and evaluation for model2vec's distill_from_model with its defaults and 256 dimensions."""
    from model2vec.distill import distill_from_model
    from transformers import AutoModel, AutoTokenizer

    folder = str(find_model("minilm").folder)
    parts = [part.from_pretrained(folder, local_files_only=True) for part in (AutoModel, AutoTokenizer)]
    made: list = []
    seconds = timed(lambda: made.append(distill_from_model(parts[0].eval(), parts[1], pca_dims=256, device="cpu")))
    rows = made[0].tokenizer.get_vocab()
    items = embedkit.load("words/minilm").items
    vectors = made[0].embedding[[rows[item] for item in items]]
    for figure in evaluate(items, vectors, {}):
        yield Figure(f"model2vec as it comes: {figure.what}", figure.value, figure.unit, note=figure.note)
    yield Figure("model2vec as it comes: distilling", seconds, "s")


def times(runs: int) -> Iterator[Figure]:
    """What a page waits for: a word's vector, its exact neighbors, an analogy."""
    space = embedkit.load("words/minilm")
    words = np.random.default_rng(0).choice(space.items[:10_000], 200, replace=False).tolist()
    jobs = {
        "a word's vector": lambda word: space.vector(word),
        "10 nearest of 22,501, exact": lambda word: embedkit.search(space, word, 10),
        "an analogy": lambda word: embedkit.analogy(space, "man", "king", word),
    }
    for name, job in jobs.items():
        job(words[0])
        each = [1e3 * sum(timed(lambda w=word: job(w)) for word in words) / len(words) for _ in range(runs)]  # noqa: B023
        yield median(name, each, "ms", aim=10.0 if "nearest" in name else None)


def measure(args: argparse.Namespace) -> Iterator[Figure]:
    """Scores, size, times, and the baseline when asked."""
    start = timed(lambda: embedkit.load("words/minilm"))
    space = embedkit.load("words/minilm")
    yield from evaluate(space.items, space.vectors, BASELINE)
    files = ("words/minilm.safetensors", "words/minilm.words.txt")
    yield Figure("files shipped", sum(asset(name).stat().st_size for name in files) / 1e6, "MB")
    yield Figure("vectors in memory", space.vectors.nbytes / 1e6, "MB")
    yield Figure("loading, once a process", 1e3 * start, "ms")
    yield from times(args.runs)
    if args.baseline:
        yield from baseline()


def options() -> argparse.ArgumentParser:
    """The command line."""
    found = common.parser(__doc__ or "", 5)
    found.add_argument("--baseline", action="store_true", help="also distill with model2vec as it comes; a minute")
    return found


if __name__ == "__main__":
    sys.exit(common.main(measure, __doc__ or "", options()))
