"""The recipes of everything in assets/ that is computed: word vectors, opening maps, small pictures."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from embedkit.contexts import read_layers, sentences_of, shared_map
from embedkit.explore import shuffled
from embedkit.figures.style import mark_of
from embedkit.images import Recipe, Source, fit_pca, load_source, pca_key, train_task, training_key
from embedkit.images.classifiers import ClassifierRecipe
from embedkit.images.compare import classifier_key, classifier_task
from embedkit.images.pitfalls import NOISE_TASK, SIZES_TASK, noise_task, sizes_task
from embedkit.interactions.data import Watched, load_watched, title_vectors
from embedkit.interactions.pitfalls import (
    DRIFT_TASK,
    NEGATIVES_TASK,
    NEW_FILMS_TASK,
    drift_task,
    negatives_task,
    new_films_task,
)
from embedkit.interactions.plane import towers_plane_of
from embedkit.interactions.towers import TowerRecipe
from embedkit.interactions.training import TABLE_TASK, Seen, table_task, towers_key, towers_task
from embedkit.interactions.transfer import TASK as TRANSFER_TASK
from embedkit.interactions.transfer import transfer_task
from embedkit.maps import Settings, map_key, pack_map, result_now
from embedkit.paths import ASSETS
from embedkit.registry import load
from embedkit.sources.pictures import Pictures
from embedkit.space import Space, Vectors
from embedkit.store import Store, default_store, recipe_key, step_key
from embedkit.words import frequent, minilm, opening_topics
from embedkit.words.by_hand import OPENING_TEXT, HandRecipe, parse_sentences, state_at
from embedkit.words.four_methods import Contest, methods_task
from embedkit.words.recipe import distill, write_table
from embedkit.words.shipped import shipped_experiments
from embedkit.words.word_training import Text, recipe_of, words_array
from embedkit.words.word_training import training_key as words_key
from embedkit.words.word_training import training_task as words_task
from embedkit.worker import Report

__all__ = [
    "build",
    "cinema_experiments",
    "dots",
    "opening_maps",
    "opening_networks",
    "write_four_methods",
    "write_networks",
    "write_pictures",
    "write_towers",
    "write_trained_words",
    "write_word_pitfalls",
]

SHIPPED_WORDS = 2_000  # of the steps before the last; all of them would be 15 MB


def build(only: str | None = None, say: Callable[[str], None] = lambda text: None) -> None:
    """Make the computed assets again, or one kind of those that `python -m embedkit build-assets --help` lists."""
    if only in (None, "words"):
        say("Distilling the words from MiniLM: one to two minutes.")
        write_table(distill())
    if only in (None, "maps"):
        for space, settings in opening_maps():
            say(f"Map: {settings.method} of {space.n:,} words.")
            _ship(space, settings, Store(ASSETS))  # entries lie in assets/store, where every store looks
    if only in (None, "networks"):
        say("Networks of the page of pictures: about three minutes.")
        write_networks(say)
    if only in (None, "towers"):
        write_towers(say)
    if only in (None, "trained-words"):
        say("Skip-gram on the sample of Wikipedia.")
        write_trained_words()
    if only in (None, "four-methods"):
        say("Five ways of learning words on the sample of Wikipedia: about a minute.")
        write_four_methods()
    if only in (None, "word-pitfalls"):
        write_word_pitfalls(say)
    if only in (None, "pictures"):
        say("Pictures for the cards of the home page.")
        write_pictures()


def opening_maps() -> tuple[tuple[Space, Settings], ...]:
    """The spaces and settings with which the pages of words and the explorer open without computing anything."""
    whole = minilm()
    lists = (opening_topics(whole)[0], frequent(whole, 2_000))
    digits = load("images/pixels")
    explored = ((digits, Settings()), (shuffled(digits), Settings()))
    return (*((whole.take(items), Settings()) for items in lists), (whole, Settings()), *explored)


def opening_networks() -> tuple[tuple[Recipe, bool], ...]:
    """The autoencoders with which the page of pictures opens, and whether their steps ship as well."""
    return ((Recipe(), True), (Recipe(latent=16), False))


def write_networks(say: Callable[[str], None] = lambda text: None) -> None:
    """Train what the page of pictures opens with on digits, measure the pitfalls, and map the five spaces."""
    store, digits = Store(ASSETS), Source("digits")
    pictures = load_source(digits)
    spaces = {"pixels": pictures.flat}
    for size in (2, 16):
        spaces["PCA"] = _ship_pca(pictures, size, store)
    for recipe, steps in opening_networks():
        say(f"Autoencoder of {recipe.latent} numbers.")
        key = training_key(digits, recipe)
        report = Report(store=store if steps else None, key=key, title="Autoencoder of digits")
        made = train_task(report, source=digits.params(), recipe=asdict(recipe))
        store.put(key, *made, "autoencoder of digits")
        if steps:
            store.put_bytes(step_key(key, None), json.dumps(report.steps).encode(), "list of steps")
        spaces["autoencoder"] = made[0]["codes"]
    for kind in ("cnn", "vit"):
        for column in ("label", "even"):
            say(f"{kind} of digits, learning {column}.")
            small = ClassifierRecipe(kind)
            made = classifier_task(
                Report(), source=digits.params(), kind=kind, epochs=small.length, seed=0, column=column
            )
            store.put(classifier_key(digits, small, column), *made, f"{kind} of digits")
            spaces[kind] = made[0]["codes"]
    for title, vectors in spaces.items():
        say(f"Map of {title}.")
        _ship(Space(title, title, pictures.names, vectors), Settings("umap", 2, 0, "euclidean"), store)
    say("Pitfalls: two minutes.")
    store.put(recipe_key(SIZES_TASK, source=digits.params()), *sizes_task(Report(), source=digits.params()), "sizes")
    store.put(recipe_key(NOISE_TASK), *noise_task(Report()), "noise")


def _ship_pca(pictures: Pictures, size: int, store: Store) -> Vectors:
    pca = fit_pca(pictures.pixels[pictures.split()[0]], size)
    codes = pca.encode(pictures.pixels)
    arrays = {"mean": pca.mean, "components": pca.components, "codes": codes}
    store.put(pca_key(pictures.digest, size), arrays, {}, "PCA of digits")
    return codes


def _ship(space: Space, settings: Settings, store: Store) -> None:
    arrays, meta = pack_map(result_now(space, settings))
    store.put(map_key(space, settings), arrays, meta, f"{settings.method} of {space.title}")


def write_pictures() -> None:
    """Small drawings of the real maps: words of the opening topics, and apple at its best layer."""
    whole = minilm()
    items, groups = opening_topics(whole)
    made = result_now(whole.take(items), Settings())
    folder = ASSETS / "home"
    folder.mkdir(exist_ok=True)
    _write(folder / "words.svg", dots(made.projection.coords, groups))
    layers = read_layers(sentences_of("apple"))
    shared = shared_map(layers)
    _write(folder / "contexts.svg", dots(shared.coords[5], layers.senses, star=shared.star))
    _write_latent(folder)
    _write_films(folder)
    _write_digits(folder)
    _write_by_hand(folder)


def write_towers(say: Callable[[str], None] = lambda text: None) -> None:
    """Train what the page of users and items opens with on the simulated cinema, and measure what stands beside it."""
    store, cinema = Store(ASSETS), Watched()
    say("Titles, read by MiniLM.")
    title_vectors([str(title) for title in load_watched(cinema).films["title"]], store)
    shutil.rmtree(ASSETS / "locks", ignore_errors=True)
    recipe = TowerRecipe()
    key = towers_key(cinema, recipe)
    say("Two towers on the simulated cinema.")
    report = Report(store=store, key=key, title="Two towers")
    made = towers_task(report, watched=cinema.params(), recipe=asdict(recipe))
    store.put(key, *made, "two towers")
    store.put_bytes(step_key(key, None), json.dumps(report.steps).encode(), "list of steps")
    say("The methods beside it.")
    given = {"watched": cinema.params()}
    store.put(recipe_key(TABLE_TASK, **given), *table_task(Report(), **given), "table")
    for name, (work, more) in cinema_experiments().items():
        say(f"{name}: up to two minutes.")
        arrays, meta = work(Report(), **given, **more)
        store.put(recipe_key(name, **given, **more), arrays, meta, "experiment")


def cinema_experiments() -> dict[str, tuple[Callable[..., Any], dict[str, Any]]]:
    """What the views of pitfalls and transfer open with: by the name of the task, the task and what it is given."""
    return {
        NEGATIVES_TASK: (negatives_task, {}),
        NEW_FILMS_TASK: (new_films_task, {}),
        DRIFT_TASK: (drift_task, {}),
        TRANSFER_TASK: (transfer_task, {"seed": 0}),
    }


def write_trained_words() -> None:
    """Learn what the page that trains words opens with: skip-gram on the sample of Wikipedia."""
    store, text, recipe = Store(ASSETS), Text(), recipe_of("skip-gram")
    key = words_key(text, recipe)
    with tempfile.TemporaryDirectory() as folder:
        report = Report(store=Store(Path(folder)), key=key, title="Skip-gram")
        arrays, meta = words_task(report, text=text.params(), recipe=asdict(recipe))
        for n in report.steps[:-1]:  # the last is the result
            step = Store(Path(folder)).get(step_key(key, n))
            assert step is not None
            words = step.arrays["words"].tobytes().decode().split("\n")[:SHIPPED_WORDS]
            head = {"vectors": step.arrays["vectors"][:SHIPPED_WORDS], "words": words_array(words)}
            store.put(step_key(key, n), head, step.meta, f"Skip-gram, step {n}")
    store.put(key, arrays, meta, "skip-gram of words")
    store.put_bytes(step_key(key, None), json.dumps(report.steps).encode(), "list of steps")


def write_four_methods() -> None:
    """Learn what the view of four methods opens with; the five trainings are made anew and do not ship."""
    contest = Contest()
    with tempfile.TemporaryDirectory() as folder:  # so that all seconds are of one run
        made = methods_task(Report(), **contest.params(), store=Store(Path(folder)))
    Store(ASSETS).put(contest.key, *made, "five trainings of words")


def _write_digits(folder: Path) -> None:
    space = load("images/pixels")
    made = result_now(space, Settings())
    rows = range(0, space.n, 8)
    labels = space.meta["label"].astype(str)
    _write(folder / "explorer.svg", dots(made.projection.coords[rows], tuple(labels.iloc[row] for row in rows)))


def write_word_pitfalls(say: Callable[[str], None] = lambda text: None) -> None:
    """Measure what the views of pitfalls and of a reader open with."""
    store = Store(ASSETS)
    for name, key, make in shipped_experiments():
        say(f"{name}: up to two minutes.")
        arrays, meta = make()
        store.put(key, arrays, meta, f"experiment: {name}")


def _write_films(folder: Path) -> None:
    cinema = Watched()
    entry = default_store().get(towers_key(cinema, TowerRecipe()))
    assert entry is not None, "make the towers first: python -m embedkit build-assets --only towers"
    users, items = (np.asarray(entry.arrays[name]) for name in ("users", "items"))
    plane = towers_plane_of(Seen(0, 0, users, items, np.zeros((1, 5)), 0.0))
    genres = tuple(str(text).split("|")[0] for text in load_watched(cinema).films["genres"])
    common = [name for name, _ in Counter(genres).most_common(4)]
    rows = [row for row, genre in enumerate(genres) if genre in common]
    _write(folder / "interactions.svg", dots(plane.items[rows], tuple(genres[row] for row in rows)))


def _write_by_hand(folder: Path) -> None:
    text = parse_sentences(OPENING_TEXT)
    kinds = ("apples pears bread", "milk juice water", "cats dogs mice birds", "king queen")
    pairs = [(text.row(word), kind) for kind in kinds for word in kind.split()]
    weights = [state_at(text, HandRecipe("skip-gram"), count).inputs for count in range(250, 4_001, 250)]
    points = np.concatenate([vectors[[row for row, _ in pairs]] for vectors in weights])  # each word's way
    _write(folder / "train_words.svg", dots(points, tuple(kind for _, kind in pairs) * len(weights)))


def _write_latent(folder: Path) -> None:
    digits = Source("digits")
    pictures = load_source(digits)
    entry = default_store().get(training_key(digits, Recipe()))
    assert entry is not None, "make the networks first: python -m embedkit build-assets --only networks"
    rows = range(0, pictures.n, 8)
    coords = np.asarray(entry.arrays["codes"])
    low, high = np.percentile(coords, [2, 98], axis=0)  # the few far out would press the others together
    _write(folder / "images.svg", dots(np.clip(coords[rows], low, high), tuple(pictures.labels[row] for row in rows)))


def _write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8", newline="\n")


def dots(coords: Vectors, groups: tuple[str, ...], star: Vectors | None = None) -> str:
    """A picture of 320 x 180 of grouped points as SVG, each group with a color and a shape of its own."""
    width, height, edge = 320, 180, 14
    points = coords if star is None else [*coords, star]
    low = [min(float(p[i]) for p in points) for i in (0, 1)]
    high = [max(float(p[i]) for p in points) for i in (0, 1)]

    def place(p: Vectors) -> tuple[float, float]:
        x = edge + (float(p[0]) - low[0]) / (high[0] - low[0]) * (width - 2 * edge)
        y = height - edge - (float(p[1]) - low[1]) / (high[1] - low[1]) * (height - 2 * edge)
        return round(x, 1), round(y, 1)

    marks = []
    names = list(dict.fromkeys(groups))
    for point, group in zip(coords, groups, strict=True):
        (x, y), index = place(point), names.index(group)
        color, _ = mark_of(index)
        shapes = (
            f'<circle cx="{x}" cy="{y}" r="3.6" fill="{color}"/>',
            f'<rect x="{x - 3:.1f}" y="{y - 3:.1f}" width="6.4" height="6.4" fill="{color}"/>',
            f'<path d="M{x} {y - 4.4:.1f}l4.4 4.4-4.4 4.4-4.4-4.4z" fill="{color}"/>',
            f'<path d="M{x} {y - 4:.1f}l4 7h-8z" fill="{color}"/>',
        )
        marks.append(shapes[index % len(shapes)])
    if star is not None:
        x, y = place(star)
        marks.append(
            f'<path transform="translate({x} {y}) scale(1.1)" '
            'd="M0-9 2.4-2.8 9-2.6 3.8 1.6 5.6 8 0 4.3-5.6 8-3.8 1.6-9-2.6-2.4-2.8z" '
            'fill="#F0E442" stroke="#333"/>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
        f'<rect width="{width}" height="{height}" rx="8" fill="#f1f3f1"/>{"".join(marks)}</svg>\n'
    )
