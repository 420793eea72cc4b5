"""Controls that several views share; each has a key, a help text, and is bound to the link."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from embedkit.maps import Settings
from embedkit.projection import Recipe, projections

BIND = "query-params"


def choice(label: str, options: Mapping[str, Any] | Sequence[Any], *, key: str, help: str, default: Any = None) -> Any:
    """One of a few options, all visible; never empty. A mapping goes from what is shown, and stands in the link, to
    the value."""
    shown = list(options)
    values = dict(options) if isinstance(options, Mapping) else {option: option for option in shown}
    first = next((name for name in shown if values[name] == default), shown[0])
    picked = st.segmented_control(label, shown, default=first, required=True, key=key, help=help, bind=BIND, wrap=True)
    return values[picked if picked in values else first]


def _kept(key: str, *kinds: type) -> None:
    """Drop what a control of another page with the same key, but of another kind, has left."""
    if key in st.session_state and not isinstance(st.session_state[key], kinds):
        del st.session_state[key]


def number(label: str, low: float, high: float, start: float, *, key: str, help: str, **more: Any) -> float:
    """A number between two bounds."""
    _kept(key, float, int)
    return float(st.number_input(label, low, high, start, key=key, help=help, bind=BIND, **more))


def text(label: str, value: str, *, key: str, help: str, **more: Any) -> str:
    """A line of text, trimmed."""
    _kept(key, str)
    return str(st.text_input(label, value, key=key, help=help, bind=BIND, **more) or "").strip()


def map_settings(prefix: str, default: str = "umap", more: Mapping[str, Recipe] | None = None) -> Settings:
    """Projection method, dimensions, seed and the method's own settings, with their bounds in the help.

    `more` are methods that this page alone offers.
    """
    recipes = projections() | dict(more or {})
    method = choice(
        "Projection",
        {recipe.title: name for name, recipe in recipes.items()},
        key=f"{prefix}method",
        default=default,
        help=" ".join(f"{recipe.title}: {recipe.note}" for recipe in recipes.values()),
    )
    dims = choice("Dimensions", [2, 3], key=f"{prefix}dims", help="Two can be clicked; three can be turned.")
    params = []
    before = list(recipes)[: list(recipes).index(method)]
    for name, (low, high) in recipes[method].bounds.items():
        start = recipes[method].defaults[name]
        kind = int if all(float(value).is_integer() for value in (low, high, start)) else float
        twice = any(name in recipes[other].bounds for other in before)  # with another start: not the same control
        params.append(
            (
                name,
                st.slider(
                    name,
                    kind(low),
                    kind(high),
                    kind(start),
                    step=1 if kind is int else 0.01 if high < 1 else 0.1,
                    key=f"{prefix}{f'{method}_' if twice else ''}{name}",
                    bind=BIND,
                    help=f"From {low:g} to {high:g}; cut to what the number of items allows.",
                ),
            )
        )
    seed = whole_number(
        "Seed",
        0,
        9_999,
        0,
        key=f"{prefix}seed",
        help="The same seed gives the same map; another one shows what is chance.",
    )
    return Settings(method, dims, seed, "cosine", tuple(params))


def whole_number(label: str, low: int, high: int, start: int, *, key: str, help: str) -> int:
    """A whole number; kept as a float inside, for a link that says 1e999 would stop Streamlit's own whole numbers."""
    return int(number(label, float(low), float(high), float(start), key=key, help=help, step=1.0, format="%.0f"))
