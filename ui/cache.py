"""The only caches. Keys are texts and numbers, never arrays: Streamlit hashes large arrays from a sample."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import asdict

import numpy as np
import streamlit as st

import embedkit
from embedkit.catalog import fetch_task_of
from embedkit.contexts import Layers, Meaning, Occurrence, SharedMap, meaning, read_layers, shared_map
from embedkit.encoders.transformer import Transformer, load_transformer
from embedkit.images import (
    Autoencoder,
    Pca,
    Recipe,
    Source,
    Trained,
    keep_own,
    kept_pca,
    label_columns,
    load_source,
    request_training,
    trained_at,
    training_key,
)
from embedkit.images.classifiers import Classifier, ClassifierRecipe
from embedkit.images.compare import accuracies, classifier_key, classifier_of
from embedkit.images.walk import Plane, plane_of, sheet
from embedkit.interactions.data import Watched, features_of, keep_table, load_watched, parts_of
from embedkit.interactions.evaluation import evaluate
from embedkit.interactions.plane import TowersPlane, like_truth, towers_plane_of
from embedkit.interactions.towers import TowerRecipe, Towers
from embedkit.interactions.training import Seen, towers_at, towers_key, weights_of_entry
from embedkit.interactions.webpages import Webpages, request_webpages
from embedkit.jobs import Job, Pool, default_pool
from embedkit.neighbors import cosine
from embedkit.projection import Projection
from embedkit.sources.cinema import Tastes, tastes
from embedkit.sources.corpora import Corpus
from embedkit.sources.interactions import Interactions
from embedkit.sources.pictures import Pictures
from embedkit.space import Space, Vectors
from embedkit.store import recipe_key, step_key
from embedkit.words import CategoryScore, four_methods, score_category, to_table
from embedkit.words import word_training as words_training
from embedkit.words.by_hand import (
    Example,
    HandRecipe,
    HandText,
    HandWeights,
    examples,
    parse_sentences,
    run,
    start_weights,
)
from embedkit.words.learning import WordRecipe
from embedkit.words.word_training import Text, WordsSeen, keep_text

_own: set[str] = set()


@st.cache_resource(max_entries=4, show_spinner=False)
def space(key: str) -> Space:
    """The Space of a method with its defaults, shared and read-only."""
    return embedkit.load(key)


@st.cache_resource(max_entries=32, show_spinner=False)
def subspace(key: str, items: tuple[str, ...]) -> Space:
    """Some items of a space as a Space of their own; equal lists share one, with its graph."""
    return space(key).take(items)


@st.cache_resource(max_entries=24, show_spinner=False)
def layers(occurrences: tuple[Occurrence, ...], model: str, folder: str) -> Layers:
    """Occurrences read by a transformer."""
    return read_layers(occurrences, transformer(model, folder))


@st.cache_resource(max_entries=24, show_spinner=False, hash_funcs={Layers: lambda found: found.key})
def shared(found: Layers) -> SharedMap:
    """One projection for all layers of these occurrences."""
    return shared_map(found)


@st.cache_resource(max_entries=64, show_spinner=False, hash_funcs={Layers: lambda found: found.key})
def meaning_of(found: Layers, row: int) -> Meaning:
    """The static words near one occurrence, read by MiniLM."""
    return meaning(space("words/minilm"), to_table(found.vectors[-1]), row, found.word)


def keep_pictures(pictures: Pictures) -> Source:
    """A person's own pictures, where a training finds them until the server stops."""
    source = keep_own(pictures, pool().store)
    _own.add(source.own)
    return source


def forget_later(key: str) -> None:
    """Remove this result, a person's own, from the disk when the server stops."""
    _own.add(key)


def forget_own() -> None:
    """Remove every person's own pictures from the disk, when the server stops."""
    for key in _own:
        pool().store.remove(key)


def trained(key: str, epoch: int, recipe: Recipe, shape: tuple[int, ...]) -> Trained | None:
    """An autoencoder as it was after an epoch, None when that is not kept; `key` is that of its training."""
    try:
        return _trained(key, epoch, recipe, shape)
    except LookupError:
        return None


@st.cache_resource(max_entries=48, show_spinner=False)
def _trained(key: str, epoch: int, recipe: Recipe, shape: tuple[int, ...]) -> Trained:
    found = trained_at(pool().store, key, epoch, recipe, shape)
    if found is None:
        raise LookupError(key)  # not cached: it may be there the next time
    return found


@st.cache_resource(show_spinner=False)
def _trainings() -> dict[str, Job]:
    return {}


def training(source: Source, recipe: Recipe) -> Job:
    """The job of a training, which `runs` finds for every visit as long as it has not ended."""
    jobs, job = _trainings(), request_training(source, recipe, pool())
    for key in [key for key, each in list(jobs.items()) if each.finished]:
        jobs.pop(key, None)
    jobs[job.key] = job
    return job


def runs(key: str) -> bool:
    """Whether somebody's training runs, or waits for its turn, under this key."""
    job = _trainings().get(key)
    return job is not None and not job.finished


@st.cache_resource(max_entries=48, show_spinner=False)
def codes(key: str, epoch: int, source: Source, recipe: Recipe) -> Vectors:
    """Latent vectors of all pictures after an epoch of a training that is kept."""
    pictures, store = load_source(source), pool().store
    if epoch == epochs_of(source, recipe) and (entry := store.get(key)) is not None:
        return np.asarray(entry.arrays["codes"])
    found = trained(key, epoch, recipe, pictures.pixels.shape[1:])
    assert found is not None
    return found.model.encode(pictures.pixels)


def epochs_of(source: Source, recipe: Recipe) -> int:
    """The number of epochs of a training, which an autoencoder's recipe may leave to the data."""
    pictures = load_source(source)
    return recipe.whole(len(pictures.split()[0]), pictures.flat.shape[1]).epochs


def autoencoder(source: Source, size: int, seed: int) -> Autoencoder:
    """The autoencoder of the comparison, whose training is kept."""
    recipe = Recipe(latent=size, seed=seed)
    found = trained(
        training_key(source, recipe), epochs_of(source, recipe), recipe, load_source(source).pixels.shape[1:]
    )
    assert found is not None
    return found.model


@st.cache_resource(max_entries=8, show_spinner=False)
def classifier(source: Source, recipe: ClassifierRecipe, column: str) -> Classifier:
    """A classifier whose training is kept."""
    entry = pool().store.get(classifier_key(source, recipe, column))
    if entry is None:
        raise embedkit.InputError("This classifier is no longer kept. Open the page again.")
    return classifier_of(entry)


@st.cache_resource(max_entries=24, show_spinner=False)
def classifier_space(source: Source, recipe: ClassifierRecipe, column: str) -> Space:
    """Pictures as vectors of a classifier."""
    pictures = load_source(source)
    entry = pool().store.get(classifier_key(source, recipe, column))
    if entry is None:
        raise embedkit.InputError("This classifier is no longer kept. Open the page again.")
    name = {"cnn": "CNN", "vit": "ViT"}[recipe.kind]
    title = f"{name} of {pictures.title.lower()}, trained on {column}"
    return Space(f"{pictures.key}/{recipe.kind}/{column}", title, pictures.names, entry.arrays["codes"])


@st.cache_resource(max_entries=8, show_spinner="Reading the pictures with the large network ...")
def vision_space(source: Source, name: str, folder: str) -> Space:
    """Pictures as vectors of a pretrained classifier."""
    from embedkit.encoders.vision import load_vision

    pictures = load_source(source)
    vectors = load_vision(name, folder).encode(pictures.pixels)
    return Space(f"{pictures.key}/{name}", f"{name} of {pictures.title.lower()}", pictures.names, vectors)


@st.cache_resource(max_entries=24, show_spinner=False)
def picture_accuracies(source: Source, keys: tuple[str, ...], _spaces: dict[str, Space]) -> dict[str, dict[str, float]]:
    """kNN accuracies of several spaces of the same pictures; `keys` say which spaces they are."""
    pictures = load_source(source)
    columns = label_columns(pictures)
    return accuracies(pictures, {name: space.vectors for name, space in _spaces.items()}, columns)


@st.cache_resource(max_entries=16, show_spinner=False)
def pca_and_codes(source: Source, size: int) -> tuple[Pca, Vectors]:
    """PCA of the training pictures, and the coordinates of all pictures."""
    return kept_pca(load_source(source), size, pool().store)


def pca(source: Source, size: int) -> Pca:
    """PCA of the training pictures."""
    return pca_and_codes(source, size)[0]


@st.cache_resource(max_entries=24, show_spinner=False)
def picture_space(source: Source, name: str, *, size: int = 0, key: str = "", recipe: Recipe | None = None) -> Space:
    """Pictures as vectors: "pixels", "PCA" of `size`, or "autoencoder" as the training `key` left it."""
    pictures = load_source(source)
    if name == "pixels":
        vectors = pictures.flat
    elif name == "PCA":
        vectors = pca_and_codes(source, size)[1]
    else:
        assert recipe is not None
        vectors = codes(key, epochs_of(source, recipe), source, recipe)
    return Space(f"{pictures.key}/{name}", f"{name} of {pictures.title.lower()}", pictures.names, vectors)


@st.cache_resource(max_entries=24, show_spinner=False)
def plane(key: str, epoch: int, source: Source, recipe: Recipe) -> Plane:
    """The plane through the latent vectors of all pictures."""
    return plane_of(codes(key, epoch, source, recipe))


def cells_for(height: int) -> int:
    """How many pictures of this height the longer side of a decoded plane holds: under 1,000 pixels in all."""
    return min(60, max(20, 960 // height))


@st.cache_resource(max_entries=8, show_spinner="Decoding the plane ...")
def decoded_sheet(key: str, source: Source, recipe: Recipe) -> Vectors:
    """The whole plane of a finished training, decoded."""
    pictures = load_source(source)
    epoch = epochs_of(source, recipe)
    found = trained(key, epoch, recipe, pictures.pixels.shape[1:])
    assert found is not None
    through = plane(key, epoch, source, recipe)
    return sheet(found.model, through, through.cells(cells_for(pictures.pixels.shape[1])))


def transformer(model: str = "minilm", folder: str = "") -> Transformer:
    """A transformer; embedkit itself keeps the loaded ones."""
    return load_transformer(model, folder or None)


@st.cache_resource(show_spinner=False)
def pool() -> Pool:
    """The workers for slow work, one pool a server."""
    return default_pool()


@st.cache_resource(show_spinner=False)
def warm_up() -> bool:
    """Once a server: load what pages import and MiniLM in a thread, then compile UMAP in a worker."""
    threading.Thread(target=_preload, daemon=True).start()
    return True


HEAD_START = 1.0  # seconds


def _preload() -> None:
    time.sleep(HEAD_START)  # the first page, which seldom needs the model, goes first
    import plotly.graph_objects  # noqa: F401

    with suppress(embedkit.EmbedkitError):  # the page that needs it says so
        load_transformer()
    pool().warm("embedkit.maps:warm_up")  # last: on two cores it would slow the first page down


@st.cache_resource(max_entries=64, show_spinner="Asking every question of the category ...")
def category(key: str, name: str) -> CategoryScore:
    """The success rate of one category of analogies in one space."""
    return score_category(space(key), name)


@st.cache_resource(show_spinner=False)
def _fetches() -> dict[str, Job]:
    return {}


def fetch(name: str, title: str) -> Job:
    """A download of what the catalog names, started at the first ask, the same for everybody until it ended.

    A stored result does not prove that the files are still there, so each download has a key of its own.
    """
    jobs = _fetches()
    if name not in jobs:
        task, params = fetch_task_of(name)
        key = recipe_key(task, **params, started=time.time())
        jobs[name] = pool().submit(task, params, title=f"Fetching {title}", key=key)
    return jobs[name]


def fetched(name: str) -> None:
    """Forget a download that ended, so that it can be asked for again."""
    _fetches().pop(name, None)


def keep_interactions(table: Interactions) -> Watched:
    """A person's own table, where a training finds it until the server stops."""
    watched = keep_table(table, pool().store)
    _own.add(watched.own)
    return watched


def towers_seen(key: str, epoch: int) -> Seen | None:
    """Both towers' vectors after an epoch, None when that is not kept; `key` is that of the training."""
    try:
        return _towers_seen(key, epoch)
    except LookupError:
        return None


@st.cache_resource(max_entries=64, show_spinner=False)
def _towers_seen(key: str, epoch: int) -> Seen:
    found = towers_at(pool().store, key, epoch)
    if found is None:
        raise LookupError(key)  # not cached: it may be there the next time
    return found


@st.cache_resource(max_entries=64, show_spinner=False)
def _plane_of_towers(key: str, epoch: int, steps: tuple[int, ...]) -> TowersPlane:
    seen = towers_seen(key, epoch)
    assert seen is not None
    earlier = [step for step in steps if step < epoch]
    before = _plane_of_towers(key, earlier[-1], tuple(earlier)) if earlier and towers_seen(key, earlier[-1]) else None
    return towers_plane_of(seen, before)


def towers_plane(key: str, epoch: int, steps: tuple[int, ...]) -> tuple[Vectors, Vectors, float]:
    """Users and items on one map, (n_users, 2) and (n_items, 2), turned like the step before; and the share of variance."""
    found = _plane_of_towers(key, epoch, tuple(step for step in steps if step <= epoch))
    return found.users, found.items, found.share


def on_plane(key: str, epoch: int, steps: tuple[int, ...], vectors: Vectors) -> Vectors:
    """Where vectors of users (n, d) stand on that map."""
    return _plane_of_towers(key, epoch, tuple(step for step in steps if step <= epoch)).place(vectors)


@st.cache_resource(max_entries=8, show_spinner=False)
def towers(watched: Watched, recipe: TowerRecipe) -> Towers:
    """Both towers of a training that is kept."""
    entry = pool().store.get(towers_key(watched, recipe))
    if entry is None:
        raise embedkit.InputError("This training is no longer kept. Press Train again.")
    table = load_watched(watched)
    return Towers(recipe, features_of(table, pool().store), (table.n_users, table.n_items), weights_of_entry(entry))


@st.cache_resource(max_entries=8, show_spinner=False)
def item_space(watched: Watched, recipe: TowerRecipe) -> Space:
    """The items as vectors of their tower, without the bias."""
    table, vectors = load_watched(watched), towers(watched, recipe).items()[:, :-1]
    return Space(f"{table.key}/items", f"Items of {table.title.lower()}", table.items, vectors)


@st.cache_resource(max_entries=8, show_spinner=False)
def popularity(watched: Watched) -> Vectors:
    """How many users have each item among the rows to learn from."""
    return np.bincount(parts_of(load_watched(watched)).seen.indices, minlength=load_watched(watched).n_items)


@st.cache_resource(show_spinner=False)
def oracle() -> dict[str, float]:
    """What the true tastes of the simulated cinema would reach."""
    parts = parts_of(load_watched(Watched()))
    return asdict(evaluate(true_tastes().scores(), parts.seen, parts.held))


@st.cache_resource(show_spinner=False)
def true_tastes() -> Tastes:
    """The true tastes of the simulated cinema."""
    return tastes()


def nearness_to_truth(seen: Seen) -> float:
    """Rank correlation of who is like whom in the simulated cinema: learned vectors against true tastes."""
    return like_truth(seen.users[:, :-1], true_tastes().users)


def retrieval(items: int, seed: int) -> Job:
    """The job that measures exact and approximate search."""
    task = "embedkit.interactions.nearest:retrieval_task"
    return pool().submit(task, {"items": items, "seed": seed}, title=f"Searching among {items:,} items")


@st.cache_resource(show_spinner="Reading Wikipedia ...")
def _webpages_ready() -> bool:
    request_webpages(pool())
    return True


def webpages_job() -> Job:
    """The job that trains the towers of queries and pages."""
    _webpages_ready()  # reads the sections, once
    return request_webpages(pool())


@st.cache_resource(show_spinner=False)
def webpages() -> Webpages:
    """The trained towers of queries and pages."""
    return Webpages.from_entry(webpages_job().result())


BLOCK = 250  # examples between kept weights: from there on a state is made again within milliseconds


@st.cache_resource(max_entries=64, show_spinner=False)
def hand_text(typed: str) -> HandText:
    """The sentences of a short text."""
    return parse_sentences(typed)


@st.cache_resource(max_entries=64, show_spinner=False)
def hand_examples(typed: str, method: str, window: int) -> tuple[Example, ...]:
    """All examples of a pass through a short text."""
    return examples(hand_text(typed), method, window)


@st.cache_resource(max_entries=1_024, show_spinner=False)
def _hand_block(typed: str, recipe: HandRecipe, block: int) -> tuple[HandWeights, tuple[float, ...]]:
    """The weights after a number of blocks, and the losses of the last of them."""
    if block == 0:
        return start_weights(hand_text(typed), recipe), ()
    return run(hand_text(typed), recipe, _hand_block(typed, recipe, block - 1)[0], (block - 1) * BLOCK, block * BLOCK)


def hand_run(typed: str, recipe: HandRecipe, count: int) -> tuple[HandWeights, tuple[float, ...]]:
    """The weights after this many examples of a short text, and the loss of each of them."""
    losses: tuple[float, ...] = ()
    for block in range(count // BLOCK + 1):  # upwards, so that none waits for a long row of others
        weights, found = _hand_block(typed, recipe, block)
        losses += found
    weights, found = run(hand_text(typed), recipe, weights, count // BLOCK * BLOCK, count)
    return weights, losses + found


@st.cache_resource(max_entries=512, show_spinner=False)
def hand_cosine(typed: str, recipe: HandRecipe, count: int, a: str, b: str) -> float:
    """The cosine of two words of a short text after this many examples."""
    vectors, text = hand_run(typed, recipe, count)[0].inputs, hand_text(typed)
    return cosine(vectors[text.row(a)], vectors[text.row(b)])


def keep_own_text(corpus: Corpus) -> Text:
    """A person's own text, where a training finds it until the server stops."""
    kept = keep_text(corpus, pool().store)
    _own.add(kept.own)
    return kept


def word_training(text: Text, recipe: WordRecipe) -> Job:
    """The job of learning words, which `runs` finds for every visit as long as it has not ended."""
    jobs, job = _trainings(), words_training.request_training(text, recipe, pool())
    if text.own:  # what was learned from a person's own text goes with it
        for key in (job.key, *(step_key(job.key, n) for n in (None, *range(recipe.epochs + 1)))):
            forget_later(key)
    for key in [key for key, each in list(jobs.items()) if each.finished]:
        jobs.pop(key, None)
    jobs[job.key] = job
    return job


def words_seen(key: str, epoch: int) -> WordsSeen | None:
    """What is kept of an epoch of learning words, None when it is not; `key` is that of the training."""
    try:
        return _words_seen(key, epoch)
    except LookupError:
        return None


@st.cache_resource(max_entries=16, show_spinner=False)  # two trainings; one of many words takes 20 MB an epoch
def _words_seen(key: str, epoch: int) -> WordsSeen:
    found = words_training.seen_at(pool().store, key, epoch)
    if found is None:
        raise LookupError(key)  # not cached: it may be there the next time
    return found


@st.cache_resource(max_entries=16, show_spinner=False)
def words_plane(key: str, epoch: int) -> Projection:
    """The map of frequent words by the directions of one epoch, on which the other epochs are placed."""
    seen = words_seen(key, epoch)
    assert seen is not None
    return words_training.plane_of(seen.space)


@st.cache_resource(max_entries=48, show_spinner=False)
def words_places(key: str, epoch: int, of: int) -> Vectors:
    """Where frequent words stand at an epoch, on the map of epoch `of`."""
    seen = words_seen(key, epoch)
    assert seen is not None
    return words_training.places_of(words_plane(key, of), seen.space)


@st.cache_resource(max_entries=2, show_spinner=False)
def learned_words(text: Text, recipe: WordRecipe, epoch: int) -> tuple[Space, Vectors | None]:
    """All vectors of a finished training, or of the epoch where it was stopped, and fastText's pieces."""
    key = words_training.training_key(text, recipe)
    entry = pool().store.get(key) or pool().store.get(step_key(key, epoch))
    if entry is None:
        raise embedkit.InputError("This training is no longer kept. Press Train again.")
    return words_training.space_of(entry, text, recipe), entry.arrays.get("pieces")


def methods_job(contest: four_methods.Contest) -> Job:
    """The job of learning a text by all methods, which `runs` finds for every visit as long as it has not ended."""
    job = four_methods.request_methods(contest, pool())
    _trainings()[job.key] = job
    return job


@st.cache_resource(max_entries=8, show_spinner=False)
def compared(contest: four_methods.Contest) -> four_methods.Compared:
    """What all methods learned from a text, of a finished job."""
    entry = pool().store.get(contest.key)
    if entry is None:
        raise embedkit.InputError("These trainings are no longer kept. Press Learn again.")
    return four_methods.compared_of(entry, contest)


@st.cache_resource(max_entries=64, show_spinner="Counting the pair in the text ...")
def pair_sums(contest: four_methods.Contest, a: str, b: str) -> four_methods.PairSums:
    """What three methods make of one pair of words."""
    return four_methods.pair_sums(compared(contest), words_training.load_text(contest.text), a, b)


def fasttext_pieces(contest: four_methods.Contest) -> Vectors | None:
    """All pieces of fastText, where its training is kept whole."""
    recipe = contest.recipe("fastText")
    if pool().store.get_meta(words_training.training_key(contest.text, recipe)) is None:
        return None
    return learned_words(contest.text, recipe, recipe.epochs)[1]
