"""The contract of every method: a new one is tested by registering."""

import re
from typing import Any

import numpy as np
import pytest

import embedkit
from embedkit import registry
from embedkit.encoders import models
from embedkit.errors import InputError, NotInstalled
from embedkit.registry import Method, load, method, methods
from embedkit.space import Space

METHODS = tuple(methods().values())
BUILT_IN = {
    "words/minilm",
    "contexts/minilm",
    "images/autoencoder",
    "images/cnn",
    "images/pixels",
}  # what must open on every machine after the install

every_method = pytest.mark.parametrize("row", METHODS, ids=[row.key for row in METHODS])


def opened(row: Method, **params: Any) -> Space:
    try:
        return load(row.key, **params)
    except NotInstalled:
        assert row.key not in BUILT_IN
        assert row.needs
        pytest.skip(f"needs {', '.join(row.needs)}")


def test_the_built_in_methods_are_there() -> None:
    assert {row.key for row in METHODS} >= BUILT_IN
    assert [row.key for row in METHODS] == sorted(row.key for row in METHODS)
    assert embedkit.methods() == methods()


@every_method
def test_the_record_says_what_a_page_must_say(row: Method) -> None:
    room, _, name = row.key.partition("/")
    assert re.fullmatch(r"[a-z0-9-]+", room)
    assert re.fullmatch(r"[a-z0-9-]+", name)
    assert f"embedkit.{room}" in registry.ROOMS
    assert row.function.__module__.startswith(f"embedkit.{room}")
    for text in (row.title, row.kind, row.source, row.licence):
        assert text.strip()
    assert 1900 <= row.year <= 2100
    assert row.summary.endswith((".", ")"))
    assert len(row.summary) > 20
    assert "# (" in row.summary, "the summary ends in the shape of what comes out"


@every_method
def test_every_method_takes_a_seed(row: Method) -> None:
    import inspect

    seed = inspect.signature(row.function).parameters["seed"]
    assert (seed.default, seed.kind) == (0, seed.KEYWORD_ONLY)


@every_method
def test_what_comes_out_is_a_sound_space(row: Method) -> None:
    space = opened(row)
    assert isinstance(space, Space)
    assert space.n > 0
    assert len(set(space.items)) == space.n
    assert space.vectors.dtype == np.float32
    assert space.vectors.shape == (space.n, space.d)
    assert space.vectors.flags.c_contiguous
    assert not space.vectors.flags.writeable
    assert np.isfinite(space.vectors).all()
    assert np.abs(space.vectors).max() > 0
    assert len(space.meta) == space.n
    assert space.title
    assert space.key.startswith(row.key.split("/")[0] + "/")
    origin = space.origin
    assert origin.method
    assert origin.data
    assert origin.licence
    assert origin.year


@every_method
def test_same_seed_same_bytes(row: Method) -> None:
    one, two = opened(row, seed=5), opened(row, seed=5)
    assert one.items == two.items
    assert one.vectors.tobytes() == two.vectors.tobytes()
    assert one.digest == two.digest


@every_method
def test_what_is_not_there_says_how_to_get_it(row: Method, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    if not row.needs:
        pytest.skip("needs nothing")
    import huggingface_hub.constants

    find_spec = models.importlib.util.find_spec
    gone = {name.replace("-", "_") for name in row.needs}
    monkeypatch.setattr(
        models.importlib.util, "find_spec", lambda name, *more: None if name in gone else find_spec(name, *more)
    )
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("EMBEDKIT_HOME", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(NotInstalled, match=r"not on this machine.*(fetch|install)"):
        load(row.key)


def test_an_unknown_key_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"no method 'words/nope'\. Known: .*words/minilm"):
        load("words/nope")


@pytest.fixture
def own_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_METHODS", dict(registry._METHODS))


ABOUT = {"title": "T", "kind": "static", "source": "S", "licence": "own", "year": 2020}


def test_a_registered_method_is_listed_and_loaded(own_table: None, toy: Space) -> None:
    @method("words/aaa", **ABOUT, needs=("x",))  # type: ignore[arg-type]
    def aaa(*, seed: int = 0, big: bool = False) -> Space:
        """Make it.

        More.
        """
        return toy.take(["east"]) if big else toy

    row = methods()["words/aaa"]
    assert (row.title, row.needs, row.summary) == ("T", ("x",), "Make it.")
    assert load("words/aaa") is toy
    assert load("words/aaa", big=True).n == 1
    assert aaa() is toy


def test_two_methods_cannot_share_a_key(own_table: None, toy: Space) -> None:
    def first(*, seed: int = 0) -> Space:
        return toy

    def second(*, seed: int = 0) -> Space:
        return toy

    method("words/aaa", **ABOUT)(first)  # type: ignore[arg-type]
    method("words/aaa", **ABOUT)(first)  # type: ignore[arg-type]  # a page that is run again imports its room again
    with pytest.raises(ValueError, match="share the key 'words/aaa'"):
        method("words/aaa", **ABOUT)(second)  # type: ignore[arg-type]


def test_an_unknown_parameter_is_named_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"has no parameter 'layers'; its parameters: word, layer, seed"):
        embedkit.load("contexts/minilm", layers=3)
