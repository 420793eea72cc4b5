"""Training as a job: a frozen step now and then kept in the store, stopped and gone on with, shared by all who ask."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from embedkit.errors import JobStopped
from embedkit.images.autoencoder import Autoencoder, Recipe, Step, train
from embedkit.images.measures import Pca, fit_pca, knn_accuracy, mean_squared_error
from embedkit.images.source import Source, load_source
from embedkit.jobs import Job, Pool
from embedkit.sources.pictures import Pictures
from embedkit.space import Vectors
from embedkit.store import Entry, Store, default_store, recipe_key, step_key
from embedkit.worker import Report, spaced_epochs

__all__ = [
    "KEPT",
    "Figures",
    "Trained",
    "figures_of",
    "kept_epochs",
    "kept_steps",
    "kept_training",
    "request_training",
    "train_task",
    "trained_at",
    "training_key",
]

TASK = "embedkit.images.training:train_task"
KEPT = 16  # steps of a training that are kept, the untrained one among them
CURVE = 300  # points of a curve at most


@dataclass(frozen=True, eq=False)
class Trained:
    """An autoencoder as it was after an epoch, and its losses until then: `curve` (epoch, train, held-out) by row."""

    model: Autoencoder
    epoch: int
    epochs: int
    train_loss: float
    held_loss: float
    seconds: float
    curve: Vectors


@dataclass(frozen=True)
class Figures:
    """What an autoencoder or PCA of `size` numbers is worth: squared errors, and kNN accuracy (None without labels)."""

    name: str
    size: int
    train_error: float
    held_error: float
    accuracy: float | None


def kept_epochs(epochs: int) -> tuple[int, ...]:
    """The epochs whose steps are kept: 0, then ever further apart, as less and less changes; the last always."""
    return spaced_epochs(epochs, KEPT)


def _params(source: Source, recipe: Recipe) -> dict[str, Any]:
    return {"source": source.params(), "recipe": asdict(recipe)}


def training_key(source: Source, recipe: Recipe) -> str:
    """The store's key of a training."""
    return recipe_key(TASK, **_params(source, recipe))


def request_training(source: Source, recipe: Recipe, pool: Pool) -> Job:
    """The job of a training: done if it is kept, running if somebody started it, else started, or gone on with."""
    of = load_source(source).title.lower()
    return pool.submit(TASK, _params(source, recipe), title=f"Training on {of}", key=training_key(source, recipe))


def kept_training(source: Source, recipe: Recipe) -> dict[str, Vectors]:
    """Weights of the finished training: those kept in the store, else trained here and now, and kept."""
    key, store = training_key(source, recipe), default_store()

    def make() -> tuple[dict[str, Any], dict[str, Any]]:
        return train_task(Report(), **_params(source, recipe))

    return _named(store.get_or_make(key, make, name="an autoencoder"), "w.")


def train_task(
    report: Report, *, source: dict[str, Any], recipe: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Task of a worker: train, keep steps, and return the last step's weights with its figures beside PCA's."""
    where, what = Source(**source), Recipe(**recipe)
    pictures, key, store = load_source(where), training_key(where, what), default_store()
    train_rows, held_rows = pictures.split()
    what_whole = what.whole(len(train_rows), pictures.flat.shape[1])
    kept = set(kept_epochs(what_whole.epochs))
    after, earlier, curve = _unfinished(store, key)
    report.kept(earlier)
    step = after

    def beat(done: float) -> None:  # raises JobStopped
        text = f"epoch {step.epoch if step else 0} of {what_whole.epochs}"
        report(done, text, curve=_thinned(curve))

    try:
        for step in train(
            pictures.pixels, what, train_rows=train_rows, held_rows=held_rows, after=after, heartbeat=beat
        ):
            curve.append((step.epoch, step.train_loss, step.held_loss))
            if step.epoch in kept:
                report.step(step.epoch, _weights(step), _meta(step, curve))
    except JobStopped:
        if step is not None:  # with what the optimizer remembers, so that it can be gone on with
            report.step(step.epoch, {**_weights(step), **_moments(step)}, _meta(step, curve))
        raise
    assert step is not None
    report(1.0, "measuring")
    model = Autoencoder(what, pictures.pixels.shape[1:], step.weights)
    figures = [asdict(each) for each in figures_of(pictures, model)]
    arrays = {**_weights(step), "codes": model.encode(pictures.pixels)}
    return arrays, {**_meta(step, curve), "figures": figures, "parameters": model.parameters}


def _unfinished(store: Store, key: str) -> tuple[Step | None, list[int], list[tuple[int, float, float]]]:
    """The last step of a run that was stopped, the numbers of all its steps, and its curve."""
    steps = kept_steps(store, key)
    entry = store.get(step_key(key, steps[-1])) if steps else None
    if entry is None or not any(name.startswith("m.") for name in entry.arrays):
        return None, [], []
    meta = entry.meta
    moments = _named(entry, "m.")
    weights = _named(entry, "w.")
    step = Step(meta["epoch"], meta["epochs"], weights, moments, meta["train_loss"], meta["held_loss"], meta["seconds"])
    return step, list(steps), [(int(epoch), train, held) for epoch, train, held in meta["curve"]]


def _named(entry: Entry, head: str) -> dict[str, Vectors]:
    return {name[len(head) :]: array for name, array in entry.arrays.items() if name.startswith(head)}


def _weights(step: Step) -> dict[str, Vectors]:
    return {f"w.{name}": array for name, array in step.weights.items()}


def _moments(step: Step) -> dict[str, Vectors]:
    return {f"m.{name}": array for name, array in step.moments.items()}


def _meta(step: Step, curve: list[tuple[int, float, float]]) -> dict[str, Any]:
    return {
        "epoch": step.epoch,
        "epochs": step.epochs,
        "train_loss": step.train_loss,
        "held_loss": step.held_loss,
        "seconds": step.seconds,
        "curve": _thinned(curve),
    }


def _thinned(curve: list[tuple[int, float, float]]) -> list[tuple[int, float, float]]:
    thin = max(1, -(-len(curve) // CURVE))
    return [*curve[:-1:thin], *curve[-1:]]


def kept_steps(store: Store, key: str) -> tuple[int, ...]:
    """The epochs of the steps that a finished or stopped training left in the store."""
    listed = store.get_bytes(step_key(key, None))
    return tuple(json.loads(listed)) if listed else ()


def trained_at(store: Store, key: str, epoch: int, recipe: Recipe, shape: tuple[int, ...]) -> Trained | None:
    """The network as it was after an epoch, or None when neither that step nor a result of that epoch is kept."""
    entry = store.get(step_key(key, epoch))
    if entry is None and (meta := store.get_meta(key)) is not None and meta["epoch"] == epoch:
        entry = store.get(key)  # the last step is the result as well, which outlives the steps
    return None if entry is None else _trained(entry, recipe, shape)


def _trained(entry: Entry, recipe: Recipe, shape: tuple[int, ...]) -> Trained:
    meta: Mapping[str, Any] = entry.meta
    model = Autoencoder(recipe, shape, _named(entry, "w."))
    figures = (meta["train_loss"], meta["held_loss"], meta["seconds"])
    return Trained(model, meta["epoch"], meta["epochs"], *figures, np.array(meta["curve"], np.float64))


def figures_of(pictures: Pictures, model: Autoencoder) -> tuple[Figures, Figures]:
    """An autoencoder and PCA of the same size, fitted on the same pictures, measured on the same held-out ones."""
    train_rows, _ = pictures.split()
    pca = fit_pca(pictures.pixels[train_rows], model.recipe.latent)
    return _figures(pictures, model, "autoencoder"), _figures(pictures, pca, "PCA")


def _figures(pictures: Pictures, model: Autoencoder | Pca, name: str) -> Figures:
    train_rows, held_rows = pictures.split()
    known, asked = pictures.pixels[train_rows], pictures.pixels[held_rows]
    accuracy = None
    if len(set(pictures.labels)) > 1:
        labels, truth = ([pictures.labels[row] for row in rows] for rows in (train_rows, held_rows))
        accuracy = knn_accuracy(model.encode(known), labels, model.encode(asked), truth)
    size = model.recipe.latent if isinstance(model, Autoencoder) else model.size
    train_error, held_error = (mean_squared_error(part, model.reconstruct(part)) for part in (known, asked))
    return Figures(name, size, train_error, held_error, accuracy)
