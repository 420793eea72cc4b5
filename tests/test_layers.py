"""The house: imports run downward only, rooms do not import each other, and embedkit knows nothing of the app."""

import ast
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "embedkit"

# Every module or package of embedkit has its floor here; a new one must be declared. Imports run to a lower floor, or
# to a neighbor on the same floor as long as they do not run in a circle.
FLOORS = (
    {"errors", "_version"},
    {"encoding", "space", "store", "jobs", "registry", "worker", "paths"},
    {
        "projection",
        "quality",
        "neighbors",
        "index",
        "near_kernel",
        "own_axes",
        "pacmap_engine",
        "pacmap_kernel",
        "umap_engine",
        "umap_kernel",
        "maps",
        "export",
        "compare",
        "clusters",
        "explore",
        "handing",
    },
    {"sources", "encoders"},
    {"words", "contexts", "images", "interactions", "figures", "files"},
    {"__init__", "__main__", "assets_recipe", "catalog", "cli"},  # these see all rooms
)
ALONE = FLOORS[4]  # on this floor nobody imports a neighbor: what two of them need lives below
APP = {"streamlit", "ui", "pages", "app", "tests", "benchmarks"}
HEAVY = ("torch", "umap", "plotly", "streamlit", "numba", "pandas")
FLOOR_OF = {name: floor for floor, names in enumerate(FLOORS) for name in names}


@lru_cache(maxsize=1)
def modules() -> dict[str, Path]:
    """File by dotted name: "embedkit.words.lists", "embedkit.words", "embedkit"."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(tree: ast.AST, name: str, package: bool) -> set[str]:
    """Dotted names of all that is imported anywhere in a module: at its top, in functions, for type checkers only."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = name.split(".")
            above = parts[: len(parts) - node.level + package] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            # "from embedkit import errors" imports the module, "from embedkit.errors import X" what is in it
            found |= {f"{base}.{alias.name}" if f"{base}.{alias.name}" in modules() else base for alias in node.names}
    return found


@lru_cache(maxsize=1)
def edges() -> dict[str, frozenset[str]]:
    return {
        name: frozenset(imports(ast.parse(path.read_text("utf-8")), name, path.name == "__init__.py"))
        for name, path in modules().items()
    }


def part(name: str) -> str:
    """The module or package right under embedkit: "words" of "embedkit.words.lists"."""
    return name.split(".")[1] if "." in name else "__init__"


def inside() -> set[tuple[str, str]]:
    """Pairs (importing module, imported module), both in embedkit, of different parts."""
    pairs = {(a, b) for a, found in edges().items() for b in found if b.split(".")[0] == "embedkit"}
    return {(a, b) for a, b in pairs if part(a) != part(b)}


def test_the_walk_sees_the_house() -> None:
    assert ("embedkit.jobs", "embedkit.errors") in inside()
    assert ("embedkit.words.analogies", "embedkit.sources.gensim_data") in inside()
    assert len(modules()) > 20
    made_up = "from . import a\nfrom ..errors import X\ndef f():\n    import umap.layouts\n"
    found = imports(ast.parse(made_up), "embedkit.words.lists", package=False)
    assert found == {"embedkit.words", "embedkit.errors", "umap.layouts"}
    assert imports(ast.parse("from .lists import x"), "embedkit.words", package=True) == {"embedkit.words.lists"}


def test_every_module_has_its_floor() -> None:
    assert {part(name) for name in modules()} - FLOOR_OF.keys() == set()
    assert sum(map(len, FLOORS)) == len(FLOOR_OF), "a name stands on two floors"


def test_imports_run_downward_only() -> None:
    guilty = {(a, b) for a, b in inside() if FLOOR_OF.get(part(a), 99) < FLOOR_OF.get(part(b), 99)}
    assert guilty == set()


def test_rooms_do_not_import_each_other() -> None:
    assert {(a, b) for a, b in inside() if part(a) in ALONE and part(b) in ALONE} == set()


def circle(graph: dict[str, set[str]]) -> list[str]:
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name not in done:
            for after in sorted(graph.get(name, ())):
                if found := walk(after, [*path, name]):
                    return found
            done.add(name)
        return []

    return next((found for name in sorted(graph) if (found := walk(name, []))), [])


def test_no_imports_in_a_circle() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    graph: dict[str, set[str]] = {}
    for a, b in inside():
        graph.setdefault(part(a), set()).add(part(b))
    graph.pop("__init__", None)
    assert circle(graph) == []
    # and within the parts; a package's __init__ gathers what its modules hold
    whole = {a: {b for b in found if b in modules() and b != a} for a, found in edges().items()}
    assert circle({a: found for a, found in whole.items() if modules()[a].name != "__init__.py"}) == []


def test_embedkit_never_imports_the_app() -> None:
    guilty = {name: hit for name, found in edges().items() if (hit := {b.split(".")[0] for b in found} & APP)}
    assert guilty == {}


def test_the_package_itself_is_light() -> None:
    allowed = {"importlib", "typing", "embedkit._version"}
    assert edges()["embedkit"] <= allowed


@pytest.mark.parametrize(
    "line",
    [
        "import embedkit",
        "import embedkit; embedkit.methods()",  # a room imports nothing heavy at its top
        "import embedkit.store, embedkit.jobs, embedkit.neighbors, embedkit.projection, embedkit.quality",
    ],
)
def test_a_fresh_import_loads_nothing_heavy(line: str) -> None:
    code = f"import sys; {line}; print(*[name for name in {HEAVY} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (ran.returncode, ran.stdout.strip(), ran.stderr) == (0, "", "")
