"""What people take away: tables as CSV that no spreadsheet runs, and the lines of Python that make the same result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from embedkit.maps import MadeMap

__all__ = ["coordinates_table", "neighbor_script", "safe_csv", "worksheet"]


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


def neighbor_script(key: str, word: str, method: str, dims: int, seed: int) -> str:
    """Python that looks a word up and projects its neighborhood."""
    return (
        "import embedkit\n\n"
        f"space = embedkit.load({key!r})\n"
        f"for neighbor in embedkit.search(space, {word!r}, k=10):\n"
        "    print(neighbor.rank, neighbor.item, round(neighbor.score, 4))\n\n"
        f"around = space.take([n.item for n in embedkit.search(space, {word!r}, k=100)])\n"
        f"projection = embedkit.project(around, method={method!r}, dims={dims}, seed={seed})\n"
        "print(embedkit.measure(around, projection).recall)\n"
    )


def worksheet(title: str, tasks: Sequence[tuple[str, str]]) -> str:
    """A sheet for a class in Markdown: tasks with room to write, and the answers of today's state on a last page."""
    lines = [f"# {title}", "", "Name: ______________________    Date: ______________", ""]
    for number, (task, _) in enumerate(tasks, start=1):
        lines += [f"{number}. {task}", "", "   " + "_" * 70, ""]
    lines += ["---", "", "## For the teacher: answers", ""]
    lines += [f"{number}. {answer}" for number, (_, answer) in enumerate(tasks, start=1)]
    return "\n".join(lines) + "\n"
