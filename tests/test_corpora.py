"""Text to train on: what a word is, where a bad byte lies, lines too long, a corpus that comes back from the store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from embedkit.errors import InputError
from embedkit.sources import corpora
from embedkit.sources.corpora import LONGEST, corpus_arrays, corpus_from, lee, read_corpus, tokens, wikipedia
from embedkit.store import Store


def test_words_are_runs_of_letters_in_lower_case() -> None:
    assert tokens("Don\u2019t shout! It's 42 École, foo_bar 'quoted'.") == [
        *("don't", "shout", "it's", "école", "foo", "bar", "quoted")
    ]


def test_words_stand_in_falling_order_of_frequency_and_lines_keep_their_ends() -> None:
    corpus = read_corpus(b"b a b\n\nc a b\n12\n")
    assert corpus.words == ("b", "a", "c")
    assert corpus.counts.tolist() == [3, 2, 1]
    assert corpus.ids.tolist() == [0, 1, 0, 2, 1, 0]
    assert corpus.starts.tolist() == [0, 3, 6]
    assert (corpus.n_tokens, corpus.n_lines) == (6, 2)


def test_the_head_leaves_rare_words_out_and_keeps_the_lines() -> None:
    ids, starts = read_corpus(b"b a b\nc\nc a b a").head(2)
    assert ids.tolist() == [0, 1, 0, 1, 0, 1] or ids.tolist() == [1, 0, 1, 0, 1, 0]
    assert starts.tolist() == [0, 3, 3, 6]


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_line_ends_of_every_system_are_read(ends: str) -> None:
    assert read_corpus(ends.join(["a b", "c d"]).encode()).starts.tolist() == [0, 2, 4]


def test_a_byte_order_mark_is_not_part_of_the_first_word() -> None:
    assert read_corpus(b"\xef\xbb\xbfone two").words == ("one", "two")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"12 -- 7", "has no words"),
        (b"abc \xff d", "byte 4 is 0xff"),
        ("é".encode() * 600_000 + b"\xc3", "byte 1,200,000 is 0xc3"),
        ("añb".encode("utf-16"), "UTF-16"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_sentence(data: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_corpus(data)


def test_a_bad_byte_just_after_a_letter_cut_between_two_pieces_has_its_true_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(corpora, "PIECE", 4)
    data = b"abc" + "é".encode() + b"xy \xff"
    with pytest.raises(InputError, match="byte 8 is 0xff"):
        read_corpus(data)
    with pytest.raises(InputError, match="byte 3 is 0xc3"):
        read_corpus(b"abc\xc3zz")


def test_small_pieces_give_the_same_corpus_as_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = "The École is open.\r\nDon\u2019t go\n\nnow or never\n".encode() * 40
    whole = read_corpus(data)
    path = tmp_path / "text.txt"
    path.write_bytes(data)
    monkeypatch.setattr(corpora, "PIECE", 7)
    for given in (data, path):
        again = read_corpus(given)
        assert (again.words, again.digest) == (whole.words, whole.digest)
        assert again.starts.tolist() == whole.starts.tolist()


def test_a_line_of_ten_million_letters_is_survived_and_cut() -> None:
    corpus = read_corpus(b"one two " * 1_250_000)
    assert corpus.n_tokens == 2_500_000
    assert np.diff(corpus.starts).max() == LONGEST
    assert read_corpus(b"x" * 10_000_000).n_tokens < 10


def test_one_word_is_a_corpus_but_no_vocabulary() -> None:
    corpus = read_corpus(b"alone alone")
    with pytest.raises(InputError, match="too short to learn from"):
        corpus.size(1)


def test_too_many_different_words_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpora, "MOST_WORDS", 10)
    text = " ".join(f"{a}{b}{c}{d}" for a in "abcdef" for b in "abcdef" for c in "abcdef" for d in "abcdef")
    with pytest.raises(InputError, match="more than 10 different words"):
        read_corpus(f"{text}\n".encode() * 800)


def test_a_text_over_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(InputError, match="at most 0 MB"):
        read_corpus(b"abc def", most_bytes=3)


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    corpus = lee()
    again = read_corpus(corpus.write(tmp_path / "lee.txt"))
    assert again.digest == corpus.digest
    size = corpus.size(5)
    few = read_corpus(corpus.write(tmp_path / "few.txt", size))
    assert set(few.words) == set(corpus.words[:size])
    assert few.n_tokens == int(corpus.counts[:size].sum())


def test_a_corpus_comes_back_from_the_store(tmp_path: Path) -> None:
    store = Store(tmp_path)
    corpus = read_corpus("wörter und Wörter".encode(), title="Own")
    assert store.put("c" * 32, *corpus_arrays(corpus))
    entry = store.get("c" * 32)
    assert entry is not None
    again = corpus_from(entry)
    assert (again.words, again.digest, again.title, again.key) == (corpus.words, corpus.digest, "Own", "own")
    assert again.ids.tolist() == corpus.ids.tolist()


def test_the_offline_texts_are_there() -> None:
    sample = wikipedia()
    assert sample.n_tokens > 400_000
    assert sample.words[:3] == ("the", "of", "and")
    assert sample.counts[0] == (sample.ids == 0).sum()
    assert 50_000 < lee().n_tokens < 70_000
    assert lee().n_lines == 300
