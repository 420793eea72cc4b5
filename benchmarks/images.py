"""Pictures: autoencoders beside PCA on digits and Fashion-MNIST, small classifiers, what their vectors are good for.

Held-out parts took no part in choosing anything: settings were chosen on parts of the training pictures. Fashion-MNIST
is read from ../shared/data (EMBEDKIT_SHARED names another folder that holds data/fashion-mnist).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator

from benchmarks import _common as common
from benchmarks._common import ROOT, Figure, Skip, median, timed

SEEDS = (0, 1, 2)
# latent size: at most this held-out error on digits
ERRORS = {2: 0.0285, 8: 0.0103, 16: 0.0077}
ACCURACY = 0.91
SECONDS = 6.0
FASHION = {"latent": 32, "epochs": 30}
SHARE = 0.75  # of PCA's error


def digits(runs: int) -> Iterator[Figure]:
    """Autoencoders of each size on digits, seed by seed, beside PCA; the time of the training alone."""
    from embedkit.images import Autoencoder, Recipe, figures_of, train
    from embedkit.sources.pictures import digits as load

    pictures = load()
    train_rows, held_rows = pictures.split()

    def trained(recipe: Recipe) -> Autoencoder:
        (*_, last) = train(pictures.pixels, recipe, train_rows=train_rows, held_rows=held_rows)
        return Autoencoder(recipe, pictures.pixels.shape[1:], last.weights)

    for network in ("dense", "conv"):
        for size, bar in ERRORS.items():
            pairs = [figures_of(pictures, trained(Recipe(network, size, seed=seed))) for seed in SEEDS]  # type: ignore[arg-type]
            name, dense = f"digits, {network}, d = {size}", network == "dense"
            errors = [ours.held_error for ours, _ in pairs]
            said = f"PCA {pairs[0][1].held_error:.4f}; seeds {SEEDS}"
            yield median(f"{name}: held-out error", errors, "", aim=bar if dense else None, note=said)
            accuracies = [ours.accuracy or 0.0 for ours, _ in pairs]
            bar_here = ACCURACY if size == 2 and dense else None
            said = f"PCA {pairs[0][1].accuracy:.3f}"
            yield median(f"{name}: kNN accuracy", accuracies, "", aim=bar_here, sense=">", note=said)
            recipe = Recipe(network, size)  # type: ignore[arg-type]
            times = [timed(lambda recipe=recipe: trained(recipe)) for _ in range(runs)]
            yield median(f"{name}: training", times, aim=SECONDS if dense else None)


def as_job(runs: int) -> Iterator[Figure]:
    """From the press of the button to the finished result, as a job: worker process, steps kept, figures measured."""
    from embedkit.images import Recipe, Source, request_training
    from embedkit.jobs import Pool
    from embedkit.store import Store, home

    pool = Pool(1, Store(home() / "bench"))
    pool.warm("embedkit.maps:warm_up")
    try:
        times = []
        for seed in range(100, 101 + runs):
            job = request_training(Source(), Recipe(seed=seed), pool)
            times.append(timed(lambda job=job: job.wait(300)))
        yield Figure("digits, d = 2, as a job: the first, with imports", times[0], "s")
        yield median("digits, d = 2, as a job: the next ones", times[1:], aim=SECONDS)
    finally:
        pool.close()


def classifiers(runs: int) -> Iterator[Figure]:
    """Small CNN and ViT: held-out accuracy and time; what vectors trained on one label are worth on another."""
    from embedkit.images import fit_pca, label_columns
    from embedkit.images.classifiers import Classifier, ClassifierRecipe
    from embedkit.images.compare import accuracies, trained
    from embedkit.sources.picture_sets import load_pictures

    for name, asked in (("digits", ("label", "even")), ("shapes", ("label", "color"))):
        pictures = load_pictures(name)
        columns = label_columns(pictures)
        pca = fit_pca(pictures.pixels[pictures.split()[0]], 16).encode(pictures.pixels)
        plain = accuracies(pictures, {"pixels": pictures.flat, "PCA 16": pca}, columns)
        for column in asked:
            vectors = {}
            for kind in ("cnn", "vit"):
                found, times = [], []
                for seed in SEEDS[: runs if name == "digits" else 1]:
                    (*_, last) = trained(pictures, column, ClassifierRecipe(kind, seed=seed))
                    found.append(last.held_accuracy)
                    times.append(last.seconds)
                    if seed == 0:
                        network = ClassifierRecipe(kind), pictures.pixels.shape[1:], len(set(columns[column]))
                        vectors[kind] = Classifier(*network, last.weights).encode(pictures.pixels)
                yield median(f"{name}, {kind} learns {column}: held-out accuracy", found, "")
                yield median(f"{name}, {kind} learns {column}: training", times)
            for other in columns:
                rows = {**plain, **accuracies(pictures, vectors, {other: columns[other]})}
                said = ", ".join(f"{maker} {row[other]:.3f}" for maker, row in rows.items() if maker != "cnn")
                yield Figure(f"{name}, kNN on {other}, cnn learned {column}", rows["cnn"][other], "", note=said)


FASHION_CODE = """
import json, resource, sys, time
import numpy as np
from embedkit.images import Autoencoder, Recipe, fit_pca, mean_squared_error, train
from embedkit.sources.picture_sets import load_pictures, load_test_part
folder, settings = sys.argv[1], json.loads(sys.argv[2])
known, asked = load_pictures("fashion-mnist", folder=folder), load_test_part("fashion-mnist", folder)
pixels = np.concatenate([known.pixels, asked.pixels])
train_rows, held_rows = np.arange(known.n), np.arange(known.n, len(pixels))
start = time.perf_counter()
pca = fit_pca(known.pixels, settings["latent"])
pca_seconds = time.perf_counter() - start
recipe = Recipe(**settings)
(*_, last) = train(pixels, recipe, train_rows=train_rows, held_rows=held_rows)
model = Autoencoder(recipe, pixels.shape[1:], last.weights)
print(json.dumps({
    "error": mean_squared_error(asked.pixels, model.reconstruct(asked.pixels)),
    "pca": mean_squared_error(asked.pixels, pca.reconstruct(asked.pixels)),
    "seconds": last.seconds, "pca_seconds": pca_seconds,
    "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
}))
"""


def fashion() -> Iterator[Figure]:
    """All of Fashion-MNIST, 32 numbers, in a process of its own: error beside PCA's, time, memory."""
    folder = common.shared("fashion-mnist")
    command = [sys.executable, "-c", FASHION_CODE, str(folder), json.dumps(FASHION)]
    found = json.loads(subprocess.check_output(command, cwd=ROOT))
    said = f"error {found['error']:.5f}, PCA {found['pca']:.5f}"
    title = f"Fashion-MNIST, 60,000, d = {FASHION['latent']}"
    yield Figure(f"{title}: share of PCA's test error", found["error"] / found["pca"], "", SHARE, "<", said)
    yield Figure(f"{title}: training, {FASHION['epochs']} epochs", found["seconds"], "s")
    yield Figure(f"{title}: PCA", found["pca_seconds"], "s")
    yield Figure(f"{title}: memory at most", found["memory"], "GB")


def measure(args: argparse.Namespace) -> Iterator[Figure | Skip]:
    """All figures of this benchmark."""
    with common.own_home():
        yield from common.parts(digits(args.runs), as_job(args.runs), classifiers(args.runs), fashion())


if __name__ == "__main__":
    sys.exit(common.main(measure, __doc__, common.parser(__doc__, runs=3)))
