"""Which pictures and which autoencoder: the controls that the views of the page of pictures share."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from embedkit.errors import EmbedkitError, NotInstalled
from embedkit.images import Recipe, Source, load_source, training_key
from embedkit.sources.picture_sets import is_here, picture_sets
from embedkit.sources.pictures import Pictures, from_files
from ui import cache_images, work
from ui.controls import BIND, choice, text, whole_number

OWN = "Own"


@dataclass(frozen=True, eq=False)
class Setup:
    """The chosen pictures and the chosen autoencoder."""

    source: Source
    pictures: Pictures
    recipe: Recipe

    @property
    def key(self) -> str:
        """Key of the training."""
        return training_key(self.source, self.recipe)


def pictures() -> tuple[Source, Pictures] | None:
    """The chosen pictures; else what is said and offered in their place is on the page already."""
    sets = picture_sets()
    name = choice(
        "Pictures",
        {**{each.title: key for key, each in sets.items()}, OWN: "own"},
        key="pictures",
        help="Digits and shapes are here after the install; the others once they are fetched.",
    )
    if name == "own":
        return _own()
    card = sets[name]
    if not card.fetched:
        return _told(Source(name))
    folder = text(
        "Folder of its files",
        "",
        key="files",
        help="On this machine, if you have them already; else they are fetched.",
        placeholder="leave empty to fetch",
    )
    limit = whole_number(
        "How many", 500, 20_000, 2_000, key="many", help="The first so many, 500 to 20,000: more take longer to train."
    )
    if not is_here(name, folder):
        st.info(
            f"{card.title} is not on this machine: {card.count:,} pictures, {card.megabytes:,} MB, licence "
            f"{card.licence}, {card.year}.",
            icon=":material/cloud_download:",
        )
        work.fetch_button(
            name,
            card.title,
            f"Fetch {card.title} ({card.megabytes:,} MB, {card.licence}, {card.year})",
            "Once; it is kept on this machine.",
        )
        if not folder:
            return None
    try:
        return _told(Source(name, limit, folder))
    except (NotInstalled, EmbedkitError) as error:
        st.error(str(error), icon=":material/error:")
        return None


def _told(source: Source) -> tuple[Source, Pictures]:
    found = load_source(source)
    year = f", {found.year}" if found.year else ""
    said = f"{found.n:,} pictures of {found.pixels.shape[1]} x {found.pixels.shape[2]}, {found.licence}{year}."
    if found.simulated:
        said = f"**Simulated.** {found.simulated} {said}"
    st.caption(said)
    return source, found


def _own() -> tuple[Source, Pictures] | None:
    files = st.file_uploader(
        "Your pictures",
        ["png", "jpg", "jpeg", "webp", "zip"],
        accept_multiple_files=True,
        key="own_files",
        help="Many files or one zip; at most 2,000 and 50 MB. Folders in a zip become labels. They stay on this machine, and are removed when the server stops.",
    )
    if files:
        given = tuple((file.name, file.getvalue()) for file in files)
        stamp = hash(given)
        if st.session_state.get("own_stamp") != stamp:
            try:
                with st.spinner("Reading your pictures ..."):
                    found = from_files(given)
                    st.session_state["own_source"] = cache_images.keep_pictures(found)
                    st.session_state["own_notes"] = found.notes
            except EmbedkitError as error:
                st.error(str(error), icon=":material/error:")
                return None
            st.session_state["own_stamp"] = stamp
    source = st.session_state.get("own_source")
    if source is None:
        st.info("Give at least 10 pictures: PNG, JPEG or WebP, or a zip of them.", icon=":material/upload:")
        return None
    notes = st.session_state.get("own_notes", ())
    for note in notes[:5]:
        st.warning(note, icon=":material/broken_image:")
    if len(notes) > 5:
        st.caption(f"And {len(notes) - 5:,} more that could not be read.")
    told = _told(source)
    if told[1].n < 10:
        st.info(f"{told[1].n} pictures are too few to train on; give at least 10.", icon=":material/upload:")
        return None
    return told


def autoencoder() -> Recipe:
    """The settings of the autoencoder, sent together."""
    with st.form("train", border=False):
        kind = choice(
            "Network",
            {"Fully connected": "dense", "Convolutional": "conv"},
            key="net",
            help="Convolutional: the same small filters at every place; fewer weights, and slower: in the same time it gets less far on digits.",
        )
        latent = st.slider(
            "Latent size",
            2,
            128,
            2,
            key="latent",
            bind=BIND,
            help="How many numbers a picture is squeezed into, 2 to 128.",
        )
        noise = st.slider(
            "Noise on the inputs",
            0.0,
            1.0,
            0.1,
            0.05,
            key="noise",
            bind=BIND,
            help="Standard deviation, pixels run from 0 to 1. 0.1 keeps it from learning by heart; from 0.3 on it is a denoising autoencoder.",
        )
        with st.expander("Epochs and seed", icon=":material/tune:"):
            epochs = whole_number(
                "Epochs", 0, 2_000, 0, key="epochs", help="How often every picture is seen; 0 chooses by the data."
            )
            seed = whole_number(
                "Seed", 0, 9_999, 0, key="seed", help="The same seed gives the same network, to the byte."
            )
        st.form_submit_button("Train", icon=":material/play_arrow:", type="primary", width="stretch")
    return Recipe(kind, int(latent), round(float(noise), 2), epochs, seed)
