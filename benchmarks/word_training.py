"""Learning word vectors: 16 million words of Wikipedia by four methods, gensim beside us, and the sample of the page.

The text is read from ../shared/data/wikipedia-en-2015 (EMBEDKIT_SHARED names another folder that holds it). Settings
are published ones: window 10 and 10 negatives, as the figure to reach was taken with, all else gensim's defaults (the
second try: docs/benchmarks.md has the first); GloVe's text8 demo; window 5 for LSA, as skip-gram's usual one. Every
training runs in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import _common as common
from benchmarks._common import Figure, Skip, median

TEXT = "wikiextractor-AA-wiki_00-99.txt.gz"
BIG: dict[str, dict[str, Any]] = {
    "skip-gram": {"window": 10, "negatives": 10, "epochs": 5, "sample": 1e-3, "rate": 0.025, "threads": 2},
    "LSA": {"window": 5},
    "GloVe": {"window": 10, "epochs": 25},
}
AIMS = {"WordSim-353": 0.66, "SimLex-999": 0.29, "all": 0.40}  # of skip-gram
SHOWN = {
    "WordSim-353": "WordSim-353",
    "SimLex-999": "SimLex-999",
    "all": "analogies",
    "semantic": "analogies, semantic",
}
SPEED = {"window": 5, "negatives": 5, "epochs": 3, "sample": 1e-3, "rate": 0.05, "threads": 2}


def text_of(folder: Path) -> Path:
    """The articles without their <doc> lines, unpacked into `folder`."""
    path = folder / "wikipedia.txt"
    # line by line: a child's peak memory counts from what its parent had when it was started
    with (
        gzip.open(common.shared("wikipedia-en-2015") / TEXT, "rt", encoding="utf-8") as source,
        path.open("w", encoding="utf-8") as target,
    ):
        target.writelines(line for line in source if not line.startswith(("<doc", "</doc")))
    return path


def child(order: dict[str, Any]) -> dict[str, Any]:
    """One training, in this process: seconds, scores, and peak memory in MB."""
    import resource

    import numpy as np

    from embedkit.sources.corpora import read_corpus, wikipedia
    from embedkit.words.learning import WordRecipe, learn
    from embedkit.words.scores import word_scores
    from embedkit.words.word_training import recipe_of

    corpus = read_corpus(Path(order["text"]), most_bytes=10**9) if order["text"] else wikipedia()
    given = order["recipe"]
    recipe = WordRecipe(**given) if order["text"] else recipe_of(**given)
    start = time.perf_counter()
    found: dict[str, Any] = {}
    if order["how"] == "gensim":
        found["seconds"] = gensim_alone(corpus, recipe)
    else:
        step, untrained = None, 0.0
        for step in learn(corpus, recipe):
            if step.epoch == 0:  # GloVe: the time of counting
                untrained = step.seconds
        assert step is not None
        found["seconds"] = time.perf_counter() - start
        learning = step.seconds - (untrained if recipe.method == "GloVe" else 0.0)
        found["speed"] = step.words / max(learning, 1e-9) if recipe.method != "LSA" else 0.0
        words = corpus.words[: len(step.vectors)]
        assert np.isfinite(step.vectors).all()
        found["scores"] = {
            name: (score.value, score.coverage) for name, score in word_scores(words, step.vectors).items()
        }
    found["tokens"] = corpus.n_tokens
    found["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
    return found


def gensim_alone(corpus: Any, recipe: Any) -> float:
    """Seconds of gensim's Word2Vec with the same settings, from a text that is written already."""
    from gensim.models import Word2Vec

    size = corpus.size(recipe.min_count, recipe.most)
    with tempfile.TemporaryDirectory() as folder:
        path = corpus.write(Path(folder) / "text.txt", size)
        start = time.perf_counter()
        Word2Vec(
            corpus_file=str(path),
            vector_size=recipe.dims,
            window=recipe.window,
            negative=recipe.negatives,
            alpha=recipe.rate,
            sample=recipe.sample,
            min_count=1,
            epochs=recipe.epochs,
            workers=recipe.threads,
            seed=recipe.seed,
            sg=1,
        )
        return time.perf_counter() - start


def run(text: Path | None, how: str = "ours", **recipe: Any) -> dict[str, Any]:
    """What `child` finds in a process of its own."""
    order = json.dumps({"text": str(text) if text else "", "how": how, "recipe": recipe})
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.word_training", "--child", order]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=common.ROOT, env=os.environ)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def big(text: Path) -> Iterator[Figure]:
    """Each method once on all words."""
    for method, given in BIG.items():
        found = run(text, method=method, **given)
        for name, title in SHOWN.items():
            value, coverage = found["scores"][name]
            aim = AIMS.get(name) if method == "skip-gram" else None
            yield Figure(f"16 M words, {method}: {title}", value, "", aim, ">", f"coverage {100 * coverage:.0f} %")
        yield Figure(f"16 M words, {method}: seconds", found["seconds"], "s")
        yield Figure(f"16 M words, {method}: peak memory", found["peak"], "MB", 2_000)


def speed(text: Path, runs: int) -> Iterator[Figure]:
    """Three epochs of skip-gram by gensim alone and by us, in turn, all but reading the text; GloVe beside it."""
    ours, alone, glove = [], [], []
    for _ in range(runs):
        found = run(text, "gensim", method="skip-gram", **SPEED)
        alone.append(found["seconds"])
        ours.append(run(text, method="skip-gram", **SPEED)["seconds"])
        glove.append(run(text, method="GloVe", window=5, epochs=2)["speed"])
    words = found["tokens"]
    yield median("three epochs of skip-gram, gensim alone", alone)
    yield median("three epochs of skip-gram, ours", ours)
    yield median("ours over gensim alone", [a / b for a, b in zip(ours, alone, strict=True)], "", aim=1.05)
    rates = [SPEED["epochs"] * words / seconds for seconds in alone]
    yield median("gensim alone: words a second", rates, "")
    shares = [a / b for a, b in zip(glove, rates, strict=True)]
    yield median("GloVe: words a second and epoch", glove, "", note="counting apart")
    yield median("GloVe's share of gensim's speed", shares, "", aim=0.2, sense=">")


def sample(runs: int) -> Iterator[Figure]:
    """gensim's sample of Wikipedia with the settings that the page starts with."""
    for method in ("skip-gram", "CBOW", "fastText", "GloVe", "LSA"):
        found = [run(None, method=method) for _ in range(runs if method == "skip-gram" else 1)]
        score, coverage = found[0]["scores"]["WordSim-353"]
        aim = 0.36 if method == "skip-gram" else None
        yield Figure(f"sample, {method}: WordSim-353", score, "", aim, ">", f"coverage {100 * coverage:.0f} %")
        limit = 15.0 if method == "skip-gram" else None
        yield median(f"sample, {method}: seconds", [each["seconds"] for each in found], aim=limit)


def measure(args: argparse.Namespace) -> Iterator[Figure | Skip]:
    """All figures of this benchmark."""
    yield from common.parts(sample(args.runs))
    with tempfile.TemporaryDirectory() as folder:
        try:
            text = text_of(Path(folder))
        except Skip as reason:
            yield reason
            return
        yield from speed(text, args.runs)
        yield from big(text)


def options() -> argparse.ArgumentParser:
    """The command line."""
    found = common.parser(__doc__ or "", 3)
    found.add_argument("--child", help=argparse.SUPPRESS)
    return found


if __name__ == "__main__":
    given = options().parse_args()
    if given.child:
        print(json.dumps(child(json.loads(given.child))))
        sys.exit(0)
    sys.exit(common.main(measure, __doc__ or "", options()))
