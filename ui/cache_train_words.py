"""What the page Train word vectors keeps between runs; like all caches of the pages by key, never by array."""

from __future__ import annotations

import streamlit as st

import embedkit
from embedkit.jobs import Job
from embedkit.neighbors import cosine
from embedkit.projection import Projection
from embedkit.sources.corpora import Corpus
from embedkit.space import Space, Vectors
from embedkit.store import step_key
from embedkit.words import four_methods
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
from ui import cache

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
    kept = keep_text(corpus, cache.pool().store)
    cache.forget_later(kept.own)
    return kept


def word_training(text: Text, recipe: WordRecipe) -> Job:
    """The job of learning words, which `cache.runs` finds for every visit as long as it has not ended."""
    job = cache.found_by_all(words_training.request_training(text, recipe, cache.pool()))
    if text.own:  # what was learned from a person's own text goes with it
        for key in (job.key, *(step_key(job.key, n) for n in (None, *range(recipe.epochs + 1)))):
            cache.forget_later(key)
    return job


def words_seen(key: str, epoch: int) -> WordsSeen | None:
    """What is kept of an epoch of learning words, None when it is not; `key` is that of the training."""
    try:
        return _words_seen(key, epoch)
    except LookupError:
        return None


@st.cache_resource(max_entries=16, show_spinner=False)  # two trainings; one of many words takes 20 MB an epoch
def _words_seen(key: str, epoch: int) -> WordsSeen:
    found = words_training.seen_at(cache.pool().store, key, epoch)
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
    entry = cache.pool().store.get(key) or cache.pool().store.get(step_key(key, epoch))
    if entry is None:
        raise embedkit.InputError("This training is no longer kept. Press Train again.")
    return words_training.space_of(entry, text, recipe), entry.arrays.get("pieces")


def methods_job(contest: four_methods.Contest) -> Job:
    """The job of learning a text by all methods, which `cache.runs` finds for every visit as long as it has not ended."""
    return cache.found_by_all(four_methods.request_methods(contest, cache.pool()))


@st.cache_resource(max_entries=8, show_spinner=False)
def compared(contest: four_methods.Contest) -> four_methods.Compared:
    """What all methods learned from a text, of a finished job."""
    entry = cache.pool().store.get(contest.key)
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
    if cache.pool().store.get_meta(words_training.training_key(contest.text, recipe)) is None:
        return None
    return learned_words(contest.text, recipe, recipe.epochs)[1]
