"""What is public: names resolve, lists are sorted and whole."""

import ast
import importlib
import types
from pathlib import Path

import pytest

import embedkit

SOURCE = Path(__file__).resolve().parents[1] / "embedkit"
PROGRAMS = {"__main__.py"}


def name_of(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = sorted(name_of(path) for path in SOURCE.rglob("*.py") if path.name not in PROGRAMS)


def test_every_public_name_resolves() -> None:
    assert len(set(embedkit.__all__)) == len(embedkit.__all__)
    for name in embedkit.__all__:
        assert getattr(embedkit, name) is not None
        assert name in dir(embedkit)


def test_the_public_names_are_sorted_and_come_from_their_home() -> None:
    names = [name for name in embedkit.__all__ if not name.startswith("_")]
    assert names == sorted(names)
    assert list(embedkit._HOMES) == names
    for name, home in embedkit._HOMES.items():
        module = importlib.import_module(f"embedkit.{home}")
        assert getattr(embedkit, name) is getattr(module, name)
        assert name in module.__all__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'embedkit' has no attribute 'nope'"):
        _ = embedkit.nope
    with pytest.raises(ImportError):
        exec("from embedkit import nope")


def test_the_version_is_a_version() -> None:
    assert all(part.isdigit() for part in embedkit.__version__.split(".")[:2])


def in_order(name: str) -> tuple[bool, bool, str]:
    """CONSTANTS first, then Classes, then functions, as isort and ruff sort them."""
    return not name.isupper(), not name[0].isupper(), name


def defined(path: Path) -> set[str]:
    """Public functions and classes that a file defines."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    body = ast.parse(path.read_text("utf-8")).body
    return {node.name for node in body if isinstance(node, kinds) and not node.name.startswith("_")}


@pytest.mark.parametrize("name", MODULES)
def test_the_list_of_a_module_is_sorted_and_whole(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__file__ is not None
    path = Path(module.__file__)
    public = getattr(module, "__all__", None)
    if public is None:
        assert defined(path) == set(), f"{name} has public functions but no __all__"
        return
    listed = [one for one in public if not one.startswith("__")]
    assert listed == sorted(listed, key=in_order)
    assert len(set(listed)) == len(listed)
    assert [one for one in listed if not hasattr(module, one)] == []
    assert defined(path) - set(listed) == set(), "public functions that the list lacks: list them or begin with _"


@pytest.mark.parametrize("name", MODULES)
def test_what_is_listed_is_documented(name: str) -> None:
    module = importlib.import_module(name)
    for one in getattr(module, "__all__", ()):
        value = getattr(module, one)
        if isinstance(value, types.FunctionType | type):
            assert (value.__doc__ or "").strip(), f"{name}.{one} has no docstring"
    path = Path(str(module.__file__))
    if path.read_text("utf-8").strip():
        assert module.__doc__ or path.name == "_version.py", f"{name} does not say what it is"
