"""What people take away: tables as CSV that no spreadsheet runs, and the lines of Python that make the same result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from embedkit.maps import MadeMap, Settings

__all__ = ["coordinates_table", "layers_script", "map_script", "safe_csv", "worksheet"]


def safe_csv(table: pd.DataFrame) -> bytes:
    """A table as UTF-8 CSV; text cells that start with = + - @, tab or return get an apostrophe before them (OWASP)."""

    def safe(value: object) -> object:
        return f"'{value}" if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"} else value

    return table.map(safe).to_csv(index=False, lineterminator="\n").encode("utf-8", "replace")


def coordinates_table(made: MadeMap) -> pd.DataFrame:
    """Items with their coordinates and the share of true neighbors that the map keeps."""
    import pandas as pd

    projection = made.projection
    items = projection.space.items if projection.space is not None else tuple(map(str, range(len(projection.coords))))
    columns = {"item": items} | dict(zip("xyz", projection.coords.T, strict=False))
    return pd.DataFrame(columns | {"neighbors_kept": made.quality.point_recall})


def map_script(key: str, word: str, items: Sequence[str], settings: Settings) -> str:
    """Python that lists the neighbors of a word and makes the same map of the same items."""
    params = "".join(f", {name}={value:g}" for name, value in settings.params)
    listed = ", ".join(map(repr, items))
    chosen = f"space.take([{listed}])" if len(items) <= 2_500 else "space"
    return (
        "import embedkit\n\n"
        f"space = embedkit.load({key!r})\n"
        f"for neighbor in embedkit.search(space, {word!r}, k=10):\n"
        "    print(neighbor.rank, neighbor.item, round(neighbor.score, 4))\n\n"
        f"shown = {chosen}\n"
        f"projection = embedkit.project(\n"
        f"    shown, method={settings.method!r}, dims={settings.dims}, seed={settings.seed}{params}\n)\n"
        "print(projection.coords[:3], embedkit.measure(shown, projection).recall)\n"
    )


def layers_script(pairs: Sequence[tuple[str, str]], word: str, layer: int, model: str, folder: str) -> str:
    """Python that reads the same sentences (sense, sentence) with the same model."""
    listed = "".join(f"    ({sense!r}, {sentence!r}),\n" for sense, sentence in dict.fromkeys(pairs))
    return (
        "import embedkit\nfrom embedkit.contexts import figures_by_layer, find_occurrences, read_layers\n"
        "from embedkit.encoders.transformer import load_transformer\n\n"
        f"pairs = [\n{listed}]\n"
        f"found = find_occurrences({word!r}, [sentence for _, sentence in pairs], [sense for sense, _ in pairs])\n"
        f"layers = read_layers(found, load_transformer({model!r}, {folder or None!r}))\n"
        f"space = layers.space({layer})\n"
        "print(embedkit.search(space, space.items[0], k=5))\n"
        f"print(figures_by_layer(layers)[{layer}])\n"
    )


def worksheet(title: str, tasks: Sequence[tuple[str, str]]) -> str:
    """A sheet for a class in Markdown: tasks with room to write, and the answers of today's state on a last page."""
    lines = [f"# {title}", "", "Name: ______________________    Date: ______________", ""]
    for number, (task, _) in enumerate(tasks, start=1):
        lines += [f"{number}. {task}", "", "   " + "_" * 70, ""]
    lines += ["---", "", "## For the teacher: answers", ""]
    lines += [f"{number}. {answer}" for number, (_, answer) in enumerate(tasks, start=1)]
    return "\n".join(lines) + "\n"
