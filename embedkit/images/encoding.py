"""A new picture as a vector of the room's spaces: prepared as theirs, then read by the network that is kept."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from embedkit.encoding import Encoded, encoder, parameter
from embedkit.errors import InputError
from embedkit.space import Space, Vectors

if TYPE_CHECKING:
    from embedkit.images.measures import Pca
    from embedkit.images.source import Source

__all__ = ["picture_among"]

FITTED = "Brought to the size of the others, light on dark as they are, then read by what made their vectors."
NETWORKS = ("images/vgg16", "images/resnet50", "images/vit-b16")


@encoder(
    "images/pixels",
    "images/pca",
    "images/autoencoder",
    "images/cnn",
    "images/vit",
    *NETWORKS,
    takes="picture",
    says=FITTED,
)
def picture_among(space: Space, data: bytes, *, name: str = "Your picture", invert: bool | None = None) -> Encoded:
    """A picture by the method of a space, (d,); raises InputError where its network is no longer kept."""
    from embedkit.images.source import Source, load_source
    from embedkit.sources.pictures import as_picture

    source = Source(parameter(space, "pictures", str))
    picture = as_picture(data, name, load_source(source), invert=invert)
    return Encoded(_vectors(space, source, picture)[0], picture=picture[0])


def _vectors(space: Space, source: Source, picture: Vectors) -> Vectors:
    """Vectors (1, d) of a picture (1, height, width, channels)."""
    origin = space.origin
    kind = origin.method.partition("/")[2]
    if kind == "pixels":
        return picture.reshape(1, -1)
    if kind == "pca":
        return _pca(source, parameter(space, "size", int)).encode(picture)
    if origin.method in NETWORKS:
        from embedkit.encoders.vision import load_vision

        return load_vision(kind).encode(picture)
    from embedkit.store import default_store

    if kind == "autoencoder":
        from embedkit.images.autoencoder import Recipe
        from embedkit.images.source import load_source
        from embedkit.images.training import trained_at, training_key

        network: Any = parameter(space, "network", str)  # Recipe refuses what it does not know
        latent, epochs = (parameter(space, name, int) for name in ("latent", "epochs"))
        recipe = Recipe(network, latent, parameter(space, "noise", float), epochs, origin.seed)
        pictures = load_source(source)
        last = recipe.whole(len(pictures.split()[0]), pictures.flat.shape[1]).epochs
        key = training_key(source, recipe)
        found = trained_at(default_store(), key, last, recipe, pictures.pixels.shape[1:])
        if found is None:
            raise InputError(_GONE)
        return found.model.encode(picture)
    from embedkit.images.classifiers import ClassifierRecipe
    from embedkit.images.compare import classifier_key, classifier_of

    trained = ClassifierRecipe(kind, parameter(space, "epochs", int), origin.seed)
    entry = default_store().get(classifier_key(source, trained, parameter(space, "label", str)))
    if entry is None:
        raise InputError(_GONE)
    return classifier_of(entry).encode(picture)


_GONE = "The network that made these vectors is no longer kept here. Make them again: embedkit.load with their method."


@lru_cache(maxsize=4)
def _pca(source: Source, size: int) -> Pca:
    from embedkit.images.measures import fit_pca
    from embedkit.images.source import load_source

    pictures = load_source(source)
    return fit_pca(pictures.pixels[pictures.split()[0]], size)
