"""Walking the latent space: point at a place, compare what is near, go from one picture to another, sweep one number."""

from __future__ import annotations

import numpy as np
import streamlit as st

from embedkit.figures import PictureRow, picture_rows
from embedkit.images.walk import Plane, line, sweep
from embedkit.neighbors import Neighbor, search
from embedkit.space import Space, Vectors
from ui import cache_images
from ui.controls import BIND, choice, number, whole_number
from ui.frame import arithmetic, ask, tries, why
from ui.images_setup import Setup
from ui.images_train import finished, sample_rows
from ui.plane import plane as draw_plane

NEAR = 8


def view(setup: Setup) -> None:
    """Draw the whole view, once the autoencoder is trained."""
    job = finished(setup)
    if job is None:
        return
    n = setup.pictures.n
    top = st.container()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        show = choice(
            "Show",
            {"Dots": "dots", "Decoded pictures": "pictures", "Both": "both"},
            key="show",
            help="The whole plane as a grid of decoded pictures, the pictures' own places as dots, or both.",
        )
        pick = whole_number("Picture A", 1, 20_000, 1, key="a", help=f"Its number, 1 to {n:,}; or click a dot.")
        other = whole_number(
            "Picture B", 1, 20_000, 8, key="b", help="The one to go to; the A before a click becomes B."
        )
    epoch = cache_images.epochs_of(setup.source, setup.recipe)
    a, b = min(pick, n) - 1, min(other, n) - 1
    trained = cache_images.trained(job.key, epoch, setup.recipe, setup.pictures.pixels.shape[1:])
    codes = cache_images.codes(job.key, epoch, setup.source, setup.recipe)
    found = cache_images.plane(job.key, epoch, setup.source, setup.recipe)
    x, y = _place(found)
    _plane(setup, job.key, found, codes, show, (a, b), (x, y))
    _decoded(setup, trained.model, found, codes, (x, y))
    _near(setup, job.key, a)
    _line(setup, trained.model, codes, a, b, top)
    _sweep(setup, trained.model, codes, a)
    why(
        "The decoder draws a picture for every place of the latent space, also where no picture of the data stands. "
        "Between two groups it draws something in between, which may look like nothing known: the network was never asked to be sensible there. "
        "Near in the latent space means near in what the network had to remember; near in pixels means the same ink at the same places. "
        "The neighbors below are exact, by Euclidean distance in each space's own numbers."
    )
    _arithmetic(setup, codes, a, b)
    tries(
        [
            ("The whole plane as decoded pictures", {"show": "Decoded pictures"}),
            ("Sixteen numbers: sharper pictures, and a plane that shows only a part", {"latent": 16}),
            ("From a 0 to a 1", {"a": 1.0, "b": 2.0}),
        ]
    )


def _place(found: Plane) -> tuple[float, float]:
    """The place to decode, typed or pointed at; kept between the corners of the plane."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        values = [
            number(
                f"Place on axis {i + 1}",
                -1e6,
                1e6,
                0.0,
                step=0.1,
                format="%.3f",
                key="xy"[i],
                help=f"Here the plane runs from {found.low[i]:.2f} to {found.high[i]:.2f}. Click beside the dots to set it.",
            )
            for i in (0, 1)
        ]
    x, y = (float(np.clip(value, found.low[i], found.high[i])) for i, value in enumerate(values))
    return x, y


def _picked(row: int) -> None:
    before = st.session_state.get("a", 1.0)
    if before != row + 1:
        st.session_state["b"] = before
    st.session_state["a"] = float(row + 1)


def _moved(x: float, y: float) -> None:
    st.session_state["x"], st.session_state["y"] = round(x, 3), round(y, 3)


def _plane(
    setup: Setup, key: str, found: Plane, codes: Vectors, show: str, picks: tuple[int, int], at: tuple[float, float]
) -> None:
    pictures = setup.pictures
    height, width = pictures.pixels.shape[1:3]
    rows = sample_rows(pictures.n)
    classes = list(dict.fromkeys(pictures.labels))
    latent = setup.recipe.latent == 2
    draw_plane(
        cache_images.decoded_sheet(key, setup.source, setup.recipe),
        cells=found.cells(cache_images.cells_for(height)),
        size=(height, width),
        bounds=(found.low, found.high),
        points=found.points[rows],
        groups=[classes.index(pictures.labels[row]) for row in rows],
        names=[pictures.names[row] for row in rows],
        picks={name: found.points[row] for name, row in zip("BA", reversed(picks), strict=True)},
        at=at,
        axes=("z₁", "z₂") if latent else ("axis 1", "axis 2"),
        show=show,
        key="plane",
        on_pick=lambda row: _picked(int(rows[row])),
        on_at=_moved,
    )
    how = (
        "The latent plane itself."
        if latent
        else (
            f"The plane of the two principal directions of the {codes.shape[1]} latent numbers; it holds {found.share:.0%} of their variance, "
            "the rest is at its mean in the decoded pictures."
        )
    )
    st.caption(
        f"{how} Move over it, or use the arrow keys: the picture beside is decoded at the cell under the pointer. "
        "Click a dot to make it A, click beside to decode that place."
    )


def _decoded(setup: Setup, model, found: Plane, codes: Vectors, at: tuple[float, float]) -> None:
    vector = found.lift(np.array([at], np.float32))
    near = search(_space(setup, codes), vector[0], NEAR, "euclidean")
    pictures = setup.pictures
    st.html(
        picture_rows(
            [
                PictureRow(f"decoded at ({at[0]:.2f}, {at[1]:.2f})", model.decode(vector)),
                PictureRow(
                    "nearest pictures",
                    pictures.pixels[[each.row for each in near]],
                    [f"{pictures.labels[each.row]} · {each.score:.2f}" for each in near],
                ),
            ],
            72,
        )
    )


def _space(setup: Setup, codes: Vectors) -> Space:
    return cache_images.picture_space(setup.source, "autoencoder", key=setup.key, recipe=setup.recipe)


def _near(setup: Setup, key: str, a: int) -> None:
    pictures = setup.pictures
    st.subheader(f"What is near picture {a + 1}", anchor=False)
    spaces = {
        f"latent space, {setup.recipe.latent}": cache_images.picture_space(
            setup.source, "autoencoder", key=key, recipe=setup.recipe
        ),
        f"PCA, {setup.recipe.latent}": cache_images.picture_space(setup.source, "PCA", size=setup.recipe.latent),
        f"pixels, {pictures.flat.shape[1]}": cache_images.picture_space(setup.source, "pixels"),
    }
    rows = [PictureRow("picture A", pictures.pixels[[a]], [pictures.labels[a]])]
    for name, space in spaces.items():
        near = [each for each in search(space, space.items[a], NEAR, "euclidean") if not each.asked][:NEAR]
        rows.append(PictureRow(f"in {name}", pictures.pixels[[each.row for each in near]], _captions(setup, near)))
    st.html(picture_rows(rows, 72))
    st.caption("Under each neighbor its label and its Euclidean distance, in the numbers of that space.")


def _captions(setup: Setup, near: list[Neighbor]) -> list[str]:
    return [f"{setup.pictures.labels[each.row]} · {each.score:.2f}" for each in near]


def _line(setup: Setup, model, codes: Vectors, a: int, b: int, top: st.delta_generator.DeltaGenerator) -> None:
    pictures, size = setup.pictures, setup.recipe.latent
    pca = cache_images.pca(setup.source, size)
    ends = pca.encode(pictures.pixels[[a, b]])
    share = np.linspace(0, 1, 9, dtype=np.float32)[:, None, None, None]
    ways = {
        "in the latent space": line(model, codes[a], codes[b]),
        "in PCA": line(pca, ends[0], ends[1]),
        "in pixels": (1 - share) * pictures.pixels[a] + share * pictures.pixels[b],
    }
    space = cache_images.picture_space(setup.source, "pixels")
    far = {
        name: [near[0].score for near in search(space, np.clip(found, 0, 1).reshape(9, -1), 1, "euclidean")]
        for name, found in ways.items()
    }
    middles = {name: scores[4] for name, scores in far.items()}
    st.subheader("From A to B in a straight line", anchor=False)
    with top:
        ask(
            "Half-way between A and B: by which way does the picture look most like a real one, that is, has a real picture nearest?",
            list(ways),
            min(middles, key=lambda name: middles[name]),
            "Measured: " + ", ".join(f"{value:.2f} {name}" for name, value in middles.items()) + ". "
            "Half of each in pixels is two pictures on top of each other; the decoder bends its pictures on the way. Try other pairs: it does not win each time.",
            key="wguess",
        )
    st.html(
        picture_rows(
            [PictureRow(name, found, [f"{score:.2f}" for score in far[name]]) for name, found in ways.items()], 72
        )
    )
    st.caption("Under each picture: how far the nearest real picture is, by Euclidean distance of pixels.")


def _sweep(setup: Setup, model, codes: Vectors, a: int) -> None:
    st.subheader("One latent number swept", anchor=False)
    column = int(
        st.slider(
            "Which number",
            1,
            128,
            1,
            key="number",
            bind=BIND,
            help=f"Of the {codes.shape[1]} latent numbers; the others stay those of picture A.",
        )
    )
    column = min(column, codes.shape[1]) - 1
    values = np.linspace(*np.percentile(codes[:, column], [1, 99]), 9)
    rows = [PictureRow(f"number {column + 1}", sweep(model, codes[a], column, values), [f"{v:.2f}" for v in values])]
    st.html(picture_rows(rows, 72))
    st.caption("From the 1st to the 99th percentile of what this number is over all pictures.")


def _arithmetic(setup: Setup, codes: Vectors, a: int, b: int) -> None:
    with arithmetic("walk_sums") as is_open:
        if not is_open:
            return
        u, v = codes[a].astype(np.float64), codes[b].astype(np.float64)
        st.latex(r"d(z_A, z_B) = \sqrt{\textstyle\sum_i (z_{A,i} - z_{B,i})^2}")
        squares = (u - v) ** 2
        shown = " + ".join(f"({p:.3f} - ({q:.3f}))^2" for p, q in list(zip(u, v, strict=True))[:3])
        more = r" + \dots" if len(u) > 3 else ""
        st.latex(rf"\sqrt{{{shown}{more}}} = {np.sqrt(squares.sum()):.4f}")
        middle = (u + v) / 2
        listed = ", ".join(f"{value:.3f}" for value in middle[:6]) + (", …" if len(u) > 6 else "")
        st.caption(
            f"The middle of the line is half of each: z = ({listed}). The fifth picture of the row above is g(z)."
        )
