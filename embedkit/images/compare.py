"""The same pictures as vectors of several makers: classifiers trained as jobs, and what each vector is good for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from embedkit.errors import InputError
from embedkit.images.classifiers import Classifier, ClassifierRecipe, ClassifierStep, train_classifier
from embedkit.images.measures import knn_accuracy
from embedkit.images.source import Source, label_columns, load_source
from embedkit.jobs import Job, Pool
from embedkit.sources.pictures import Pictures
from embedkit.space import Vectors
from embedkit.store import Entry, default_store, recipe_key
from embedkit.worker import Report

__all__ = [
    "accuracies",
    "classifier_key",
    "classifier_of",
    "classifier_task",
    "kept_classifier",
    "request_classifier",
    "trained",
]

TASK = "embedkit.images.compare:classifier_task"
TITLES = {"cnn": "CNN", "vit": "ViT"}


def request_classifier(source: Source, recipe: ClassifierRecipe, column: str, pool: Pool) -> Job:
    """The job that trains a classifier on one column of labels; done if it is kept."""
    title = f"Training a {TITLES[recipe.kind]} on {column}"
    return pool.submit(TASK, _params(source, recipe, column), title=title)


def classifier_key(source: Source, recipe: ClassifierRecipe, column: str) -> str:
    """The store's key of a trained classifier."""
    return recipe_key(TASK, **_params(source, recipe, column))


def _params(source: Source, recipe: ClassifierRecipe, column: str) -> dict[str, Any]:
    return {
        "source": source.params(),
        "kind": recipe.kind,
        "epochs": recipe.length,
        "seed": recipe.seed,
        "column": column,
    }


def classifier_task(
    report: Report, *, source: dict[str, Any], kind: str, epochs: int, seed: int, column: str
) -> tuple[dict[str, Vectors], dict[str, Any]]:
    """Task of a worker: train on three quarters of the pictures.

    Arrays: the last step's weights, and "codes", the vectors of all pictures; meta tells the way there.
    """
    pictures = load_source(Source(**source))
    recipe = ClassifierRecipe(kind, epochs, seed)
    step, curve = None, []
    for step in trained(pictures, column, recipe):
        curve.append((step.epoch, step.train_accuracy, step.held_accuracy))
        report(step.epoch / recipe.length, f"epoch {step.epoch} of {recipe.length}", curve=curve)
    assert step is not None
    classes = sorted(set(label_columns(pictures)[column]))
    meta = {
        "kind": kind,
        "epochs": epochs,
        "seed": seed,
        "column": column,
        "shape": list(pictures.pixels.shape[1:]),
        "classes": classes,
        "curve": curve,
        "seconds": step.seconds,
    }
    model = Classifier(recipe, pictures.pixels.shape[1:], len(classes), step.weights)
    arrays = {f"w.{name}": array for name, array in step.weights.items()}
    return {**arrays, "codes": model.encode(pictures.pixels)}, meta


def trained(pictures: Pictures, column: str, recipe: ClassifierRecipe) -> Iterator[ClassifierStep]:
    """The steps of a classifier trained on a column of labels; raises InputError when there is no such column."""
    columns = label_columns(pictures)
    if column not in columns:
        known = ", ".join(columns) or "none"
        raise InputError(f"These pictures have no label '{column}' with 2 to 20 values; known: {known}.")
    classes, targets = np.unique(np.array(columns[column]), return_inverse=True)
    train_rows, held_rows = pictures.split()
    if len(classes) > len(set(targets[train_rows])):
        raise InputError(
            f"Some values of '{column}' have no picture to train on; take more pictures, or another label."
        )
    return train_classifier(pictures.pixels, targets, recipe, train_rows=train_rows, held_rows=held_rows)


def kept_classifier(source: Source, recipe: ClassifierRecipe, column: str) -> Classifier:
    """A trained classifier: the one kept in the store, else trained here and now, and kept."""
    params = _params(source, recipe, column)

    def make() -> tuple[dict[str, Vectors], dict[str, Any]]:
        return classifier_task(Report(), **params)

    return classifier_of(default_store().get_or_make(recipe_key(TASK, **params), make, name="a classifier"))


def classifier_of(entry: Entry) -> Classifier:
    """The classifier of a finished job."""
    meta = entry.meta
    recipe = ClassifierRecipe(meta["kind"], meta["epochs"], meta["seed"])
    height, width, channels = meta["shape"]
    weights = {name[2:]: array for name, array in entry.arrays.items() if name.startswith("w.")}
    return Classifier(recipe, (height, width, channels), len(meta["classes"]), weights)


def accuracies(
    pictures: Pictures, vectors: Mapping[str, Vectors], columns: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, float]]:
    """kNN accuracy on the held-out pictures for each maker's vectors (n, d) and each column of labels.

    The 5 nearest training pictures answer, by Euclidean distance. No vector learns anything here.
    """
    train_rows, held_rows = pictures.split()
    found: dict[str, dict[str, float]] = {}
    for name, rows in vectors.items():
        found[name] = {}
        for column, values in columns.items():
            known, truth = ([values[row] for row in part] for part in (train_rows, held_rows))
            found[name][column] = knn_accuracy(rows[train_rows], known, rows[held_rows], truth)
    return found
