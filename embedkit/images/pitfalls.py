"""Two pitfalls of autoencoders, measured: a bottleneck too small or too large, and one so wide that noise passes."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from embedkit.images.autoencoder import Autoencoder, Recipe, train
from embedkit.images.measures import fit_pca, knn_accuracy, mean_squared_error
from embedkit.images.source import Source, examples, load_source
from embedkit.jobs import Job, Pool
from embedkit.sources.pictures import Pictures
from embedkit.space import Vectors
from embedkit.store import Entry
from embedkit.worker import Report

__all__ = [
    "NOISE",
    "NOISE_NETWORKS",
    "SIZES",
    "NoiseResult",
    "SizeResult",
    "noise_results",
    "noise_task",
    "request_noise",
    "request_sizes",
    "size_results",
    "sizes_task",
]

SIZES = (2, 4, 8, 16, 32, 64, 128)
NOISE = 0.4  # standard deviation; pixels run from 0 to 1
PLAIN, NARROW, DENOISING = "wide, copies what it is given", "narrow, copies what it is given", "wide, denoising"
NOISE_NETWORKS = {
    PLAIN: Recipe(latent=128, noise=NOISE, copy=True),
    NARROW: Recipe(latent=8, noise=NOISE, copy=True),
    DENOISING: Recipe(latent=128, noise=NOISE),
}
SIZES_TASK = "embedkit.images.pitfalls:sizes_task"
NOISE_TASK = "embedkit.images.pitfalls:noise_task"


@dataclass(frozen=True)
class SizeResult:
    """An autoencoder with `size` latent numbers beside PCA of that size: errors a pixel, accuracy of 5 neighbors."""

    size: int
    train_error: float
    held_error: float
    accuracy: float | None
    pca_error: float
    pca_accuracy: float | None


@dataclass(frozen=True)
class NoiseResult:
    """What a network does with noise, on held-out pictures.

    `passed` is the share of the added noise that comes out again (the regression of the change of the output on the
    noise), `error` the squared error to the clean picture, `given_error` that of the noisy input itself, `static_error`
    that of pure noise against what comes out for it, `static_variance` its variance, which a constant answer would get.
    """

    name: str
    latent: int
    passed: float
    error: float
    given_error: float
    static_error: float
    static_variance: float


def request_sizes(source: Source, pool: Pool) -> Job:
    """The job that trains one autoencoder for each latent size."""
    return pool.submit(SIZES_TASK, {"source": source.params()}, title="Trying latent sizes")


def request_noise(pool: Pool) -> Job:
    """The job that feeds noise to networks trained on digits."""
    return pool.submit(NOISE_TASK, {}, title="Feeding noise")


def sizes_task(report: Report, *, source: dict[str, Any]) -> tuple[dict[str, Vectors], dict[str, Any]]:
    """Task of a worker: an autoencoder for each size; after each, what is known so far is a step."""
    pictures = load_source(Source(**source))
    shown = pictures.pixels[list(examples(pictures, pictures.split()[1]))]
    results: list[dict[str, Any]] = []
    drawn: dict[str, Vectors] = {}
    for number, size in enumerate(SIZES):
        model = _trained(report, pictures, Recipe(latent=size), number, len(SIZES), f"latent size {size}")
        results.append(asdict(_measured(pictures, model)))
        drawn[f"drawn.{size}"] = model.reconstruct(shown)
        report.step(number, drawn, {"results": results})
    return drawn, {"results": results}


def _trained(report: Report, pictures: Pictures, recipe: Recipe, number: int, count: int, text: str) -> Autoencoder:
    train_rows, held_rows = pictures.split()

    def beat(done: float) -> None:
        report((number + done) / count, text)

    steps = train(pictures.pixels, recipe, train_rows=train_rows, held_rows=held_rows, heartbeat=beat)
    (last,) = deque(steps, maxlen=1)
    return Autoencoder(recipe, pictures.pixels.shape[1:], last.weights)


def _measured(pictures: Pictures, model: Autoencoder) -> SizeResult:
    train_rows, held_rows = pictures.split()
    known, asked = pictures.pixels[train_rows], pictures.pixels[held_rows]
    pca = fit_pca(known, model.recipe.latent)
    accuracies: list[float | None] = [None, None]
    if len(pictures.classes) > 1:
        labels, truth = ([pictures.labels[row] for row in rows] for rows in (train_rows, held_rows))
        accuracies = [knn_accuracy(each.encode(known), labels, each.encode(asked), truth) for each in (model, pca)]
    errors = [mean_squared_error(part, model.reconstruct(part)) for part in (known, asked)]
    pca_error = mean_squared_error(asked, pca.reconstruct(asked))
    return SizeResult(model.recipe.latent, errors[0], errors[1], accuracies[0], pca_error, accuracies[1])


def noise_task(report: Report) -> tuple[dict[str, Vectors], dict[str, Any]]:
    """Task of a worker: train the networks of NOISE_NETWORKS on digits and feed them noise."""
    pictures = load_source(Source("digits"))
    _, held_rows = pictures.split()
    chance = np.random.default_rng(0)
    clean = pictures.pixels[held_rows]
    given = _noisy(clean, chance)
    static = chance.uniform(0, 1, clean.shape).astype(np.float32)
    rows = [int(np.flatnonzero(held_rows == row)[0]) for row in examples(pictures, held_rows)]
    arrays = {"clean": clean[rows], "given": given[rows], "static": static[rows]}
    results = []
    for number, (name, recipe) in enumerate(NOISE_NETWORKS.items()):
        model = _trained(report, pictures, recipe, number, len(NOISE_NETWORKS), name)
        results.append(asdict(_noise_result(name, model, clean, given, static)))
        arrays[f"given.{number}"] = model.reconstruct(given[rows])
        arrays[f"static.{number}"] = model.reconstruct(static[rows])
    return arrays, {"results": results}


def _noisy(clean: Vectors, chance: np.random.Generator) -> Vectors:
    return np.clip(clean + NOISE * chance.standard_normal(clean.shape, np.float32), 0, 1)


def _noise_result(name: str, model: Autoencoder, clean: Vectors, given: Vectors, static: Vectors) -> NoiseResult:
    noise = (given - clean).astype(np.float64)
    out = model.reconstruct(given)
    change = (out - model.reconstruct(clean)).astype(np.float64)
    return NoiseResult(
        name,
        model.recipe.latent,
        passed=float((noise * change).sum() / (noise**2).sum()),
        error=mean_squared_error(clean, out),
        given_error=mean_squared_error(clean, given),
        static_error=mean_squared_error(static, model.reconstruct(static)),
        static_variance=float(static.var()),
    )


def size_results(entry: Entry) -> tuple[SizeResult, ...]:
    """The measured sizes of a result or of a step."""
    return tuple(SizeResult(**each) for each in _listed(entry.meta))


def noise_results(entry: Entry) -> tuple[NoiseResult, ...]:
    """The measured networks of a result."""
    return tuple(NoiseResult(**each) for each in _listed(entry.meta))


def _listed(meta: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = meta["results"]
    return found
