"""Controls that several views share; each has a key, a help text, and is bound to the link."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from embedkit.maps import Settings
from embedkit.projection import projections

BIND = "query-params"


def choice(label: str, options: Sequence[Any], *, key: str, help: str, default: Any = None, **more: Any) -> Any:
    """One of a few options, all visible; never empty."""
    first = options[0] if default is None else default
    return st.segmented_control(
        label, options, default=first, required=True, key=key, help=help, bind=BIND, **more
    ) or first


def text(label: str, value: str, *, key: str, help: str, **more: Any) -> str:
    """A line of text, trimmed."""
    return str(st.text_input(label, value, key=key, help=help, bind=BIND, **more) or "").strip()


def map_settings(prefix: str, default: str = "umap") -> Settings:
    """Projection method, dimensions, seed and the method's own settings, with their bounds in the help."""
    recipes = projections()
    method = choice(
        "Projection",
        list(recipes),
        key=f"{prefix}method",
        default=default,
        format_func=lambda name: recipes[name].title,
        help=" ".join(f"{recipe.title}: {recipe.note}" for recipe in recipes.values()),
    )
    dims = choice("Dimensions", [2, 3], key=f"{prefix}dims", help="Two can be clicked; three can be turned.")
    params = []
    for name, (low, high) in recipes[method].bounds.items():
        whole = name != "min_dist"
        kind = int if whole else float
        params.append(
            (
                name,
                st.slider(
                    name,
                    kind(low),
                    kind(high),
                    kind(recipes[method].defaults[name]),
                    step=1 if whole else 0.01,
                    key=f"{prefix}{name}",
                    bind=BIND,
                    help=f"From {low:g} to {high:g}; cut to what the number of words allows.",
                ),
            )
        )
    seed = st.number_input(
        "Seed", 0, 9_999, 0, key=f"{prefix}seed", bind=BIND, help="The same seed gives the same map; another one shows what is chance."
    )
    return Settings(method, dims, int(seed), "cosine", tuple(params))
