"""Axes of a person's own on the explorer: from what, to what, or along a column of numbers."""

from __future__ import annotations

import streamlit as st

from embedkit.errors import EmbedkitError, UnknownItem
from embedkit.maps import MadeMap
from embedkit.own_axes import OwnAxis, default_axes, drawn, end_of, ends_of, number_columns
from embedkit.space import Space
from ui.controls import BIND, text
from ui.explorer_open import Opened

WAYS = {"x": "Across", "y": "Up", "z": "Into the depth"}
ENDS = "two ends"
WHY_AXES = (
    "The difference between two means is a direction, and a point's place is how far it lies along it, from the middle between the two. "
    "So both ends of an axis stand apart by what you chose, whatever the vectors hold: look at the points between and beyond. "
    "Two or three directions leave most of the numbers out, so strangers stand side by side, and the figures above say how many. "
    "Lists of neighbors come from all numbers. Other items at the same ends show what of the axis is yours and what is theirs."
)
WHAT = "Items, classes such as digit: 3, or words to look for in names and columns; commas between several, of which the mean is taken."


def axes_form(opened: Opened, dims: int) -> tuple[OwnAxis, ...]:
    """The axes that are typed, or found where nothing is; what does not fit is said beside its field, and found instead."""
    space = opened.shown
    return tuple(
        _axis(opened, space, letter, found) for letter, found in zip(WAYS, default_axes(space, dims), strict=False)
    )


def _axis(opened: Opened, space: Space, letter: str, found: OwnAxis) -> OwnAxis:
    way, known = WAYS[letter], list(number_columns(space))
    if known:
        by = st.selectbox(
            f"{way}: axis",
            [ENDS, *known],
            key=f"ex_{letter}",
            bind=BIND,
            help="From one end to another, which you name; or along a column of numbers.",
        )
        if by in known:
            return _column(space, str(by), found)
    typed = []
    for side, name, instead in zip(("from", "to"), ("_from", "_to"), found, strict=True):
        given = text(
            f"{way}, {side}",
            "",
            key=f"ex_{letter}{name}",
            help=f"{WHAT} Empty: {instead}, found because it lies far from the other end.",
            placeholder=instead,
        )
        typed.append(given or instead)
        try:
            end = end_of(space, typed[-1])
        except EmbedkitError as error:
            _said(opened, error, found)
            typed[-1] = ""
            continue
        if given and any(how != "item" for _, how, _ in end.parts):
            st.caption(f"{end.said}.")
    own = (typed[0], typed[1])
    if not all(own):
        return found
    try:
        drawn(space, own)
    except EmbedkitError as error:
        _said(opened, error, found)
        return found
    return own


def _column(space: Space, name: str, found: OwnAxis) -> OwnAxis:
    try:
        made = drawn(space, name)
    except EmbedkitError as error:
        st.error(str(error), icon=":material/error:")
        return found
    if made.missing:
        st.caption(f"Without {name}: {made.missing:,}, in the middle of the axis.")
    return name


def _said(opened: Opened, error: EmbedkitError, found: OwnAxis) -> None:
    said = str(error)
    if isinstance(error, UnknownItem) and error.item in opened.whole:
        said = f"'{error.item}' is not in the sample on this map."
    st.error(f"{said} Until then the axis runs from {found[0]} to {found[1]}.", icon=":material/error:")


def axes_note(made: MadeMap) -> None:
    """What the axes are, and how far each asks something of its own."""
    projection = made.projection
    space = projection.space
    if projection.method != "axes" or space is None:
        return
    ends = ends_of(space, projection.axes)
    said = [f"{way.lower()} from {low} to {high}" for way, (low, high) in zip(WAYS.values(), ends, strict=False)]
    first, second = (drawn(space, own).axis for own in projection.axes[:2])
    between = ""
    if first is not None and second is not None:
        between = f" Cosine between the first two: {_signed(float(first.direction @ second.direction))}; at 0 they ask different things, near 1 or −1 the same."
    st.caption(f"Axes: {'; '.join(said)}.{between}")


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def axes_sums(made: MadeMap, pick: str | None) -> None:
    """The coordinates of the picked item as sums that a pen confirms."""
    projection = made.projection
    space = projection.space
    if projection.method != "axes" or space is None:
        return
    st.latex(r"x = (\hat v - m) \cdot a, \qquad m = \tfrac12 (p + q), \quad a = \frac{q - p}{\lVert q - p \rVert}")
    st.caption(
        "v is the item's vector at length 1, p and q the means of the vectors at both ends. Along a column: (value − smallest) / (largest − smallest) − ½."
    )
    if pick is None or pick not in space:
        return
    row = space.row(pick)
    for letter, own in zip(WAYS, projection.axes, strict=False):
        made_of = drawn(space, own)
        if made_of.axis is not None:
            along = float(space.unit[row] @ made_of.axis.direction)
            middle = float(made_of.axis.middle @ made_of.axis.direction)
            st.latex(
                rf"{letter} = \hat v \cdot a - m \cdot a = {along:.3f} - ({middle:.3f}) = {made_of.coordinates[row]:.3f}"
            )
        else:
            value = float(number_columns(space)[str(own)].values[row])  # type: ignore[index]
            st.latex(
                rf"{letter} = \frac{{{value:g} - {made_of.low:g}}}{{{made_of.high:g} - {made_of.low:g}}} - \tfrac12 = {made_of.coordinates[row]:.3f}"
            )
