"""Queries and web pages: sections from wiki markup, BM25 by hand, two towers trained on a part, search."""

import math
from collections import deque
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from embedkit.errors import DamagedFile, InputError, JobStopped
from embedkit.interactions import webpages
from embedkit.interactions.webpages import (
    Pages,
    Webpages,
    bm25_scores,
    found_by,
    page_vectors,
    query_vectors,
    ranks_of,
    split_pages,
    train_webpages,
    webpages_task,
    words_in,
)
from embedkit.sources.wikipedia_sections import (
    FEWEST_WORDS,
    STUBS,
    Section,
    plain_text,
    sections_of,
    wikipedia_sections,
)
from embedkit.space import Vectors
from embedkit.store import Entry
from embedkit.worker import Report

LONG = " ".join(["word"] * FEWEST_WORDS)


@pytest.fixture(scope="module")
def part() -> Pages:
    """Sections of the first twenty articles."""
    articles = list(dict.fromkeys(each.article for each in wikipedia_sections()))[:20]
    return Pages(tuple(each for each in wikipedia_sections() if each.article in articles))


@pytest.fixture(scope="module")
def entry(part: Pages) -> Entry:
    """The task's result on that part."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(webpages, "wikipedia_sections", lambda: part.sections)
        return Entry.of(webpages_task(Report(), epochs=5))


@pytest.fixture(scope="module")
def vectors(part: Pages) -> Vectors:
    """Vectors of the words of that part."""
    return webpages._word_vectors(part.words)


def weights_after(pages: Pages, rows: Any, vectors: Vectors, seed: int = 0) -> dict[str, bytes]:
    (last,) = deque(train_webpages(pages, rows, epochs=1, seed=seed, vectors=vectors), maxlen=1)
    return {name: array.tobytes() for name, array in last.weights.items()}


@pytest.mark.parametrize(
    ("markup", "plain"),
    [
        ("'''Bold''' and ''slanted''", "Bold and slanted"),
        ("an [[alkane|hydrocarbon]], an [[acid]]", "an hydrocarbon, an acid"),
        ("[[File:a.png|thumb|a [[cat]] here]]A cat[[Category:Cats]][[fr:Chat]]", "A cat"),
        ("[[:Category:Cats]], [[wikt:cat|the word]]", "Category:Cats, the word"),
        ("a [http://a.org/b home page] and http://c.org/d more [https://e.org]", "a home page and more"),
        ("one<ref name=x>{{cite|a}} [[b]]</ref> two<ref name=x/> three<ref>c<br/>d</ref>", "one two three"),
        ("{{Infobox|a={{b|c}}|d={| class=x\n| cell {{e}}\n|} }}left", "left"),
        ("{| class=wikitable\n! head\n|-\n| cell\n|}\nleft", "left"),
        ("a<!-- no\n== heading ==\n--> b<math>x < y</math>", "a b"),
        ("a&nbsp;b &lt;i&gt; <b>c</b>", "a b <i> c"),
        ("* one\n*# two\n\n: three", "one\ntwo\nthree"),
        ("== A [[b|c]] ==", "== A c =="),
        ("&lolz; <!ENTITY lolz 'lol'>", "&lolz; <!ENTITY lolz 'lol'>"),
    ],
)
def test_markup_becomes_plain_text(markup: str, plain: str) -> None:
    assert plain_text(markup) == plain


def test_an_article_falls_into_its_sections() -> None:
    markup = f"{LONG} lead\n== A ==\n{LONG} a\n=== B ===\nshort\n===C===\n{LONG} c\n== See also ==\n{LONG} no\n"
    markup += f"=== Below ===\n{LONG} no\n== D == \n{LONG} d\n== References==\n{LONG} no"
    found = sections_of("X", markup)
    assert [(each.title, each.text.split()[-1]) for each in found] == [("", "lead"), ("A", "a"), ("C", "c"), ("D", "d")]
    assert {each.article for each in found} == {"X"}
    assert [each.name for each in found][:2] == ["X", "X: A"]


def test_the_length_of_a_section_is_counted_after_stripping() -> None:
    assert sections_of("X", f"== A ==\n{LONG}")
    assert sections_of("X", "== A ==\n" + LONG.replace("word", "{{word}}", 1)) == ()
    assert sections_of("X", f"#redirect [[Y]]\n{LONG}") == ()


def test_the_sample_has_its_sections() -> None:
    found = wikipedia_sections()
    assert len(found) > 1_600
    assert len({each.article for each in found}) == 106
    assert len({(each.article, each.title) for each in found}) == len(found)
    assert not [each.name for each in found if each.title.lower() in STUBS or len(each.text.split()) < FEWEST_WORDS]
    marked = [each.name for each in found if any(mark in each.text for mark in ("[[", "{{", "{|", "<ref", "=="))]
    assert len(marked) < 5  # markup that its authors never closed


def test_bm25_is_what_a_hand_computes() -> None:
    texts = ("apple apple pear", "apple plum", "fig fig fig fig")
    pages = Pages(tuple(Section("x", "", text) for text in texts))
    queries = [["apple"], ["pear", "fig"], ["quince"]]
    scores = bm25_scores(pages.counts, pages.bags(queries))
    in_two, in_one = math.log(1 + 1.5 / 2.5), math.log(1 + 2.5 / 1.5)  # of three texts of 3, 2 and 4 words, mean 3

    def weight(times: int, length: int) -> float:
        return times * 2.2 / (times + 1.2 * (0.25 + 0.75 * length / 3))

    by_hand = np.array(
        [
            [in_two * weight(2, 3), in_two * weight(1, 2), 0],
            [in_one * weight(1, 3), 0, in_one * weight(4, 4)],
            [0, 0, 0],
        ]
    )
    np.testing.assert_allclose(scores, by_hand)


def test_a_tie_counts_against_a_page() -> None:
    scores = np.array([[3.0, 2.0, 1.0], [1.0, 1.0, 1.0], [0.0, 5.0, 0.0]])
    assert ranks_of(scores, np.array([0, 1, 2])).tolist() == [1, 3, 3]


def test_groups_hold_the_queries_whose_words_the_page_lacks() -> None:
    texts = (("Cat", "Food", "cat food"), ("Cat", "Food", "a cat eats"), ("Cat", "Food", "it eats"), ("Cat", "", "it"))
    pages = Pages(tuple(Section(*each) for each in texts))
    found = found_by("m", pages, np.arange(4), np.eye(4))
    assert {each.group: each.queries for each in found} == {"all": 4, "heading": 2, "query": 2}
    assert {each.recall_1 for each in found} == {1.0}


def test_held_out_rows_are_a_fifth_and_apart() -> None:
    train, held = split_pages(103, seed=3)
    assert len(held) == 20
    assert sorted([*train, *held]) == list(range(103))
    assert held.tolist() != split_pages(103, seed=4)[1].tolist()


def test_training_finds_held_out_pages_better_than_untrained(part: Pages, vectors: Vectors) -> None:
    train, held = split_pages(part.n)
    measured, losses = [], []
    for step in train_webpages(part, train, epochs=5, vectors=vectors):
        losses.append(step.loss)
        if step.epoch in (0, 5):
            read = page_vectors(part, vectors, step.weights).T
            scores = [query_vectors(part, rows, vectors, step.weights) @ read for rows in (train, held)]
            measured += [found_by("", part, rows, own)[0] for rows, own in zip((train, held), scores, strict=True)]
    assert np.isnan(losses[0])
    assert losses[-1] < losses[1] - 0.3
    known, kept, known_after, kept_after = measured
    assert known_after.recall_1 > known.recall_1 + 0.2
    assert kept_after.recall_10 > kept.recall_10 + 0.02


def test_held_out_pairs_are_never_trained_on(part: Pages, vectors: Vectors) -> None:
    train, held = split_pages(part.n)

    def turned(rows: Any) -> Pages:
        """The sections with the headings of these rows moved on by one: the pairs differ, the words do not."""
        sections = list(part.sections)
        for row, other in zip(rows, np.roll(rows, 1), strict=True):
            sections[row] = replace(sections[row], title=part.sections[other].title)
        return Pages(tuple(sections))

    plain = weights_after(part, train, vectors)
    assert weights_after(turned(held), train, vectors) == plain
    assert weights_after(turned(train), train, vectors) != plain


def test_same_seed_same_bytes(part: Pages, vectors: Vectors) -> None:
    train, _ = split_pages(part.n)
    assert weights_after(part, train, vectors) == weights_after(part, train, vectors)
    assert weights_after(part, train, vectors) != weights_after(part, train, vectors, seed=1)


def test_a_step_cannot_be_written_to(part: Pages) -> None:
    step = next(train_webpages(part, np.arange(5)))
    with pytest.raises(ValueError, match="read-only"):
        step.weights["query_map"][0, 0] = 2
    with pytest.raises(InputError, match="at least 2 pairs"):
        next(train_webpages(part, np.arange(1)))


def test_a_stop_ends_the_task(part: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webpages, "wikipedia_sections", lambda: part.sections)
    looks: list[int] = []

    def stopped() -> bool:
        looks.append(1)
        return len(looks) > 4

    with pytest.raises(JobStopped):
        webpages_task(Report(stopped=stopped), epochs=1_000)
    assert len(looks) == 5


def test_a_heartbeat_may_end_a_training_within_an_epoch(part: Pages, vectors: Vectors) -> None:
    def beat(done: float) -> None:
        raise JobStopped(f"stopped at {done}")

    steps = train_webpages(part, np.arange(40), vectors=vectors, heartbeat=beat)
    assert next(steps).epoch == 0
    with pytest.raises(JobStopped, match="stopped at 0"):
        next(steps)


def test_the_result_says_what_search_finds(part: Pages, entry: Entry, vectors: Vectors) -> None:
    found = Webpages.from_entry(entry, part.sections)
    rows = {(row.method, row.group): row for row in found.found}
    assert {method for method, _ in rows} == {"BM25", "mean of static vectors", "two towers, untrained", "two towers"}
    held = [part.sections[row] for row in entry.meta["held"]]
    ranks = []
    for each in held[:20]:
        hits = found.search(f"{each.article} {each.title}", k=part.n).hits
        ranks.append([(hit.article, hit.section) for hit in hits].index((each.article, each.title)) + 1)
    asked = query_vectors(part, np.array(entry.meta["held"][:20]), vectors, found.weights)
    first = found.search(f"{held[0].article} {held[0].title}").hits[0]
    assert first.score == pytest.approx(float((asked[0] @ found.vectors.T).max()), abs=1e-5)
    assert ranks == ranks_of(asked @ found.vectors.T, np.array(entry.meta["held"][:20])).tolist()
    own = rows["two towers", "all"]
    assert own.queries == len(held) == part.n // 5
    assert own.mrr > rows["mean of static vectors", "all"].mrr
    assert [epoch for epoch, _ in entry.meta["curve"]] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("query", "article", "section"),
    [
        ("Aristotle Five elements", "Aristotle", "Five elements"),
        ("academy awards: engraving", "Academy Awards", "Engraving"),
    ],
)
def test_an_exact_title_finds_its_section(part: Pages, entry: Entry, query: str, article: str, section: str) -> None:
    best = Webpages.from_entry(entry, part.sections).search(query).hits[0]
    assert (best.article, best.section) == (article, section)


def test_the_words_of_a_query_sum_to_its_score(part: Pages, entry: Entry) -> None:
    answer = Webpages.from_entry(entry, part.sections).search("Epidemiology of autism, autism zzxqj", k=3)
    assert answer.unknown == ("zzxqj",)
    assert len(answer.hits) == 3
    for hit in answer.hits:
        assert {word for word, _ in hit.words} == {"epidemiology", "of", "autism"}
        assert sum(share for _, share in hit.words) == pytest.approx(hit.score, abs=1e-5)
    best = answer.hits[0]
    assert best.words[0][1] > best.words[-1][1]
    assert best.words[-1][0] == "of"
    assert [hit.score for hit in answer.hits] == sorted((hit.score for hit in answer.hits), reverse=True)
    assert words_in(best.text)[:5] == words_in(next(s.text for s in part.sections if s.title == best.section))[:5]


def test_a_word_that_no_page_holds_is_read_by_its_static_vector(part: Pages, entry: Entry) -> None:
    found = Webpages.from_entry(entry, part.sections)
    word = next(each for each in ("puppy", "puppies", "kitten", "pizza", "tractor") if each not in part.rows)
    answer = found.search(word)
    assert answer.unknown == ()
    assert answer.hits[0].score > 0.05


@pytest.mark.parametrize(
    ("query", "k", "text"),
    [
        ("", 10, "Type some words"),
        (" ?! ", 10, "Type some words"),
        ("zzxqj qqwv", 10, "None of these words is known: zzxqj, qqwv"),
        ("autism", 0, "k must be at least 1"),
        ("autism " * 201, 10, "at most 200 words; this one has 201"),
    ],
)
def test_what_cannot_be_looked_for_says_so(part: Pages, entry: Entry, query: str, k: int, text: str) -> None:
    with pytest.raises(InputError, match=text):
        Webpages.from_entry(entry, part.sections).search(query, k)


def test_towers_of_other_sections_are_refused(part: Pages, entry: Entry) -> None:
    with pytest.raises(DamagedFile, match="another sample"):
        Webpages.from_entry(entry, part.sections[1:])
