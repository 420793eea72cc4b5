"""The same pictures as vectors of five makers: what each is good for, maps side by side, what is near a picked picture."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from embedkit.errors import EmbedkitError
from embedkit.export import compare_script, parquet, pictures_lines, safe_csv
from embedkit.figures import MapMarks, PictureRow, accuracy_dots, attended, patched, picture_rows, point_map
from embedkit.images import Recipe, Source, label_columns
from embedkit.images.classifiers import Classifier, ClassifierRecipe
from embedkit.images.compare import request_classifier
from embedkit.jobs import Job
from embedkit.maps import MadeMap, Settings, map_key, request_map, result_of
from embedkit.neighbors import search
from embedkit.projection import projections
from embedkit.sources.pictures import Pictures
from embedkit.space import Space, Vectors
from ui import cache, cache_images, work
from ui.controls import BIND, choice, text, whole_number
from ui.explorer_open import send_button
from ui.frame import MAP_NOTE, arithmetic, ask, chart, link_note, presenting, tries, why

NEAR = 8
MAP_HEIGHT = 300


@dataclass(frozen=True)
class Asked:
    """Which vectors are compared: size of PCA and autoencoder, the label that the classifiers learn, seed, map."""

    size: int
    column: str
    seed: int
    method: str
    vision: tuple[str, ...]
    folder: str
    pick: int


def controls(pictures: Pictures, searching: bool) -> Asked:
    """The settings of the comparison; `searching` has a picture of its own in place of a picked one."""
    columns = label_columns(pictures)
    pick = 0
    if not searching:
        number = whole_number(
            "Picture", 1, 20_000, 1, key="p", help=f"Its number, 1 to {pictures.n:,}; or click a dot in any map."
        )
        pick = min(number, pictures.n) - 1
    column = (
        choice(
            "The classifiers learn",
            list(columns),
            key="learn",
            default="even",  # of digits: the label that keeps least of the others
            help="CNN and ViT are trained on this label; the other three never see one.",
        )
        if columns
        else ""
    )
    if not columns:
        st.caption(
            "These pictures have no labels, so there is nothing that a classifier could learn. Folders in a zip become labels."
        )
    size = int(
        st.slider("Size of PCA and autoencoder", 2, 64, 16, key="size", bind=BIND, help="Numbers a picture, 2 to 64.")
    )
    method = choice(
        "Maps",
        {recipe.title: name for name, recipe in projections().items()},
        key="maps",
        default="umap",
        help="How each space is drawn; the neighbors and the accuracies do not come from the maps.",
    )
    seed = whole_number("Seed", 0, 9_999, 0, key="cseed", help="Of the trainings and of the maps.")
    with st.expander("Large networks", icon=":material/download:"):
        vision, folder = _vision()
    return Asked(size, column, seed, method, vision, folder, pick)


def _vision() -> tuple[tuple[str, ...], str]:
    """Pretrained networks to compare as well, as far as they are here."""
    from embedkit.encoders.vision import find_vision, vision_cards

    cards = vision_cards()
    names = st.pills(
        "Pretrained on ImageNet",
        [card.title for card in cards.values()],
        selection_mode="multi",
        key="large",
        bind=BIND,
        help="Vectors of networks that saw a million photos. They read 224 x 224 pixels and take minutes without a GPU.",
    )
    folder = text(
        "Folder of their weights", "", key="weights", help="On this machine: torchvision's files, or safetensors."
    )
    found = []
    for key, card in cards.items():
        if card.title not in (names or ()):
            continue
        try:
            find_vision(key, folder)
            found.append(key)
        except EmbedkitError as error:
            st.warning(str(error), icon=":material/cloud_download:")
            label = f"Fetch {card.title} ({card.megabytes:,.0f} MB, {card.licence}, {card.year})"
            work.fetch_button(key, card.title, label, "From PyTorch's own host, to torch's folder on this machine.")
    return tuple(found), folder


def spaces_of(source: Source, pictures: Pictures, asked: Asked) -> tuple[dict[str, Space], Classifier | None]:
    """The spaces that are ready, by name, and the ViT; trainings that still run show their progress."""
    recipe = Recipe(latent=asked.size, seed=asked.seed)
    found = {
        "pixels": cache_images.picture_space(source, "pixels"),
        "PCA": cache_images.picture_space(source, "PCA", size=asked.size),
    }
    vit: Classifier | None = None
    requests: dict[str, tuple[Hashable, Callable[[], Job]]] = {
        "autoencoder": ((source, recipe), lambda: cache_images.training(source, recipe))
    }
    kinds = {"CNN": ClassifierRecipe("cnn", seed=asked.seed), "ViT": ClassifierRecipe("vit", seed=asked.seed)}
    if asked.column:
        for name, each in kinds.items():
            requests[name] = (
                (source, each, asked.column),
                lambda each=each: request_classifier(source, each, asked.column, cache.pool()),
            )
    for name, (key, request) in requests.items():
        job = work.held(key, request)
        if not work.wait_for(job):
            continue
        try:
            job.result()
        except EmbedkitError as error:
            st.error(str(error), icon=":material/error:")
            st.button(
                "Run again",
                icon=":material/refresh:",
                key=f"again_{name}",
                help="Start this training anew",
                on_click=work.forget,
                args=(key,),
            )
            continue
        if name == "autoencoder":
            found[name] = cache_images.picture_space(source, name, key=job.key, recipe=recipe)
        else:
            found[name] = cache_images.classifier_space(source, kinds[name], asked.column)
            if name == "ViT":
                vit = cache_images.classifier(source, kinds[name], asked.column)
    for key in asked.vision:
        found[key] = cache_images.vision_space(source, key, asked.folder)
    return found, vit


def view(source: Source, pictures: Pictures, asked: Asked) -> None:
    """Draw the whole comparison."""
    columns, pick = label_columns(pictures), asked.pick
    spaces, vit = spaces_of(source, pictures, asked)
    if columns:
        _guess(source, spaces, columns, asked)
        _table(source, spaces, columns, asked)
    maps(pictures, spaces, asked, {}, pick)
    nearest(
        pictures,
        spaces,
        {name: space.vectors[asked.pick] for name, space in spaces.items()},
        PictureRow("picked", pictures.pixels[[pick]], [pictures.labels[pick]]),
        f"What is near picture {pick + 1}",
        pick,
    )
    if vit is not None:
        attention(vit, pictures.pixels[pick])
    why(
        "Pixels and PCA know only which pixels are bright. The autoencoder keeps what it needs to draw the picture again. "
        "A classifier's last layer before the answer (its penultimate layer; the class token of a ViT) keeps what its labels need, and is free to forget the rest. "
        "So it wins on its own labels, and pays on others: learn *even* and ask for the digit. "
        f"{MAP_NOTE}"
    )
    _arithmetic(pictures, spaces, pick)
    tries(_changes(source))
    _take_away(source, pictures, spaces, columns, asked)


def _guess(source: Source, spaces: dict[str, Space], columns: dict[str, tuple[str, ...]], asked: Asked) -> None:
    """The opening question; its answer is what was measured for these settings."""
    others = [name for name in columns if name != asked.column]
    if not others or "CNN" not in spaces:
        return
    about = others[0]
    found = {
        name: row[about]
        for name, row in cache_images.picture_accuracies(
            source, tuple(space.digest for space in spaces.values()), spaces
        ).items()
    }
    best = max(found, key=lambda name: found[name])
    right = "Yes, it learned to see" if found["CNN"] >= found[best] else "No, it dropped what it did not need"
    ask(
        f"A CNN learns only “{asked.column}”. Are its vectors also the best ones to tell “{about}”?",
        ["Yes, it learned to see", "No, it dropped what it did not need"],
        right,
        f"Measured: {found['CNN']:.1%} by the CNN, {found[best]:.1%} by the best, {best}. "
        "A classifier keeps what its own labels need: where one label follows from the other, little is lost; else much is.",
        key="cmpguess",
    )


def _take_away(
    source: Source, pictures: Pictures, spaces: dict[str, Space], columns: dict[str, tuple[str, ...]], asked: Asked
) -> None:
    if presenting():
        return
    st.subheader("Take away", anchor=False)
    with st.container(horizontal=True):
        named = st.selectbox(
            "Vectors to open in the explorer", list(spaces), key="send_which", bind=BIND, help="One of these."
        )
        send_button(
            lambda: spaces[named or next(iter(spaces))],
            "send_spaces",
            lambda: np.round(pictures.pixels * 255).astype(np.uint8),
        )
        for name, space in spaces.items():
            st.download_button(
                f"{name} (Parquet)",
                lambda space=space: parquet(space),
                f"{name.lower()}.parquet",
                key=f"get_{name}",
                on_click="ignore",
                icon=":material/grid_on:",
            )
        if columns:
            st.download_button(
                "Accuracies (CSV)",
                lambda: safe_csv(_accuracy_table(source, spaces, columns, asked)),
                "accuracies.csv",
                "text/csv",
                key="get_accuracies",
                on_click="ignore",
                icon=":material/table:",
            )
    link_note()
    with st.expander("The same in Python", icon=":material/code:", key="ccompare", on_change="rerun") as box:
        if box.open:
            lines = pictures_lines(source.key, source.limit, source.folder)
            st.code(compare_script(lines, asked.column, asked.size, asked.seed), language="python")


def _changes(source: Source) -> list[tuple[str, dict[str, object]]]:
    if source.key == "shapes":
        return [
            ("Learn the color: what is left of the kind?", {"learn": "color"}),
            ("Learn the kind: what is left of the color?", {"learn": "label"}),
            ("Back to digits", {"pictures": "Handwritten digits", "learn": "label"}),
        ]
    return [
        ("Learn only even or odd: which digit it is gets lost", {"learn": "even"}),
        ("Learn only whether there is a loop", {"learn": "has a loop"}),
        (
            "Shapes drawn by rule: learn the kind, ask for the color (a minute)",
            {"pictures": "Shapes drawn by rule", "learn": "label"},
        ),
    ]


def _accuracy_table(
    source: Source, spaces: dict[str, Space], columns: dict[str, tuple[str, ...]], asked: Asked
) -> pd.DataFrame:
    found = cache_images.picture_accuracies(source, tuple(space.digest for space in spaces.values()), spaces)
    return pd.DataFrame(
        {
            "vectors": list(found),
            "numbers": [spaces[name].d for name in found],
            **{
                f"{column} (learned)" if column == asked.column else column: [found[name][column] for name in found]
                for column in columns
            },
        }
    )


def _table(source: Source, spaces: dict[str, Space], columns: dict[str, tuple[str, ...]], asked: Asked) -> None:
    found = cache_images.picture_accuracies(source, tuple(space.digest for space in spaces.values()), spaces)
    table = _accuracy_table(source, spaces, columns, asked)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        st.dataframe(
            table,
            hide_index=True,
            key="accuracies",
            column_config={name: st.column_config.NumberColumn(format="percent") for name in table.columns[2:]},
            alt="kNN accuracy on held-out pictures for each space and each label",
        )
    with right:
        chart(
            accuracy_dots(found, asked.column),
            key="accuracy_dots",
            alt="The same accuracies as dots, a row for each space, a shape for each label",
        )
    st.caption(
        "kNN accuracy on the held-out quarter: the label of most of the 5 nearest training pictures, by Euclidean distance. "
        "Chance is one in as many as there are values, if they are even."
    )


def nearest(
    pictures: Pictures,
    spaces: dict[str, Space],
    vectors: dict[str, Vectors],
    asked: PictureRow,
    title: str,
    own: int = -1,
) -> None:
    """The asked picture over its nearest ones in each space; `own` is its row, which is no neighbor of itself."""
    st.subheader(title, anchor=False)
    rows = [asked]
    for name, space in spaces.items():
        near = [each for each in search(space, vectors[name], NEAR + 1, "euclidean") if each.row != own][:NEAR]
        numbers = [each.row for each in near]
        captions = [f"{pictures.labels[each.row]} · {each.score:.2f}" for each in near]
        rows.append(PictureRow(f"{name}, {space.d}", pictures.pixels[numbers], captions))
    st.html(picture_rows(rows, 64))
    st.caption("Under each its label and its Euclidean distance. Distances of different spaces have different units.")


def attention(vit: Classifier, picture: Vectors) -> None:
    """The patches of a picture (height, width, channels) and where the class token looks."""
    st.subheader("What the ViT looks at", anchor=False)
    _, _, side = vit.patches()
    found = vit.attention(picture[None])[0]  # (depth, heads, rows, columns)
    scale = max(2, 96 // picture.shape[0])
    layers = found.mean(1)
    rows = [
        PictureRow(
            "patches, then the class token's attention by layer",
            np.stack([patched(picture, side, scale), *(attended(picture, heat, scale) for heat in layers)]),
            ["patches", *(f"layer {i + 1}" for i in range(len(layers)))],
        ),
        PictureRow(
            f"its {found.shape[1]} heads in the last layer",
            np.stack([attended(picture, heat, scale) for heat in found[-1]]),
            [f"head {i + 1}" for i in range(found.shape[1])],
        ),
    ]
    st.html(picture_rows(rows, 110))
    own = 1 - float(layers[-1].sum())
    st.caption(
        f"The picture is cut into {found.shape[2]} x {found.shape[3]} patches; one more token, the class token, gathers from them what the label needs. "
        f"Brighter: more attention; each map is scaled to its own highest patch. In the last layer the token keeps {own:.0%} of its attention for itself."
    )


def _clicked(key: str) -> None:
    for point in st.session_state[key].selection.points:
        row = point.get("customdata")
        row = row[0] if isinstance(row, list) else row
        if isinstance(row, int):
            st.session_state["p"] = float(row + 1)
            return


def maps(
    pictures: Pictures, spaces: dict[str, Space], asked: Asked, landed: dict[str, Vectors], pick: int | None
) -> None:
    """A map of each space; the picked picture is marked in each, or where a new one, its vectors `landed`, is placed."""
    st.subheader("Maps side by side", anchor=False)
    groups = label_columns(pictures).get(asked.column) if asked.column else None
    names = list(spaces)
    for start in range(0, len(names), 3):
        for column, name in zip(st.columns(3, gap="small"), names[start : start + 3], strict=False):
            with column:
                _map(name, spaces[name], groups, asked, landed.get(name), pick)
    st.caption(
        f"Color: {asked.column or 'none'}. Click a dot to pick its picture everywhere. "
        "Kept: the share of each picture's 10 nearest that stay near on the map."
    )


def _map(
    name: str, space: Space, groups: tuple[str, ...] | None, asked: Asked, landed: Vectors | None, pick: int | None
) -> None:
    made = map_of(space, asked)
    if made is None:
        return
    marks = MapMarks(pick) if pick is not None else MapMarks()
    yours = [("your picture", made.projection.transform(landed[None])[0])] if landed is not None else []
    figure = point_map(
        made.projection.coords, space.items, groups=groups, marks=marks, placed=yours, labels=0, height=MAP_HEIGHT
    )
    title = f"{name}, {space.d} numbers · kept {made.quality.recall:.0%}"
    figure.update_layout(showlegend=False, title={"text": title, "font": {"size": 14}, "x": 0.02}, margin={"t": 34})
    key = f"map_{name}"
    where = "yours is the star" if landed is not None else f"picture {(pick or 0) + 1} is marked"
    chart(
        figure,
        key=key,
        on_select=lambda: _clicked(key),
        selection_mode="points",
        alt=f"Map of {space.n} pictures by {asked.method} from {name}; {where}",
    )


def map_of(space: Space, asked: Asked) -> MadeMap | None:
    """The map of a space, or its progress in its place."""
    settings = Settings(asked.method, 2, asked.seed, "euclidean")
    held: MadeMap | Job | None = None
    try:
        key = map_key(space, settings)
        held = work.held(key, lambda: request_map(space, settings, cache.pool()))
        if not isinstance(held, Job):
            return held
        with st.container(height="content" if held.finished else MAP_HEIGHT, border=False):
            return result_of(held, space, settings) if work.wait_for(held) else None
    except EmbedkitError as error:
        st.error(str(error), icon=":material/error:")
        if isinstance(held, Job):
            st.button(
                "Run again",
                icon=":material/refresh:",
                key=f"again_{key[:8]}",
                help="Start this map anew",
                on_click=work.forget,
                args=(key,),
            )
        return None


def _arithmetic(pictures: Pictures, spaces: dict[str, Space], pick: int) -> None:
    with arithmetic("compare_sums") as is_open:
        if not is_open:
            return
        name, space = next(reversed(spaces.items()))
        near = next(each for each in search(space, space.items[pick], 2, "euclidean") if not each.asked)
        u, v = (space.vectors[row].astype(np.float64) for row in (pick, near.row))
        st.latex(r"d(u, v) = \sqrt{\lVert u \rVert^2 - 2\,u \cdot v + \lVert v \rVert^2}")
        st.latex(rf"\sqrt{{{u @ u:.3f} - 2 \times {u @ v:.3f} + {v @ v:.3f}}} = {np.linalg.norm(u - v):.3f}")
        st.caption(
            f"u is picture {pick + 1} in {name}, v its nearest, picture {near.row + 1}: the same number as in the row above."
        )
