"""Word vectors, the Projector's files, lists of texts; the samples of gensim and the Projector, opened or refused."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from embedkit.errors import DamagedFile, EmbedkitError, InputError
from embedkit.files import Limits, Opened, open_files
from embedkit.sources.gensim_data import test_data as gensim_file


def opened(data: bytes, name: str = "x.txt") -> Opened:
    return open_files([(name, data)])


def binary(count: int, d: int, header: tuple[int, int] | None = None, end: bytes = b"") -> bytes:
    n, promised = header or (count, d)
    rows = np.arange(count * d, dtype="<f4").reshape(count, d)
    return b"%d %d\n" % (n, promised) + b"".join(b"w%d " % i + row.tobytes() + end for i, row in enumerate(rows))


@pytest.mark.parametrize(
    ("data", "items", "said"),
    [
        (b"2 3\na 1 2 3\nb 1 2 3\nc 1 2 3\n", "abc", "There are 3 rows where the header says 2."),
        (b"4 3\na 1 2 3\nb 1 2 3\n", "ab", "There are 2 rows where the header says 4. The file may be cut off."),
        (b"1000000000000 3\na 1 2 3\nb 4 5 6\n", "ab", "There are 2 rows where the header says 1,000,000,000,000."),
        (b"2 4\na 1 2 3\nb 1 2 3\n", "ab", "The header says 4 numbers a row; there are 3."),
        (b"2 3\na 1 2 3 \r\nb\t1\t2\t3\r\n\n", "ab", "holds 2 words with 3 numbers each."),
        (b"4 3\na 1 2 3\nb 1 2\nc 1 x 3\nd 4 5 6\n", "ad",
         "2 lines were left out: line 3 has 2 of 3 numbers, line 4 has 'x' as number 2."),
        (b"3 3\na 1 2 3\nb 1 2 3\nc 1 2", "ab", "The last line is not whole: the file may be cut off."),
        (b"3 2\na 1 2\nb nan 2\nc 1 1e39\nd 1 2\n", "ad", "line 3 (column 1 is NaN), line 4 (column 2 is infinite)."),
        (b"3 2\na 1 2\na 3 4\nb 5 6\n", ("a", "a (2)", "b"), "1 name came more than once and got a number: 'a'."),
        ("2 2\né 1 2\nb 3 4\n".encode("latin-1"), "\ufffdb", "1 word is not UTF-8, the first is number 1 with "),
    ],
)  # fmt: skip
def test_text_of_word2vec_whatever_its_header_says(data: bytes, items: str | tuple[str, ...], said: str) -> None:
    found = opened(data)
    assert found.format == "word2vec"
    assert found.space.items == tuple(items)
    assert any(said in text for text in found.said), found.said


def test_words_with_blanks_and_glove_without_a_header() -> None:
    lines = [
        b"the 1 2 3 4 5",
        b". . . 1 2 3 4 5",
        b"at name 1 2 3 4 5",
        b"2009 1 2 3 4 5",
        b"\xc2\xa0 1 2 3 4 5",
        b"end 5 4 3 2",
    ]
    found = opened(b"\n".join(lines))
    assert found.format == "glove"
    assert found.space.items == ("the", ". . .", "at name", "2009", "line 5")
    assert found.said[1:] == (
        "1 line was left out: line 6 has 4 of 5 numbers.",
        "The last line is not whole: the file may be cut off.",
        "1 item had no name and took the number of the row.",
    )


def test_many_blocks_of_lines_are_one_table() -> None:
    rows = 60_000  # some 5 MB
    lines = "".join(
        f"w{i} {i} {i / 8} 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24\n" for i in range(rows)
    )
    found = opened(f"{rows} 26\n{lines}".encode())
    assert len(found.said) == 1
    assert found.space.n == rows
    assert np.array_equal(found.space.vectors[:, 1], np.arange(rows, dtype=np.float32) / 8)
    broken = lines.replace("w50000 50000", "w50000 x")
    assert "1 line was left out: line 50,002 has 'x' as number 1." in opened(f"{rows} 26\n{broken}".encode()).said


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_binary_of_word2vec(end: bytes) -> None:
    found = opened(binary(5_000, 300, end=end), "x.bin")  # 6 MB: more than one piece
    assert found.format == "word2vec-bin"
    assert len(found.said) == 1
    assert found.space.items[:2] == ("w0", "w1")
    assert np.array_equal(found.space.vectors.ravel(), np.arange(1_500_000, dtype=np.float32))


@pytest.mark.parametrize(
    ("data", "n", "said"),
    [
        (binary(3, 4, (2, 4)), 3, "There are 3 rows where the header says 2."),
        (binary(3, 4, (10**12, 4)), 3, "There are 3 rows where the header says 1,000,000,000,000."),
        (binary(3, 4)[:-5], 2, "It ends within word 3: the file is cut off, and the whole words before are kept."),
        (binary(3, 4) + b"rest of it", 3, "After the last whole word 10 bytes were left alone."),
        (binary(3, 4) + b"x" * 3_000, 3, "After word 3 no other begins: what follows was left alone."),
    ],
)
def test_binary_whatever_its_header_says(data: bytes, n: int, said: str) -> None:
    found = opened(data, "x.bin")
    assert found.space.n == n
    assert any(said in text for text in found.said), found.said


@pytest.mark.parametrize(
    ("data", "name", "sentence"),
    [
        (
            b"10 1000000000000\na " + bytes(99),
            "x.bin",
            "its header promises rows of 1,000,000,000,000 numbers, and 101 bytes",
        ),
        (b"10 30\na " + bytes(99), "x.bin", "is cut off or no word2vec file"),
        (b"10 20\na " + bytes(79), "x.bin", "'x.bin' is cut off within its first word; its header promises 10."),
        (b"10 20\n", "x.vec", "'x.vec' holds no word with its numbers; its header promises 10."),
        (
            b"\xba\x16\x4f\x2f" + bytes(99),
            "x.bin",
            "'x.bin' is a whole fastText model, not a table of vectors. Two lines",
        ),
        (bytes(range(256)), "x.bin", "'x.bin' is named like word2vec, binary, but does not begin like it"),
        (
            b"a line of text\n",
            "x.log",
            "is text without vectors. A list of texts is embedded line by line when its name",
        ),
        (
            b"<!DOCTYPE html><html>",
            "x.txt",
            "'x.txt' is a web page or XML, not a table: perhaps a download went wrong.",
        ),
        (b"\n---\n", "x.txt", "'x.txt' holds no text: no line has a letter or a figure."),
    ],
)
def test_words_that_do_not_open(data: bytes, name: str, sentence: str) -> None:
    with pytest.raises(EmbedkitError) as caught:
        opened(data, name)
    assert sentence in str(caught.value)


# Texts


def test_a_list_of_texts_is_embedded_with_minilm() -> None:
    asked = []
    found = open_files(
        [("x.txt", b"a cat\n\nthe dog\na cat\n")], report=lambda share, text: asked.append((share, text))
    )
    assert (found.format, found.space.d) == ("texts", 384)
    assert found.space.items == ("a cat", "the dog", "a cat (2)")
    assert np.array_equal(found.space.vectors[0], found.space.vectors[2])
    assert asked == [(None, "Loading MiniLM"), (0.0, "Embedding 0 of 3 texts")]
    few = open_files([("x.txt", b"one\ntwo\nthree\n")], limits=Limits(most_texts=2))
    assert few.space.items == ("one", "two")
    assert "The first 2 were embedded, as each takes milliseconds; 1 were left." in few.said


# The Projector

VECTORS = b"1\t2\n3\t4\n5\t6\n"


@pytest.mark.parametrize(
    ("labels", "items", "columns", "said"),
    [
        (b"a\nb\nc\n", "abc", [], ""),
        (b"a\nb\nc", "abc", [], ""),
        (b"word\tkind\na\tx\nb\ty\nc\tx\n", "abc", ["kind"], ""),
        (b"word\na\nb\nc\n", "abc", [], "has 4 lines for 3 vectors, so its first line, 'word', is taken for a header."),
        (
            b"a\tx\nb\ty\nc\tx\n",
            "abc",
            ["column 2"],
            "has as many lines as there are vectors, so its first line is taken for",
        ),
        (b"a\nb\n", ("a", "b", "row 3"), [], "has 2 rows of labels for 3 vectors: the last of them have none."),
        (b"a\nb\nc\nd\ne\n", "abc", [], "has 5 rows of labels for 3 vectors: the last labels are left alone."),
        (
            b"w\tk\na\tx\nb\nc\tx\n",
            "abc",
            ["k"],
            "1 row have not 2 cells, the first is line 3; what is missing is left empty.",
        ),
        (b"w\tk\n\"\tx\n'\ty\n,\tz\n", "\"',", ["k"], ""),  # a word may be a quotation mark
    ],
)
def test_the_pair_of_tables(labels: bytes, items: str | tuple[str, ...], columns: list[str], said: str) -> None:
    for names in (("vectors.tsv", "metadata.tsv"), ("vecs.tsv", "meta.tsv"), ("tensors.tsv", "x.tsv")):
        found = open_files([(names[1], labels), (names[0], VECTORS)])
        assert found.format == "projector-tsv"
        assert found.space.items == tuple(items)
        assert found.space.vectors.tolist() == [[1, 2], [3, 4], [5, 6]]
        assert list(found.space.meta.columns) == columns
        assert any(said in text for text in found.said), found.said


def config(**change: object) -> bytes:
    entry = {"tensorName": "Made", "tensorShape": [3, 2], "tensorPath": "https://example.org/a/t.bytes",
             "metadataPath": "../../l.tsv", "sprite": {"imagePath": "/s.png", "singleImageDim": [4, 5]}}  # fmt: skip
    return json.dumps({"embeddings": [{"tensorPath": "other.bytes"}, entry | change]}).encode()


def sprite(folder: Path) -> bytes:
    """Tiles of 4 x 5, two beside each other, shades 0, 1, 2, 3."""
    pixels = np.repeat(np.repeat(np.array([[0, 1], [2, 3]], np.uint8), 5, 0), 4, 1)
    Image.fromarray(pixels).save(folder / "s.png")
    return (folder / "s.png").read_bytes()


def test_a_config_with_its_tensors_labels_and_sprite(tmp_path: Path) -> None:
    tensors = np.arange(6, dtype="<f4").tobytes()
    files = [("t.bytes", tensors), ("l.tsv", b"a\nb\nc\n"), ("s.png", sprite(tmp_path)), ("note.txt", b"x")]
    found = open_files([("c.json", config()), *files])
    assert (found.format, found.space.title, found.space.items) == ("projector", "Made", ("a", "b", "c"))
    assert found.space.vectors.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert found.images is not None
    assert found.images.shape == (3, 5, 4, 1)
    assert found.images[:, 0, 0, 0].tolist() == [0, 1, 2]
    assert "Not named for it in the config, so left alone: 'note.txt'." in found.said
    holed = np.array([0, 1, np.nan, 3, 4, 5], "<f4").tobytes()
    kept = open_files([("c.json", config()), ("t.bytes", holed), *files[1:3]])
    assert kept.space.items == ("a", "c")
    assert kept.images is not None
    assert kept.images[:, 0, 0, 0].tolist() == [0, 2]
    alone = open_files([("c.json", config()), files[0]])
    assert "The labels 'l.tsv' were not given with it." in alone.said
    assert "The sprite 's.png' was not given with it." in alone.said
    short = open_files([("c.json", config()), ("t.bytes", tensors[:16]), files[1]])
    assert "There are 2 rows where the config says 3." in short.said
    small = open_files([("c.json", config(sprite={"imagePath": "s.png", "singleImageDim": [8, 5]})), *files[:3]])
    assert small.images is None
    told = "The sprite 's.png' has room for 2 pictures of 8 x 5, not for 3: it was left out."
    assert told in small.said


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ([("c.json", config())], "describes tensors that are not among the files given: 'other.bytes', 't.bytes'."),
        ([("c.json", config()), ("t.bytes", bytes(20))], "holds 5 numbers where the config says 3 x 2: it is cut off"),
        (
            [("c.json", config()), ("t.bytes", bytes(21))],
            "has 21 bytes, which are no whole number of float32: it is cut off.",
        ),
        ([("c.json", config()[:-9]), ("t.bytes", bytes(24))], "'c.json' is no whole config of the Projector: "),
        (
            [("t.bytes", bytes(24))],
            "'t.bytes' holds raw numbers that do not tell their shape; give the config or the labels",
        ),
        ([("t.bytes", bytes(28)), ("l.tsv", b"a\nb\nc\n")], "holds 7 numbers, which 3 lines of labels do not divide"),
        (
            [("a.csv", b"1,2\n"), ("b.csv", b"3,4\n")],
            "Which file holds the vectors? Of 'a.csv', 'b.csv' none, or more than",
        ),
        (
            [("a.jsonl", b"[1,2]\n"), ("b.vec", b"1 2\na 1 2\n")],
            "More than one file holds vectors: 'a.jsonl', 'b.vec'.",
        ),
    ],
)
def test_files_of_the_projector_that_do_not_open(files: list[tuple[str, bytes]], sentence: str) -> None:
    with pytest.raises(EmbedkitError) as caught:
        open_files(files)
    assert sentence in str(caught.value)


def test_a_config_follows_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.bytes").write_bytes(bytes(24))
    for path in ("t.bytes", str(tmp_path / "t.bytes"), "./t.bytes"):
        with pytest.raises(InputError, match="are not among the files given: "):
            open_files([("c.json", config(tensorPath=path))])


def samples() -> Path:
    root = Path(os.environ.get("EMBEDKIT_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
    folder = root / "projector-samples"
    if not folder.is_dir():
        pytest.skip("the Projector's samples are not on this machine (EMBEDKIT_DATA/projector-samples)")
    return folder


def test_the_projectors_own_samples_open_or_are_refused() -> None:
    folder = samples()
    config, iris, flowers = "oss_demo_projector_config.json", "iris_tensors.bytes", "iris_labels.tsv"
    labels, sheet = "mnist_10k_784d_labels.tsv", "mnist_10k_sprite.png"
    for names in ([config, iris, flowers], [iris, flowers], [flowers], [config, iris, flowers, labels, sheet]):
        found = open_files([folder / name for name in names]).space
        assert (found.n, found.d) == (150, 4)
        assert found.vectors[0].tolist() == pytest.approx([5.1, 3.5, 1.4, 0.2])
        assert found.items[0] == "Iris-setosa"
        assert found.meta["class"].value_counts().tolist() == [50, 50, 50]
    refused = {
        (config,): "not among the files given",
        (iris,): "do not tell their shape",
        (labels,): "one column of numbers",
        (labels, sheet): "one column of numbers",
        (config, labels, sheet): "not among the files given",
    }
    for names, sentence in refused.items():
        with pytest.raises(InputError, match=sentence):
            open_files([folder / name for name in names])
    known = {config, iris, flowers, labels, sheet, "SOURCE.md"}
    assert {path.name for path in folder.iterdir()} <= known, "a new sample: open it here or say why not"
    pixels = np.zeros((10_000, 2), np.uint8)
    np.save(Path(os.environ["EMBEDKIT_HOME"]) / "t.npy", pixels)
    shown = open_files([Path(os.environ["EMBEDKIT_HOME"]) / "t.npy", folder / labels, folder / sheet])
    assert shown.images is not None
    assert shown.images.shape[:3] == (10_000, 28, 28)
    assert shown.space.meta["label"].tolist()[:3] == [7, 2, 1]


# gensim's test data: what opens, and how; all else is refused with a reason.

OPEN = {
    "EN.1-10.cbow1_wind5_hs0_neg10_size300_smpl1e-05.txt": ("word2vec", 20, 300),
    "IT.1-10.cbow1_wind5_hs0_neg10_size300_smpl1e-05.txt": ("word2vec", 20, 300),
    "atmodel_3_0_1_model.expElogbeta.npy": ("npy", 2, 12),
    "crime-and-punishment.vec": ("fasttext", 291, 5),
    "doc2vec_old_sep.syn1neg.npy": ("npy", 3955, 100),
    "euclidean_vectors.bin": ("word2vec-bin", 2747, 10),
    "fasttext_old_sep.syn1neg.npy": ("npy", 12, 100),
    "fb-ngrams.txt": ("glove", 71, 5),
    "high_precision.kv.bin": ("word2vec-bin", 2, 2),
    "high_precision.kv.txt": ("word2vec", 2, 2),
    "lda_3_0_1_model.expElogbeta.npy": ("npy", 2, 12),
    "ldamodel_python_2_7.expElogbeta.npy": ("npy", 2, 12),
    "ldamodel_python_3_5.expElogbeta.npy": ("npy", 2, 12),
    "lee_fasttext.vec": ("fasttext", 1762, 10),
    "pang_lee_polarity_fasttext.vec": ("fasttext", 1694, 100),
    "poincare_vectors.bin": ("word2vec-bin", 1182, 10),
    "pretrained.vec": ("fasttext", 1, 5),
    "similarities0-1.txt": ("projector-tsv", 50, 50),
    "sstats_test.txt": ("csv", 562, 2),
    "head500.noblanks.cor_wordids.txt": ("csv", 29722, 2),
    "ldavowpalwabbit.dict.txt": ("csv", 50, 2),
    "testcorpus.uci": ("csv", 28, 3),
    "test_glove.txt": ("glove", 76, 50),
    "toy-model.vec": ("fasttext", 22, 5),
    "w2v_keyedvectors_load_test.modeldata": ("word2vec", 2, 3),
    "word2vec_old_sep.syn1neg.npy": ("npy", 12, 100),
    "word2vec_pre_kv_c": ("word2vec", 1750, 10),
}
TEXTS = re.compile(
    r"(OPUS_.*|alldata-id-10|crime-and-punishment|ldavowpalwabbit.*|para2para_text\d|questions-words|simlex999|"
    r"testcorpus|toy-data|1)\.txt"
)


def test_every_sample_of_gensim_opens_or_is_refused_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    from embedkit.encoders import transformer

    class Stub:
        def pooled(self, texts: list[str]) -> np.ndarray:
            return np.ones((len(texts), 3), np.float32)

    monkeypatch.setattr(transformer, "load_transformer", Stub)
    folder = gensim_file("test_glove.txt").parent
    found, refused = {}, {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            try:
                each = open_files([path])
                found[path.name] = (each.format, each.space.n, each.space.d)
                assert each.said
            except EmbedkitError as error:
                refused[path.name] = str(error)
    assert {name: each for name, each in found.items() if each[0] == "texts" and not TEXTS.fullmatch(name)} == {}
    kept = {name: each for name, each in found.items() if each[0] != "texts"}
    pairs = {name: each for name, each in kept.items() if re.match(r"word2vec_pre_kv_sep.*syn", name)}
    assert set(pairs.values()) == {("npy", 9, 2)}
    assert {name: each for name, each in kept.items() if name not in pairs} == OPEN
    reasons = re.compile(
        r"reading it can run anything|whole fastText model|packed with bzip2|Matrix Market|one line of [\d,]+ numbers|"
        r"not UTF-8|no column of numbers|one column of numbers|text without vectors|none of the \d+ formats|"
        r"does not begin like it|web page or XML"
    )
    assert {name: text for name, text in refused.items() if not reasons.search(text)} == {}
    assert len(refused) > 100


def test_gensim_reads_what_is_written_and_we_read_what_gensim_writes(tmp_path: Path) -> None:
    from gensim.models import KeyedVectors

    from embedkit.files import save_space

    given = open_files([gensim_file("lee_fasttext.vec")]).space
    for key, name, packed in (
        ("word2vec", "x.txt", False),
        ("word2vec-bin", "x.bin", True),
        ("fasttext", "x.vec", False),
    ):
        save_space(given, tmp_path / name, key)
        theirs = KeyedVectors.load_word2vec_format(str(tmp_path / name), binary=packed)
        assert theirs.index_to_key == list(given.items)
        assert np.array_equal(theirs.vectors, given.vectors)
        theirs.save_word2vec_format(str(tmp_path / f"gensim {name}"), binary=packed)
        again = open_files([tmp_path / f"gensim {name}"]).space
        assert again.items == given.items
        assert np.allclose(again.vectors, given.vectors, rtol=1e-6)


def test_a_damaged_binary_is_a_damaged_file() -> None:
    with pytest.raises(DamagedFile):
        opened(b"10 30\na " + bytes(99), "x.bin")
