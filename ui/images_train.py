"""Training an autoencoder in sight: the latent map, the losses and the pictures move while it learns; step back after."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from embedkit.errors import EmbedkitError
from embedkit.export import autoencoder_script, parquet, pictures_lines, safe_csv, vectors_table, worksheet
from embedkit.figures import PictureRow, loss_lines, picture_rows, point_map, signed
from embedkit.images import (
    KEPT,
    Figures,
    Recipe,
    Trained,
    examples,
    fit_pca,
    kept_steps,
    mean_squared_error,
)
from embedkit.jobs import Job
from embedkit.space import Vectors
from ui import cache, cache_images, work
from ui.controls import BIND
from ui.explorer_open import send_button
from ui.frame import arithmetic, ask, chart, link_note, presenting, tries, why
from ui.images_setup import Setup

FEW = 2_500  # points of the latent map; more are a sample, and the caption says so
COLUMNS = 10


def finished(setup: Setup) -> Job | None:
    """The finished training of a setup. Else it runs, and its progress, its stop or its error is drawn; then None."""
    held = st.session_state.get("train_job")
    if held is None or held.key != setup.key:
        left = kept_steps(cache.pool().store, setup.key)
        if left and not cache.runs(setup.key) and cache.pool().store.get_meta(setup.key) is None:
            _stopped(setup, left)
            return None
        held = cache_images.training(setup.source, setup.recipe)
        st.session_state["train_job"] = held
    held.wait(0.1)
    if not held.finished:
        _live(held, setup)
        return None
    if held.state == "stopped" and held.steps:
        _stopped(setup, held.steps)
        return None
    try:
        held.result()
    except EmbedkitError as error:
        st.error(str(error), icon=":material/error:")
        if st.button("Train again", icon=":material/refresh:", key="again", help="Start this training anew"):
            st.session_state["train_job"] = cache_images.training(setup.source, setup.recipe)
            st.rerun()
        return None
    return held


@st.fragment(run_every=0.6)
def _live(job: Job, setup: Setup) -> None:
    """The training as it is now; it draws itself again and again, the rest of the page stands still."""
    if job.finished:
        st.rerun()
    work.training_bar(job, "stop_training")
    steps = job.steps
    shown = cache_images.trained(job.key, steps[-1], setup.recipe, setup.pictures.pixels.shape[1:]) if steps else None
    if shown is None:
        st.caption("The first step is being made.")
        return
    curve = job.data.get("curve") or shown.curve
    draw(setup, job.key, shown, np.asarray(curve, np.float64))


def _stopped(setup: Setup, steps: tuple[int, ...]) -> None:
    shown = cache_images.trained(setup.key, steps[-1], setup.recipe, setup.pictures.pixels.shape[1:])
    if shown is None:
        st.session_state.pop("train_job", None)
        st.error("The steps of this training are no longer kept. Press Train again.", icon=":material/error:")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.info(
            f"Stopped after epoch {shown.epoch} of {shown.epochs}; the last step is kept.",
            icon=":material/pause_circle:",
        )
        if st.button("Resume", key="resume", icon=":material/play_arrow:", help="Goes on exactly where it was stopped"):
            st.session_state["train_job"] = cache_images.training(setup.source, setup.recipe)
            st.rerun()
    draw(setup, setup.key, shown, shown.curve)


def view(setup: Setup) -> None:
    """Draw the training, and once it is finished the slider back through its steps and the table beside PCA."""
    job = finished(setup)
    if job is None:
        return
    _guess(job)
    if st.session_state.get("replay") is not None and len(job.steps) > 1:
        _replay(setup, job)
        return
    shown = _chosen_step(setup, job)
    if shown is None:
        return
    last = cache_images.trained(job.key, shown.epochs, setup.recipe, setup.pictures.pixels.shape[1:])
    drawn = draw(setup, job.key, shown, (last or shown).curve)
    _table(job, shown)
    explain(setup, job, shown, drawn)


@st.fragment(run_every=0.5)
def _replay(setup: Setup, job: Job) -> None:
    """The kept steps one after the other; the rest of the page stands still."""
    steps, at = job.steps, st.session_state["replay"]
    if at is None or at >= len(steps):
        st.session_state["replay"] = None
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress((at + 1) / len(steps), text=f"Step {at + 1} of {len(steps)}")
        ended = st.button("End", key="end_replay", icon=":material/stop_circle:", help="Back to the finished training")
    if ended:
        st.session_state["replay"] = None
        st.rerun()
    shown = cache_images.trained(job.key, steps[at], setup.recipe, setup.pictures.pixels.shape[1:])
    if shown is not None:
        draw(setup, job.key, shown, shown.curve)
    st.session_state["replay"] = at + 1


GUESSES = ("Above PCA's", "Between two thirds of it and all", "Between a third and two thirds", "Under a third")


def _guess(job: Job) -> None:
    """The opening question; its answer is what was measured for these settings."""
    ours, theirs = (Figures(**each) for each in job.result().meta["figures"])
    share = ours.held_error / theirs.held_error if theirs.held_error > 1e-9 else 9.0
    right = GUESSES[0 if share > 1 else 1 if share > 2 / 3 else 2 if share > 1 / 3 else 3]
    ask(
        f"Every picture is squeezed into {ours.size} numbers and drawn again from them, by the network and by PCA. "
        "On pictures that neither has seen: how large is the network's error beside PCA's?",
        list(GUESSES),
        right,
        f"Measured: {ours.held_error:.4f} against {theirs.held_error:.4f}. Change the latent size, and guess again.",
        key="tguess",
    )


def _chosen_step(setup: Setup, job: Job) -> Trained | None:
    steps = job.steps or (cache_images.epochs_of(setup.source, setup.recipe),)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        back = int(
            st.slider(
                "Step back",
                1 - KEPT,
                0,
                0,
                key="back",
                bind=BIND,
                help="0 is the finished training; to the left, ever earlier steps, up to the untrained network.",
            )
        )
        if st.button("Play", key="play", icon=":material/play_circle:", help="Watch it learn again, step by step"):
            st.session_state["replay"] = 0
            st.rerun()
    epoch = steps[max(0, len(steps) - 1 + back)]
    found = cache_images.trained(job.key, epoch, setup.recipe, setup.pictures.pixels.shape[1:])
    if found is None:
        st.caption("That step is no longer kept; the last one is shown.")
        found = cache_images.trained(job.key, steps[-1], setup.recipe, setup.pictures.pixels.shape[1:])
    return found


def draw(setup: Setup, key: str, shown: Trained, curve: Vectors) -> go.Figure:
    """The latent map (returned), the curve of the losses, and pictures over their reconstructions over the errors."""
    pictures, size = setup.pictures, setup.recipe.latent
    _, held_rows = pictures.split()
    pca = cache_images.pca(setup.source, size)
    with st.container(horizontal=True):
        st.metric("Epoch", f"{shown.epoch} of {shown.epochs}", width="content")
        st.metric("Error on training pictures", f"{shown.train_loss:.4f}", width="content")
        st.metric("Error on held-out pictures", f"{shown.held_loss:.4f}", width="content")
        pca_error = mean_squared_error(pictures.pixels[held_rows], pca.reconstruct(pictures.pixels[held_rows]))
        st.metric(f"PCA with {pca.size} numbers, held-out", f"{pca_error:.4f}", width="content")
    left, right = st.columns([3, 2], gap="medium")
    with left:
        figure = _map(setup, key, shown)
    with right:
        chart(
            loss_lines(curve, epoch=shown.epoch, epochs=shown.epochs, pca=pca_error, height=380),
            key="losses",
            alt=f"Mean squared error by epoch; at epoch {shown.epoch}: {shown.train_loss:.4f} on training, {shown.held_loss:.4f} on held-out pictures",
        )
    rows = list(examples(pictures, held_rows, COLUMNS))
    given = pictures.pixels[rows]
    ours, theirs = shown.model.reconstruct(given), pca.reconstruct(given)
    st.html(
        picture_rows(
            [
                PictureRow("held-out picture", given, [pictures.labels[row] for row in rows]),
                PictureRow(f"autoencoder, {size} numbers", ours),
                PictureRow("its error", signed(ours - given)),
                PictureRow(f"PCA, {pca.size} numbers", theirs),
                PictureRow("its error", signed(theirs - given)),
            ],
            72,
        )
    )
    st.caption(
        "Errors: white is right, orange came out too bright, blue too dark. Error is the mean squared error of a pixel, pixels run from 0 to 1."
    )
    return figure


def sample_rows(n: int, most: int = FEW) -> Vectors:
    """Rows to draw, all or an even sample."""
    return np.arange(n) if n <= most else np.linspace(0, n - 1, most).round().astype(np.int64)


def _map(setup: Setup, key: str, shown: Trained) -> go.Figure:
    pictures = setup.pictures
    rows = sample_rows(pictures.n)
    codes = cache_images.codes(key, shown.epoch, setup.source, setup.recipe)
    flat, how = codes, "The latent plane itself: each picture stands at its two numbers."
    if codes.shape[1] > 2:
        plane = fit_pca(codes, 2)
        share = float(plane.encode(codes).var(0).sum() / max(codes.var(0).sum(), 1e-12))
        flat, how = (
            plane.encode(codes),
            f"PCA of the {codes.shape[1]} latent numbers; the two axes hold {share:.0%} of their variance.",
        )
    if len(rows) < pictures.n:
        how += f" {len(rows):,} of {pictures.n:,} pictures are drawn."
    figure = point_map(
        flat[rows].astype(np.float32),
        [pictures.names[row] for row in rows],
        groups=[pictures.labels[row] for row in rows] if 1 < len(pictures.classes) <= 24 else None,
        labels=0,
        height=380,
    )
    chart(figure, key="latent_map", alt=f"Latent map of {len(rows)} pictures after epoch {shown.epoch}")
    st.caption(how)
    return figure


def _table(job: Job, shown: Trained) -> None:
    if shown.epoch != shown.epochs:
        st.caption("The table below is of the finished training.")
    found = [Figures(**each) for each in job.result().meta["figures"]]
    st.dataframe(
        pd.DataFrame(
            {
                "method": [each.name for each in found],
                "numbers a picture": [each.size for each in found],
                "error, training": [each.train_error for each in found],
                "error, held-out": [each.held_error for each in found],
                "kNN accuracy, held-out": [each.accuracy for each in found],
            }
        ),
        hide_index=True,
        key="figures",
        column_config={
            "error, training": st.column_config.NumberColumn(format="%.4f"),
            "error, held-out": st.column_config.NumberColumn(format="%.4f"),
            "kNN accuracy, held-out": st.column_config.NumberColumn(
                format="percent", help="The label of most of the 5 nearest training pictures, by Euclidean distance"
            ),
        },
        alt="Errors and accuracy of the autoencoder and of PCA of the same size",
    )
    meta = job.result().meta
    st.caption(
        f"{meta['parameters']:,} weights, trained in {meta['seconds']:.1f} s on three quarters of the pictures; the held-out quarter took no part. "
        "PCA was fitted on the same training pictures."
    )


def explain(setup: Setup, job: Job, shown: Trained, drawn: go.Figure) -> None:
    """Why, arithmetic, things to try, and what to take away."""
    size = setup.recipe.latent
    why(
        f"The encoder turns the {setup.pictures.flat.shape[1]} pixels of a picture into {size} numbers, the decoder draws the picture from those alone. "
        "Training moves all weights a little, batch by batch, so that what comes out looks more like what went in: no label is used. "
        f"PCA does the same with straight lines only; the network may bend, so with few numbers it keeps more. "
        "The distance between the two curves is what it learned by heart: it helps on the training pictures only."
    )
    with arithmetic("train_sums") as is_open:
        if is_open:
            _sums(setup, shown)
    tries(
        [
            ("Sixteen numbers a picture: sharper, and PCA comes nearer", {"latent": 16}),
            ("No noise on the inputs: does it learn by heart?", {"noise": 0.0}),
            ("Convolutions in place of full connections", {"net": "Convolutional"}),
        ]
    )
    _take_away(setup, job, drawn)


def _sums(setup: Setup, shown: Trained) -> None:
    row = int(examples(setup.pictures, setup.pictures.split()[1], 1)[0])
    given = setup.pictures.pixels[[row]]
    code, found = shown.model.encode(given)[0], shown.model.reconstruct(given)
    x, y = given.ravel().astype(np.float64), found.ravel().astype(np.float64)
    squares = (x - y) ** 2
    first = np.argsort(-squares, kind="stable")[:3]
    st.latex(r"z = f(x), \qquad \hat x = g(z), \qquad L = \frac{1}{p} \sum_{i=1}^{p} (x_i - \hat x_i)^2")
    listed = ", ".join(f"{value:.3f}" for value in code[:6]) + (", …" if len(code) > 6 else "")
    parts = " + ".join(f"({x[i]:.3f} - {y[i]:.3f})^2" for i in first)
    st.latex(
        rf"L = \frac{{{parts} + \dots}}{{{len(x)}}} = \frac{{{squares.sum():.4f}}}{{{len(x)}}} = {squares.mean():.4f}"
    )
    st.caption(
        f"The first held-out picture of the rows above: z = ({listed}). The three pixels with the largest errors are written out; "
        "the error in the table is the mean of L over all held-out pictures."
    )


def _take_away(setup: Setup, job: Job, drawn: go.Figure) -> None:
    if presenting():
        return
    st.subheader("Take away", anchor=False)
    space = cache_images.picture_space(setup.source, "autoencoder", key=job.key, recipe=setup.recipe)
    with st.container(horizontal=True):
        pixels = setup.pictures.pixels
        send_button(lambda: space, "send_codes", lambda: np.round(pixels * 255).astype(np.uint8))
        st.download_button(
            "Vectors (Parquet)",
            lambda: parquet(space),
            "autoencoder.parquet",
            key="get_codes",
            on_click="ignore",
            icon=":material/grid_on:",
        )
        st.download_button(
            "Vectors (CSV)",
            lambda: safe_csv(vectors_table(space, setup.pictures.labels)),
            "autoencoder.csv",
            "text/csv",
            key="get_codes_csv",
            on_click="ignore",
            icon=":material/table:",
        )
        st.download_button(
            "Figure (HTML, works offline)",
            lambda: drawn.to_html(include_plotlyjs=True),
            "latent-map.html",
            "text/html",
            key="get_pfigure",
            on_click="ignore",
            icon=":material/image:",
        )
        st.download_button(
            "Worksheet (Markdown)",
            lambda: worksheet("Autoencoders", _tasks(setup, job)),
            "worksheet-autoencoder.md",
            "text/markdown",
            key="get_psheet",
            on_click="ignore",
            icon=":material/assignment:",
        )
    link_note()
    with st.expander("The same in Python", icon=":material/code:", key="pcode", on_change="rerun") as box:
        if box.open:
            st.code(_script(setup), language="python")


def _script(setup: Setup) -> str:
    source = setup.source
    return autoencoder_script(pictures_lines(source.key, source.limit, source.folder), _changed(setup))


def _changed(setup: Setup) -> dict[str, object]:
    """What differs from the recipe's defaults."""
    plain = asdict(Recipe())
    return {name: value for name, value in asdict(setup.recipe).items() if value != plain[name]}


def _tasks(setup: Setup, job: Job) -> list[tuple[str, str]]:
    ours, theirs = (Figures(**each) for each in job.result().meta["figures"])
    return [
        (
            f"Before you look: {ours.size} numbers a picture. Which draws held-out pictures better, the autoencoder or PCA?",
            f"errors {ours.held_error:.4f} and {theirs.held_error:.4f}",
        ),
        (
            "Step back to epoch 0. What does the untrained network draw, and why always the same?",
            "a gray blur: its output hardly depends on the picture yet",
        ),
        ("Which two labels lie on top of each other on the latent map? Why those?", "open"),
        (
            "Read the two curves at the end. How much of the error comes from learning by heart?",
            f"{ours.held_error:.4f} - {ours.train_error:.4f} = {ours.held_error - ours.train_error:.4f}",
        ),
        ("Double the latent size until PCA draws better. At which size?", "see the view Pitfalls"),
    ]
