"""What the page Pictures keeps between runs; like all caches of the pages by key, never by array."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

import embedkit
from embedkit.images import (
    Autoencoder,
    Pca,
    Recipe,
    Source,
    Trained,
    keep_own,
    kept_pca,
    label_columns,
    load_source,
    request_training,
    trained_at,
    training_key,
)
from embedkit.images.classifiers import Classifier, ClassifierRecipe
from embedkit.images.compare import accuracies, classifier_key, classifier_of
from embedkit.images.methods import labels_of
from embedkit.images.walk import Plane, plane_of, sheet
from embedkit.jobs import Job
from embedkit.sources.pictures import Pictures
from embedkit.space import Origin, Space, Vectors
from ui import cache


def keep_pictures(pictures: Pictures) -> Source:
    """A person's own pictures, where a training finds them until the server stops."""
    source = keep_own(pictures, cache.pool().store)
    cache.forget_later(source.own)
    return source


def trained(key: str, epoch: int, recipe: Recipe, shape: tuple[int, ...]) -> Trained | None:
    """An autoencoder as it was after an epoch, None when that is not kept; `key` is that of its training."""
    try:
        return _trained(key, epoch, recipe, shape)
    except LookupError:
        return None


@st.cache_resource(max_entries=48, show_spinner=False)
def _trained(key: str, epoch: int, recipe: Recipe, shape: tuple[int, ...]) -> Trained:
    found = trained_at(cache.pool().store, key, epoch, recipe, shape)
    if found is None:
        raise LookupError(key)  # not cached: it may be there the next time
    return found


def training(source: Source, recipe: Recipe) -> Job:
    """The job of a training, which `cache.runs` finds for every visit as long as it has not ended."""
    return cache.found_by_all(request_training(source, recipe, cache.pool()))


@st.cache_resource(max_entries=48, show_spinner=False)
def codes(key: str, epoch: int, source: Source, recipe: Recipe) -> Vectors:
    """Latent vectors of all pictures after an epoch of a training that is kept."""
    pictures, store = load_source(source), cache.pool().store
    if epoch == epochs_of(source, recipe) and (entry := store.get(key)) is not None:
        return np.asarray(entry.arrays["codes"])
    found = trained(key, epoch, recipe, pictures.pixels.shape[1:])
    assert found is not None
    return found.model.encode(pictures.pixels)


def epochs_of(source: Source, recipe: Recipe) -> int:
    """The number of epochs of a training, which an autoencoder's recipe may leave to the data."""
    pictures = load_source(source)
    return recipe.whole(len(pictures.split()[0]), pictures.flat.shape[1]).epochs


def autoencoder(source: Source, size: int, seed: int) -> Autoencoder:
    """The autoencoder of the comparison, whose training is kept."""
    recipe = Recipe(latent=size, seed=seed)
    found = trained(
        training_key(source, recipe), epochs_of(source, recipe), recipe, load_source(source).pixels.shape[1:]
    )
    assert found is not None
    return found.model


def _space(
    source: Source,
    key: str,
    title: str,
    vectors: Vectors,
    method: str,
    params: dict[str, Any] | None = None,
    seed: int = 0,
) -> Space:
    """Pictures with their labels; their origin only where the method opens the same pictures by their name."""
    found = load_source(source)
    about = Origin(method, {"pictures": source.key, **(params or {})}, seed, found.title, found.licence, found.year)
    same = method and source == Source(source.key)
    return Space(key, title, found.names, vectors, labels_of(found), about if same else Origin("unknown"))


@st.cache_resource(max_entries=8, show_spinner=False)
def classifier(source: Source, recipe: ClassifierRecipe, column: str) -> Classifier:
    """A classifier whose training is kept."""
    entry = cache.pool().store.get(classifier_key(source, recipe, column))
    if entry is None:
        raise embedkit.InputError("This classifier is no longer kept. Open the page again.")
    return classifier_of(entry)


@st.cache_resource(max_entries=24, show_spinner=False)
def classifier_space(source: Source, recipe: ClassifierRecipe, column: str) -> Space:
    """Pictures as vectors of a classifier."""
    pictures = load_source(source)
    entry = cache.pool().store.get(classifier_key(source, recipe, column))
    if entry is None:
        raise embedkit.InputError("This classifier is no longer kept. Open the page again.")
    name = {"cnn": "CNN", "vit": "ViT"}[recipe.kind]
    title = f"{name} of {pictures.title.lower()}, trained on {column}"
    params = {"label": column, "epochs": recipe.epochs}
    key, codes = f"{pictures.key}/{recipe.kind}/{column}", entry.arrays["codes"]
    return _space(source, key, title, codes, f"images/{recipe.kind}", params, recipe.seed)


@st.cache_resource(max_entries=8, show_spinner="Reading the pictures with the large network ...")
def vision_space(source: Source, name: str, folder: str) -> Space:
    """Pictures as vectors of a pretrained classifier."""
    from embedkit.encoders.vision import load_vision

    pictures = load_source(source)
    vectors = load_vision(name, folder).encode(pictures.pixels)
    title = f"{name} of {pictures.title.lower()}"
    return _space(source, f"{pictures.key}/{name}", title, vectors, "" if folder else f"images/{name}")


@st.cache_resource(max_entries=24, show_spinner=False)
def picture_accuracies(source: Source, keys: tuple[str, ...], _spaces: dict[str, Space]) -> dict[str, dict[str, float]]:
    """kNN accuracies of several spaces of the same pictures; `keys` say which spaces they are."""
    pictures = load_source(source)
    columns = label_columns(pictures)
    return accuracies(pictures, {name: space.vectors for name, space in _spaces.items()}, columns)


@st.cache_resource(max_entries=16, show_spinner=False)
def pca_and_codes(source: Source, size: int) -> tuple[Pca, Vectors]:
    """PCA of the training pictures, and the coordinates of all pictures."""
    return kept_pca(load_source(source), size, cache.pool().store)


def pca(source: Source, size: int) -> Pca:
    """PCA of the training pictures."""
    return pca_and_codes(source, size)[0]


@st.cache_resource(max_entries=24, show_spinner=False)
def picture_space(source: Source, name: str, *, size: int = 0, key: str = "", recipe: Recipe | None = None) -> Space:
    """Pictures as vectors: "pixels", "PCA" of `size`, or "autoencoder" as the training `key` left it."""
    pictures = load_source(source)
    own, title = f"{pictures.key}/{name}", f"{name} of {pictures.title.lower()}"
    if name == "pixels":
        return _space(source, own, title, pictures.flat, "images/pixels")
    if name == "PCA":
        return _space(source, own, title, pca_and_codes(source, size)[1], "images/pca", {"size": size})
    assert recipe is not None
    last = epochs_of(source, recipe)
    params = {"latent": recipe.latent, "network": recipe.kind, "noise": recipe.noise, "epochs": recipe.epochs}
    usual = "" if recipe.linear or recipe.copy else "images/autoencoder"  # the method knows neither
    return _space(source, own, title, codes(key, last, source, recipe), usual, params, recipe.seed)


@st.cache_resource(max_entries=24, show_spinner=False)
def plane(key: str, epoch: int, source: Source, recipe: Recipe) -> Plane:
    """The plane through the latent vectors of all pictures."""
    return plane_of(codes(key, epoch, source, recipe))


def cells_for(height: int) -> int:
    """How many pictures of this height the longer side of a decoded plane holds: under 1,000 pixels in all."""
    return min(60, max(20, 960 // height))


@st.cache_resource(max_entries=8, show_spinner="Decoding the plane ...")
def decoded_sheet(key: str, source: Source, recipe: Recipe) -> Vectors:
    """The whole plane of a finished training, decoded."""
    pictures = load_source(source)
    epoch = epochs_of(source, recipe)
    found = trained(key, epoch, recipe, pictures.pixels.shape[1:])
    assert found is not None
    through = plane(key, epoch, source, recipe)
    return sheet(found.model, through, through.cells(cells_for(pictures.pixels.shape[1])))
