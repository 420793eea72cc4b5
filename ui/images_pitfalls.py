"""Two experiments on what goes wrong: a bottleneck of the wrong size, and a network so wide that noise passes."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from embedkit.figures import PictureRow, picture_rows, setting_lines
from embedkit.images import Source, examples
from embedkit.images.pitfalls import (
    NOISE,
    SIZES,
    noise_results,
    request_noise,
    request_sizes,
    size_results,
)
from embedkit.sources.pictures import Pictures
from ui import cache
from ui.frame import arithmetic, ask, chart, tries, why
from ui.work import result_of

GUESSES = ("At every size", "At some sizes only", "At no size")


def view(source: Source, pictures: Pictures) -> None:
    """Both experiments, with what was measured."""
    _sizes(source, pictures)
    _noise()
    why(
        "A bottleneck forces the network to keep what the pictures have in common and to drop the rest. Too small, and different pictures share one blur; "
        "too large, and nothing forces it to find structure, so more numbers no longer help on pictures it has not seen. "
        "A network wider than its input can pass everything through, noise as well: it has learned to copy, not to see. "
        "Denoising asks for the clean picture instead, so copying no longer pays, however wide it is (Vincent et al. 2008)."
    )
    with arithmetic("pitfall_sums") as is_open:
        if is_open:
            st.latex(r"\text{passed} = \frac{\sum_i n_i\,(\hat x(x + n)_i - \hat x(x)_i)}{\sum_i n_i^2}")
            st.caption(
                "n is the noise, after pixels were cut to 0..1, over all pixels of the held-out digits: 1 if the output changes exactly as the input was changed, 0 if it does not care."
            )
    tries(
        [
            (
                "Train 128 numbers without noise and watch the two curves part",
                {"view": "Train", "latent": 128, "noise": 0.0},
            ),
            ("Train a denoising network with two numbers", {"view": "Train", "latent": 2, "noise": 0.5}),
            ("The same sizes on shapes drawn by rule (a few minutes)", {"pictures": "Shapes drawn by rule"}),
        ]
    )


def _sizes(source: Source, pictures: Pictures) -> None:
    st.subheader("How many numbers?", anchor=False)
    entry = result_of(("sizes", source), lambda: request_sizes(source, cache.pool()))
    if entry is None:
        return
    found = size_results(entry)
    sizes = [each.size for each in found]
    if len(found) == len(SIZES):
        better = [each.held_error < each.pca_error for each in found]
        right = GUESSES[0 if all(better) else 1 if any(better) else 2]
        at = ", ".join(str(each.size) for each, yes in zip(found, better, strict=True) if yes) or "none"
        ask(
            "PCA and the autoencoder get the same number of latent numbers. Does the autoencoder draw held-out pictures better?",
            list(GUESSES),
            right,
            f"Measured better at: {at}. Where numbers are few, the bends pay; where there are many, PCA drops almost nothing, and the network pays for what it could not learn from so few pictures.",
            key="sguess",
        )
    left, right = st.columns(2, gap="medium")
    with left:
        chart(
            setting_lines(
                sizes,
                {
                    "autoencoder, training": [each.train_error for each in found],
                    "autoencoder, held-out": [each.held_error for each in found],
                    "PCA, held-out": [each.pca_error for each in found],
                },
                x_title="latent size",
                y_title="mean squared error",
            ),
            key="size_errors",
            alt="Mean squared error by latent size: autoencoder on training and held-out pictures, PCA on held-out ones",
        )
    with right:
        chart(
            setting_lines(
                sizes,
                {"autoencoder": [each.accuracy for each in found], "PCA": [each.pca_accuracy for each in found]},
                x_title="latent size",
                y_title="kNN accuracy, held-out",
            ),
            key="size_accuracy",
            alt="kNN accuracy by latent size for autoencoder and PCA",
        )
    rows = examples(pictures, pictures.split()[1])
    shown = [PictureRow("held-out picture", pictures.pixels[list(rows)], [pictures.labels[row] for row in rows])]
    shown += [PictureRow(f"{size} numbers", entry.arrays[f"drawn.{size}"]) for size in sizes]
    st.html(picture_rows(shown, 56))
    best = min(found, key=lambda each: each.held_error)
    st.caption(
        f"From {found[0].size} to {found[-1].size} numbers the error on held-out pictures falls from {found[0].held_error:.4f} to {found[-1].held_error:.4f}; "
        f"the least, {best.held_error:.4f}, is at {best.size}. One training a size, seed 0; {len(pictures.split()[1]):,} held-out pictures."
    )


def _noise() -> None:
    st.subheader("Wide enough to copy noise", anchor=False)
    st.markdown(
        f"Digits have 64 pixels. A network with **128** numbers in the middle has room for everything. It is fed digits with noise of standard deviation {NOISE:g}: "
        "once asked to give back *what it was given*, once asked for the *clean* digit."
    )
    entry = result_of(("noise", None), lambda: request_noise(cache.pool()))
    if entry is None:
        return
    found = noise_results(entry)
    st.dataframe(
        pd.DataFrame(
            {
                "network": [each.name for each in found],
                "numbers": [each.latent for each in found],
                "noise that passes": [each.passed for each in found],
                "error to the clean digit": [each.error for each in found],
                "error on pure noise": [each.static_error for each in found],
            }
        ),
        hide_index=True,
        key="noise_table",
        column_config={
            "noise that passes": st.column_config.ProgressColumn(min_value=0.0, max_value=1.0, format="percent"),
            "error to the clean digit": st.column_config.NumberColumn(format="%.4f"),
            "error on pure noise": st.column_config.NumberColumn(format="%.4f"),
        },
        alt="What three networks do with noise",
    )
    names = [each.name for each in found]
    for title, stem in (("digit with noise", "given"), ("pure noise", "static")):
        rows = [PictureRow(title, entry.arrays[stem])]
        rows += [PictureRow(name, entry.arrays[f"{stem}.{number}"]) for number, name in enumerate(names)]
        st.html(picture_rows(rows, 56))
    st.caption(
        f"Held-out digits. The noisy input itself is {found[0].given_error:.4f} from the clean digit. Pure noise has the variance {found[0].static_variance:.4f}: "
        "an error well under that means that noise is copied, one above it that the network draws something else in its place."
    )
