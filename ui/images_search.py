"""Picture search: draw or drop a picture, see where it lands in each space and what is near it."""

from __future__ import annotations

import numpy as np
import streamlit as st

from embedkit.encoders.vision import load_vision
from embedkit.errors import EmbedkitError
from embedkit.figures import PictureRow
from embedkit.images import Source
from embedkit.images.classifiers import Classifier, ClassifierRecipe
from embedkit.sources.pictures import Pictures, as_picture
from embedkit.space import Space, Vectors
from ui import cache_images, images_compare
from ui.frame import tries, why
from ui.images_compare import Asked
from ui.own_picture import given_pictures, swapped


def view(source: Source, pictures: Pictures, asked: Asked) -> None:
    """Draw the whole view."""
    gray = pictures.pixels.shape[3] == 1
    left, right = st.columns([2, 3], gap="medium")
    with left:
        given = given_pictures("", gray)
    with right:
        picture = _prepared(given[0][1] if given else None, pictures, swapped(""))
        if picture is None:
            st.info(
                "Draw a digit, or drop a photo of one: it is put among the pictures, and its nearest are shown."
                if source.key in ("digits", "mnist")
                else "Draw something, or drop a picture: it is put among the others, and its nearest are shown.",
                icon=":material/draw:",
            )
    if picture is None:
        return
    spaces, vit = images_compare.spaces_of(source, pictures, asked)
    vectors = _vectors(source, asked, spaces, picture)
    images_compare.nearest(
        pictures, spaces, vectors, PictureRow("yours, as the networks see it", picture), "What is near your picture"
    )
    images_compare.maps(pictures, spaces, asked, vectors, None)
    if vit is not None:
        images_compare.attention(vit, picture[0])
    why(
        "Your picture is brought to the size of the others and turned into a vector by each maker in the same way. "
        "It stands on each map where its neighbors in that space are (the star); the maps are not made anew. "
        "What is near comes from all the numbers of a space, not from the map. "
        "A drawing that no network has seen the like of still lands somewhere: near does not mean alike."
    )
    tries(
        [
            ("Classifiers that learned the digit itself", {"learn": "label"}),
            ("Maps by PCA: straight, so yours lands exactly", {"maps": "PCA"}),
            ("Two numbers only for PCA and autoencoder", {"size": 2}),
        ]
    )


def _prepared(given: bytes | None, pictures: Pictures, turned: bool | None) -> Vectors | None:
    if given is None:
        return None
    try:
        return as_picture(given, "Your picture", pictures, invert=turned)
    except EmbedkitError as error:
        st.error(str(error), icon=":material/error:")
        return None


def _vectors(source: Source, asked: Asked, spaces: dict[str, Space], picture: Vectors) -> dict[str, Vectors]:
    """The vector of one picture in each space that is ready."""
    found: dict[str, Vectors] = {}
    for name, space in spaces.items():
        if name == "pixels":
            vector = picture.reshape(1, -1)
        elif name == "PCA":
            vector = cache_images.pca(source, asked.size).encode(picture)
        elif name == "autoencoder":
            vector = cache_images.autoencoder(source, asked.size, asked.seed).encode(picture)
        elif name in ("CNN", "ViT"):
            vector = _classifier(source, asked, name).encode(picture)
        else:
            vector = load_vision(name, asked.folder).encode(picture)
        found[name] = np.asarray(vector[0], np.float32)
        assert len(found[name]) == space.d
    return found


def _classifier(source: Source, asked: Asked, name: str) -> Classifier:
    recipe = ClassifierRecipe(name.lower(), seed=asked.seed)
    return cache_images.classifier(source, recipe, asked.column)
