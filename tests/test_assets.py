"""What ships in assets/ is what its recipe makes."""

import importlib

import numpy as np
import pytest

from embedkit.assets_recipe import opening_maps, write_pictures
from embedkit.contexts import sense_words
from embedkit.errors import DamagedFile
from embedkit.maps import result_now, stored_map
from embedkit.paths import ASSETS
from embedkit.store import Store
from embedkit.words.minilm import _table
from embedkit.words.recipe import distill

SAMPLE = [
    "apple",
    "bank",
    "king",
    "queen",
    "walked",
    "quickly",
    "paris",
    "tokyo",
    "seven",
    "blue",
    "physics",
    "unhappy",
]


def test_the_recipe_still_makes_the_shipped_words():
    words, tensors = _table()
    made = distill(only=SAMPLE)
    mapped = (made.vectors - tensors["mean"]) @ tensors["components"]
    shipped = tensors["vectors"][[words.index(word) for word in SAMPLE]]
    cosines = (mapped * shipped).sum(1) / np.linalg.norm(mapped, axis=1) / np.linalg.norm(shipped, axis=1)
    assert cosines.min() > 0.99


def test_the_words_stay_under_twelve_megabytes():
    assert sum(path.stat().st_size for path in (ASSETS / "words").iterdir()) < 12_000_000


@pytest.mark.parametrize("number", [0, 1, 2])
def test_opening_maps_are_found_without_computing(number, tmp_path):
    space, settings = opening_maps()[number]
    made = stored_map(space, settings, Store(tmp_path, shipped=(ASSETS / "store",)))
    assert made is not None, "run: python -m embedkit build-assets --only maps"
    assert made.projection.coords.shape == (space.n, 2)
    assert 0.5 < made.quality.trustworthiness <= 1


def test_the_recipe_still_makes_the_first_opening_map(tmp_path):
    space, settings = opening_maps()[0]
    shipped = stored_map(space, settings, Store(tmp_path, shipped=(ASSETS / "store",)))
    again = result_now(space, settings)
    # Coordinates may drift with another processor's last bit; how well the map keeps neighborhoods may not.
    assert again.quality.trustworthiness == pytest.approx(shipped.quality.trustworthiness, abs=0.01)
    assert again.quality.recall == pytest.approx(shipped.quality.recall, abs=0.03)


def test_pictures_are_made_from_the_maps(tmp_path, monkeypatch):
    monkeypatch.setattr("embedkit.assets_recipe.ASSETS", tmp_path)
    write_pictures()
    for name in ("words.svg", "contexts.svg"):
        made, shipped = ((folder / "home" / name).read_text("utf-8") for folder in (tmp_path, ASSETS))
        assert made.startswith("<svg")
        assert made.count("fill=") == shipped.count("fill=")


def test_every_asset_is_named_with_its_licence():
    text = (ASSETS / "README.md").read_text("utf-8")
    for path in ASSETS.rglob("*"):
        if path.is_file() and path.name != "README.md" and path.suffix not in {".ek", ".svg"}:
            assert path.relative_to(ASSETS).as_posix() in text
    assert f"{len(sense_words())} ambiguous words" in text


@pytest.mark.parametrize("damage", ["half", "text", "one word less"])
def test_damaged_words_are_named_with_what_restores_them(damage, tmp_path, monkeypatch):
    minilm = importlib.import_module("embedkit.words.minilm")  # the package holds a function of this name

    data = (ASSETS / "words/minilm.safetensors").read_bytes()
    words = (ASSETS / "words/minilm.words.txt").read_text("utf-8")
    content = {"half": data[: len(data) // 2], "text": b"no tensors here", "one word less": data}[damage]
    (tmp_path / "words").mkdir()
    (tmp_path / "words/minilm.safetensors").write_bytes(content)
    kept = words if damage != "one word less" else words.rsplit("\n", 2)[0]
    (tmp_path / "words/minilm.words.txt").write_text(kept, "utf-8")
    monkeypatch.setattr(minilm, "asset", lambda name: tmp_path / name)
    with pytest.raises(DamagedFile, match=r"are damaged .* git checkout assets, or make them again"):
        minilm._table.__wrapped__()
