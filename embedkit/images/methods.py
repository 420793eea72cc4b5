"""The methods of the room: the same pictures as pixels, by PCA, by an autoencoder, by classifiers small and large."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedkit.registry import method
from embedkit.space import Origin, Space

if TYPE_CHECKING:
    import pandas as pd

    from embedkit.sources.pictures import Pictures
    from embedkit.space import Vectors

__all__ = ["autoencoder", "cnn", "labels_of", "pca", "pixels", "resnet50", "vgg16", "vit", "vit_b16"]

OURS, LARGE = "MIT", "BSD-3-Clause; ImageNet's terms may bind the weights"
KIND = "pictures"


def _space(
    key: str, found: Pictures, vectors: Vectors, params: dict[str, Any], seed: int = 0, licence: str = ""
) -> Space:
    about = Origin(key, params, seed, found.title, licence or found.licence, found.year)
    return Space(f"{key}/{found.key}", f"{found.title} by {key}", found.names, vectors, labels_of(found), about)


def labels_of(found: Pictures) -> pd.DataFrame:
    """What is known of each picture: its label, and its other factors where it was drawn by rule; n rows."""
    import pandas as pd

    known = found.factors.drop(columns="label", errors="ignore")
    return pd.concat([pd.DataFrame({"label": found.labels}), known], axis=1)


def _pictures(name: str) -> Pictures:
    from embedkit.images.source import Source, load_source

    return load_source(Source(name))


@method("images/pixels", title="Pixels", source="The pictures themselves", year=1998, kind=KIND, licence=OURS)
def pixels(pictures: str = "digits", *, seed: int = 0) -> Space:
    """Pictures as their pixels, row after row.  # (n, height x width x channels)"""
    found = _pictures(pictures)
    return _space("images/pixels", found, found.flat, {"pictures": pictures}, seed)


@method("images/pca", title="PCA of pictures", source="Pearson 1901; scikit-learn", year=1901, kind=KIND, licence=OURS)
def pca(pictures: str = "digits", size: int = 16, *, seed: int = 0) -> Space:
    """Pictures by PCA, fitted on the three quarters that networks train on.  # (n, size)"""
    from embedkit.images.measures import fit_pca

    found = _pictures(pictures)
    vectors = fit_pca(found.pixels[found.split()[0]], size).encode(found.pixels)
    return _space("images/pca", found, vectors, {"pictures": pictures, "size": size}, seed)


@method(
    "images/autoencoder",
    title="Autoencoder",
    source="Hinton and Salakhutdinov 2006",
    year=2006,
    kind=KIND,
    licence=OURS,
)
def autoencoder(
    pictures: str = "digits",
    latent: int = 16,
    network: str = "dense",
    noise: float = 0.1,
    epochs: int = 0,
    *,
    seed: int = 0,
) -> Space:
    """Pictures by an autoencoder, trained on three quarters of them, once; then it is kept.  # (n, latent)"""
    from embedkit.images.autoencoder import Autoencoder, Recipe
    from embedkit.images.source import Source
    from embedkit.images.training import kept_training

    recipe = Recipe(network, latent, noise, epochs, seed)  # type: ignore[arg-type]
    found = _pictures(pictures)
    weights = kept_training(Source(pictures), recipe)
    vectors = Autoencoder(recipe, found.pixels.shape[1:], weights).encode(found.pixels)
    given = {"pictures": pictures, "latent": latent, "network": network, "noise": noise, "epochs": epochs}
    return _space("images/autoencoder", found, vectors, given, seed)


def _classified(kind: str, pictures: str, label: str, epochs: int, seed: int) -> Space:
    from embedkit.images.classifiers import ClassifierRecipe
    from embedkit.images.compare import kept_classifier
    from embedkit.images.source import Source

    found = _pictures(pictures)
    model = kept_classifier(Source(pictures), ClassifierRecipe(kind, epochs, seed), label)
    params = {"pictures": pictures, "label": label, "epochs": epochs}
    return _space(f"images/{kind}", found, model.encode(found.pixels), params, seed)


@method(
    "images/cnn", title="Small CNN, penultimate layer", source="LeCun et al. 1998", year=1998, kind=KIND, licence=OURS
)
def cnn(pictures: str = "digits", label: str = "label", epochs: int = 0, *, seed: int = 0) -> Space:
    """Pictures by the last hidden layer of a small CNN trained on a label, once; then it is kept.  # (n, 64)"""
    return _classified("cnn", pictures, label, epochs, seed)


@method(
    "images/vit", title="Small ViT, class token", source="Dosovitskiy et al. 2021", year=2021, kind=KIND, licence=OURS
)
def vit(pictures: str = "digits", label: str = "label", epochs: int = 0, *, seed: int = 0) -> Space:
    """Pictures by the class token of a small vision transformer trained on a label; then it is kept.  # (n, 48)"""
    return _classified("vit", pictures, label, epochs, seed)


def _large(name: str, pictures: str, folder: str, seed: int) -> Space:
    from embedkit.encoders.vision import find_vision, load_vision, vision_cards

    find_vision(name, folder)
    found, card = _pictures(pictures), vision_cards()[name]
    vectors = load_vision(name, folder).encode(found.pixels)
    return _space(f"images/{name}", found, vectors, {"pictures": pictures}, seed, card.licence)


@method(
    "images/vgg16",
    title="VGG16",
    source="Simonyan and Zisserman 2015",
    year=2015,
    needs=("vgg16",),
    kind=KIND,
    licence=LARGE,
)
def vgg16(pictures: str = "digits", folder: str = "", *, seed: int = 0) -> Space:
    """Pictures by the second hidden layer of VGG16, pretrained on ImageNet.  # (n, 4096)"""
    return _large("vgg16", pictures, folder, seed)


@method(
    "images/resnet50",
    title="ResNet-50",
    source="He et al. 2016",
    year=2016,
    needs=("resnet50",),
    kind=KIND,
    licence=LARGE,
)
def resnet50(pictures: str = "digits", folder: str = "", *, seed: int = 0) -> Space:
    """Pictures by the pooled last layer of ResNet-50, pretrained on ImageNet.  # (n, 2048)"""
    return _large("resnet50", pictures, folder, seed)


@method(
    "images/vit-b16",
    title="ViT-B/16",
    source="Dosovitskiy et al. 2021",
    year=2021,
    needs=("vit-b16",),
    kind=KIND,
    licence=LARGE,
)
def vit_b16(pictures: str = "digits", folder: str = "", *, seed: int = 0) -> Space:
    """Pictures by the class token of ViT-B/16, pretrained on ImageNet.  # (n, 768)"""
    return _large("vit-b16", pictures, folder, seed)
