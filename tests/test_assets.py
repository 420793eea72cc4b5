"""What ships in assets/ is what its recipe makes."""

import importlib
from dataclasses import replace

import numpy as np
import pytest

from embedkit.assets_recipe import SHIPPED_WORDS, cinema_experiments, opening_maps, opening_networks, write_pictures
from embedkit.contexts import sense_words
from embedkit.errors import DamagedFile
from embedkit.images import (
    Autoencoder,
    Source,
    figures_of,
    kept_epochs,
    kept_pca,
    kept_steps,
    load_source,
    train,
    trained_at,
    training_key,
)
from embedkit.images.classifiers import ClassifierRecipe
from embedkit.images.compare import classifier_key, classifier_of
from embedkit.images.pitfalls import NOISE_TASK, SIZES_TASK
from embedkit.interactions.data import Watched, features_of, load_watched, parts_of
from embedkit.interactions.pitfalls import (
    DRIFT_TASK,
    NEGATIVES_TASK,
    NEW_FILMS_TASK,
    drift_results,
    negatives_results,
    new_films_results,
)
from embedkit.interactions.towers import TowerRecipe, Towers
from embedkit.interactions.training import TABLE_TASK, towers_at, towers_key, weights_of_entry
from embedkit.interactions.training import kept_epochs as kept_tower_epochs
from embedkit.maps import Settings, result_now, stored_map
from embedkit.paths import ASSETS
from embedkit.space import Space
from embedkit.store import Entry, Store, recipe_key, step_key
from embedkit.words.four_methods import EXAMPLES, HEAD, TESTS, WITH_UNSEEN, Contest, compared_of
from embedkit.words.gensim_models import Places, gensim_steps
from embedkit.words.learning import METHODS, learn
from embedkit.words.minilm import _table
from embedkit.words.reader import reader_results
from embedkit.words.recipe import distill
from embedkit.words.scores import pair_score
from embedkit.words.shipped import READERS, shipped_experiments
from embedkit.words.training_pitfalls import BASE, EXPERIMENTS, PAIRS, dimension_results, experiment_key, held_out
from embedkit.words.word_training import Text, load_text, recipe_of, seen_at, space_of
from embedkit.words.word_training import kept_epochs as kept_word_epochs
from embedkit.words.word_training import training_key as words_key
from embedkit.worker import Report

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


@pytest.mark.parametrize("number", [0, 1, 2, 3, 4])
def test_opening_maps_are_found_without_computing(number, tmp_path):
    space, settings = opening_maps()[number]
    made = stored_map(space, settings, Store(tmp_path, shipped=(ASSETS / "store",)))
    assert made is not None, "run: python -m embedkit build-assets --only maps"
    assert made.projection.coords.shape == (space.n, 2)
    assert 0.5 < made.quality.trustworthiness <= 1 or number == 4  # the map of noise


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
    for name in ("words.svg", "contexts.svg", "images.svg", "interactions.svg", "train_words.svg", "explorer.svg"):
        made, shipped = ((folder / "home" / name).read_text("utf-8") for folder in (tmp_path, ASSETS))
        assert made.startswith("<svg")
        assert made.count("fill=") == shipped.count("fill=")


def shipped_store(tmp_path) -> Store:
    return Store(tmp_path, shipped=(ASSETS / "store",))


@pytest.mark.parametrize("number", [0, 1])
def test_opening_networks_are_found_without_training(number, tmp_path):
    recipe, steps = opening_networks()[number]
    store, key = shipped_store(tmp_path), training_key(Source("digits"), recipe)
    entry = store.get(key)
    assert entry is not None, "run: python -m embedkit build-assets --only networks"
    pictures = load_source(Source("digits"))
    made = trained_at(store, key, entry.meta["epoch"], recipe, (8, 8, 1))
    assert made.model.encode(pictures.pixels) == pytest.approx(entry.arrays["codes"], abs=1e-3)
    expected = kept_epochs(made.epochs) if steps else ()
    assert kept_steps(store, key) == expected
    assert all(trained_at(store, key, epoch, recipe, (8, 8, 1)).epoch == epoch for epoch in expected)


def test_the_recipe_still_makes_the_opening_autoencoder(tmp_path):
    recipe, _ = opening_networks()[0]
    key = training_key(Source("digits"), recipe)
    shipped = shipped_store(tmp_path).get(key).meta
    pictures = load_source(Source("digits"))
    train_rows, held_rows = pictures.split()
    (*_, last) = train(pictures.pixels, recipe, train_rows=train_rows, held_rows=held_rows)
    # Weights drift with another processor's last bit, epoch by epoch; what the network is worth may not.
    assert last.epoch == shipped["epoch"]
    assert last.held_loss == pytest.approx(shipped["held_loss"], rel=0.1)
    assert last.held_loss < 0.6 * figures_of(pictures, Autoencoder(recipe, (8, 8, 1), last.weights))[1].held_error


def test_opening_classifiers_pitfalls_and_maps_of_pictures_are_found(tmp_path):
    store, digits = shipped_store(tmp_path), Source("digits")
    pictures = load_source(digits)
    for kind in ("cnn", "vit"):
        for column in ("label", "even"):
            entry = store.get(classifier_key(digits, ClassifierRecipe(kind), column))
            again = classifier_of(entry).encode(pictures.pixels[:50])
            assert again == pytest.approx(entry.arrays["codes"][:50], abs=1e-2)
            held = entry.meta["curve"][-1][2]
            assert held > 0.95
    assert store.get(recipe_key(NOISE_TASK)) is not None
    assert store.get(recipe_key(SIZES_TASK, source=digits.params())) is not None
    pca, codes = kept_pca(pictures, 16, store)
    assert pca.encode(pictures.pixels) == pytest.approx(codes, abs=1e-4)
    space = Space("pca", "PCA", pictures.names, codes)
    assert stored_map(space, Settings("umap", 2, 0, "euclidean"), store) is not None


def test_opening_towers_are_found_without_training(tmp_path):
    store, cinema, recipe = shipped_store(tmp_path), Watched(), TowerRecipe()
    key = towers_key(cinema, recipe)
    entry = store.get(key)
    assert entry is not None, "run: python -m embedkit build-assets --only towers"
    table = load_watched(cinema)
    seen = parts_of(table).seen
    made = Towers(recipe, features_of(table, store), seen.shape, weights_of_entry(entry))
    assert made.users(seen, np.arange(table.n_users)) == pytest.approx(entry.arrays["users"], abs=1e-3)
    assert made.items() == pytest.approx(entry.arrays["items"], abs=1e-3)
    expected = kept_tower_epochs(recipe.epochs)
    assert kept_steps(store, key) == expected
    assert all(towers_at(store, key, epoch).epoch == epoch for epoch in expected)
    assert len(store.get(recipe_key(TABLE_TASK, watched=cinema.params())).meta["rows"]) > 3
    assert not list(tmp_path.rglob("*.ek"))  # nothing was made


def test_pitfalls_and_transfer_of_the_cinema_open_without_an_experiment(tmp_path):
    store, given = shipped_store(tmp_path), {"watched": Watched().params()}
    found = {name: store.get(recipe_key(name, **given, **more)) for name, (_, more) in cinema_experiments().items()}
    assert None not in found.values(), "run: python -m embedkit build-assets --only towers"
    assert len(negatives_results(found[NEGATIVES_TASK])) > 4
    assert {each.name for each in drift_results(found[DRIFT_TASK])} == {"seed", "later", "later-seed"}
    made = Entry.of(cinema_experiments()[NEW_FILMS_TASK][0](Report(), **given))
    again = {each.name: each.recall for each in new_films_results(made)}
    shipped = {each.name: each.recall for each in new_films_results(found[NEW_FILMS_TASK])}
    assert shipped == pytest.approx(again, abs=0.03)  # the last bit of another processor, epoch by epoch


def test_opening_words_are_found_without_learning(tmp_path):
    store, text, recipe = shipped_store(tmp_path), Text(), recipe_of("skip-gram")
    key = words_key(text, recipe)
    entry = store.get(key)
    assert entry is not None, "run: python -m embedkit build-assets --only trained-words"
    whole = space_of(entry, text, recipe)
    expected = kept_word_epochs(recipe.epochs)
    assert kept_steps(store, key) == expected
    for epoch in expected:
        seen = seen_at(store, key, epoch)
        assert seen.epoch == epoch
        assert seen.space.items == whole.items[: seen.space.n]
        assert seen.space.n == (whole.n if epoch == recipe.epochs else SHIPPED_WORDS)
    assert entry.meta["scores"]["WordSim-353"]["value"] > 0.36
    keys = [key, *(step_key(key, epoch) for epoch in (*expected[:-1], None))]
    assert sum((ASSETS / "store" / k[:2] / f"{k}.ek").stat().st_size for k in keys) < 6_500_000
    assert not list(tmp_path.rglob("*.ek"))  # nothing was made


def test_the_recipe_still_makes_the_opening_words(tmp_path):
    text, recipe = Text(), recipe_of("skip-gram")
    shipped = shipped_store(tmp_path).get(words_key(text, recipe))
    *_, last = learn(load_text(text), recipe)
    again = pair_score("WordSim-353", load_text(text).words[: len(last.vectors)], last.vectors)
    # The last bit of another processor grows over epochs; what the vectors are worth stays.
    assert again.value == pytest.approx(shipped.meta["scores"]["WordSim-353"]["value"], abs=0.05)


def test_the_four_methods_are_found_without_training(tmp_path):
    entry = shipped_store(tmp_path).get(Contest().key)
    found = compared_of(entry, Contest())
    assert [row.method for row in found.rows if row.method != WITH_UNSEEN] == list(METHODS) == list(found.spaces)
    assert not found.left_out
    for row in found.rows[:2]:
        assert set(row.scores) == set(TESTS)
        assert row.seconds > 0
    assert all(space.items == found.words[:HEAD] for space in found.spaces.values())
    for word in EXAMPLES:
        assert word not in found.known
        assert found.unseen(word).near
    for name in ("outputs.skip-gram", "contexts.GloVe", "biases.GloVe"):
        assert len(entry.arrays[name]) == HEAD
    assert (ASSETS / "store" / Contest().key[:2] / f"{Contest().key}.ek").stat().st_size < 3_000_000
    assert not list(tmp_path.rglob("*.ek"))  # nothing was made


def test_pitfalls_of_words_and_readers_open_without_an_experiment(tmp_path):
    store = shipped_store(tmp_path)
    kept = {name: (key, store.get(key)) for name, key, _ in shipped_experiments()}
    assert len(kept) == len(EXPERIMENTS) + len(READERS)
    for name, (_, entry) in kept.items():
        assert entry is not None, f"{name}: run python -m embedkit build-assets --only word-pitfalls"
    assert sum((ASSETS / "store" / key[:2] / f"{key}.ek").stat().st_size for key, _ in kept.values()) < 1_500_000
    assert not list(tmp_path.rglob("*.ek"))  # nothing was made


def test_the_recipe_still_ranks_titles_as_shipped(tmp_path):
    _, key, make = next(each for each in shipped_experiments() if each[0] == "reader by words/word2vec, title")
    shipped = {each.ranking: each.auc.mean for each in reader_results(shipped_store(tmp_path).get(key))}
    again = {each.ranking: each.auc.mean for each in reader_results(Entry.of(make()))}
    assert shipped == pytest.approx(again, abs=0.02)  # the last bit of another processor, pass by pass


def test_the_recipe_still_learns_as_shipped(tmp_path):
    shipped = dimension_results(shipped_store(tmp_path).get(experiment_key("dimension", Text())))
    (small,) = [each for each in shipped if each.dims == 10 and each.epochs == BASE.epochs]
    learned, held = held_out(load_text(Text()))
    size = learned.size(BASE.min_count, BASE.most)
    recipe = replace(BASE, dims=10)
    *_, last = gensim_steps(learned, recipe, outputs=True)
    for part, loss in ((learned, small.train_loss), (held, small.held_loss)):
        again = Places(part, recipe, size, PAIRS).loss(last.vectors, last.more["outputs"])
        assert again == pytest.approx(loss, abs=0.02)


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
