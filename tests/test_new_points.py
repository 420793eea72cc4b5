"""New points: a space's model makes of an item's own text or picture the item's own vector, and so its place."""

from __future__ import annotations

import base64
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pages_help import dots, explorer, figure, press, run_until, table, text, workers
from streamlit.testing.v1 import AppTest

import embedkit
from embedkit import encode, encoder_of, load, project, search
from embedkit.encoding import encoders
from embedkit.errors import InputError, NotInstalled
from embedkit.explore import keep_space
from embedkit.files import open_files
from embedkit.jobs import Pool
from embedkit.neighbors import cosine
from embedkit.registry import methods
from embedkit.space import Origin, Space

CALM = {"ex_method": "PCA"}
ROWS = (0, 7, 19)
QUICK: dict[str, dict[str, Any]] = {
    "words/word2vec": {"text": "lee", "dims": 20, "epochs": 1},
    "words/fasttext": {"text": "lee", "dims": 20, "epochs": 1},
    "words/glove": {"text": "lee", "dims": 20, "epochs": 1},
    "words/lsa": {"text": "lee", "dims": 20},
    "images/cnn": {"epochs": 1},
    "images/vit": {"epochs": 1},
}
LINES = [f"The {animal} sleeps in the {place}." for animal in ("cat", "dog", "fox", "owl", "hen") for place in
         ("house", "garden", "wood", "river", "car")]  # fmt: skip


def png(pixels: Any) -> bytes:
    """The bytes of a picture (height, width, 1 or 3), 0..255."""
    from PIL import Image

    array = np.asarray(pixels, np.uint8)
    held = io.BytesIO()
    Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array).save(held, "PNG")
    return held.getvalue()


def photos() -> dict[str, bytes]:
    """Pictures in color of a size of their own, by name."""
    chance = np.random.default_rng(3)
    return {f"{n}.png": png(chance.integers(0, 256, (40, 50, 3)).repeat(1, 0)) for n in range(25)}


def zipped(files: dict[str, bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as packed:
        for name, data in files.items():
            packed.writestr(name, data)
    return held.getvalue()


def with_own_things(origin: str) -> tuple[Space, dict[int, str | bytes]]:
    """A space of this origin, and what some of its rows were made of."""
    if origin == "files/texts":
        space = open_files([("lines.txt", "\n".join(LINES).encode())]).space
        return space, {row: LINES[row] for row in ROWS}
    if origin == "files/pictures":
        files = photos()
        space = open_files([("photos.zip", zipped(files))]).space
        return space, {row: files[space.items[row].split("/")[-1]] for row in ROWS}
    if origin == "MiniLM":
        space = load("contexts/minilm", word="bank")
        once = [row for row in range(space.n) if len(re.findall(r"(?i)\bbank\b", space.items[row])) == 1]
        return space, {row: str(space.meta["sentence"][row]) for row in once[:3]}
    try:
        space = load(origin, **QUICK.get(origin, {}))
    except NotInstalled:
        pytest.skip(f"needs {', '.join(methods()[origin].needs)}")
    if origin.startswith("images/"):
        from embedkit.images import Source, load_source

        pixels = load_source(Source("digits")).pixels
        return space, {row: png(np.round(pixels[row] * 255)) for row in ROWS}
    return space, {row: space.items[row] for row in ROWS}


@pytest.mark.parametrize("origin", list(encoders()))
def test_an_items_own_thing_gives_its_own_vector_and_place(origin: str) -> None:
    space, things = with_own_things(origin)
    assert space.origin.method == origin
    assert (encoder_of(space) or pytest.fail("no encoder")).takes == (
        "text" if all(isinstance(thing, str) for thing in things.values()) else "picture"
    )
    flat = project(space, method="pca")
    width = float(np.ptp(flat.coords, axis=0).max())
    made = {row: encode(space, thing) for row, thing in things.items()}
    for row, each in made.items():
        assert each.note == ""
        assert cosine(each.vector, space.vectors[row]) > 0.999, space.items[row]
        assert search(space, each.vector, 1)[0].score == pytest.approx(1, abs=1e-3)
    places = flat.transform(np.stack([each.vector for each in made.values()]))
    assert np.abs(places - flat.coords[list(made)]).max() < 0.01 * width


def test_it_lands_beside_its_own_point_on_a_bent_map() -> None:
    space, things = with_own_things("images/pixels")
    bent = project(space, method="umap")
    width = float(np.ptp(bent.coords, axis=0).max())
    for row, thing in things.items():
        place = bent.transform(encode(space, thing).vector[None])[0]
        assert np.abs(place - bent.coords[row]).max() < 0.05 * width


def test_every_origin_of_a_method_that_has_its_model_is_served() -> None:
    served = set(encoders())
    assert served >= {"words/minilm", "words/word2vec", "words/fasttext", "files/texts", "files/pictures"}
    assert served >= {key for key in methods() if key.startswith("images/")}
    assert served <= {*methods(), "MiniLM", "files/texts", "files/pictures"}


def test_words_that_the_table_lacks_are_read_in_pieces() -> None:
    space = load("words/minilm")
    assert "tyrannosaurus" not in space
    assert search(space, encode(space, "tyrannosaurus").vector, 1)[0].item == "dinosaur"
    york = [each.item for each in search(space, encode(space, "New York").vector, 5)]
    assert "nyc" in york, "no mean of 'new' and 'york' has it there"


def test_a_phrase_is_the_mean_of_its_known_words_and_the_others_are_told() -> None:
    space = load("words/word2vec", **QUICK["words/word2vec"])
    a, b = space.items[40], space.items[50]
    made = encode(space, f"{a.upper()} {b}, qqqqq!")
    mean = (space.vector(a).astype(float) + space.vector(b)) / 2
    np.testing.assert_allclose(made.vector, mean, atol=1e-6)
    assert "without 'qqqqq'" in made.note
    with pytest.raises(InputError, match=r"none of: 'qqqqq'"):
        encode(space, "qqqqq")
    with pytest.raises(InputError, match=r"none of: '!'"):
        encode(space, "!")


def test_fasttext_puts_unseen_words_together_and_only_from_its_own_training() -> None:
    space = load("words/fasttext", **QUICK["words/fasttext"])
    unseen = space.items[30] + "like"
    assert unseen not in space
    made = encode(space, unseen)
    assert np.linalg.norm(made.vector) > 0
    assert "from pieces" in made.note
    other = replace(space, vectors=-space.vectors)
    with pytest.raises(InputError, match="none of"):
        encode(other, unseen)


def test_a_new_sentence_must_hold_the_word() -> None:
    space = load("contexts/minilm", word="bank")
    made = encode(space, "The bank stood by the other bank.")
    assert "Of 2 places" in made.note
    with pytest.raises(InputError, match="'bank' is not a word of sentence"):
        encode(space, "We rowed ashore.")


def test_vectors_without_their_model_say_so() -> None:
    bare = Space("x", "Bare", ("a", "b"), np.eye(2))
    assert encoder_of(bare) is None
    with pytest.raises(InputError, match=r"'Bare' came without their model"):
        encode(bare, "a")


def test_the_other_kind_of_thing_is_refused() -> None:
    words, digits = load("words/minilm"), load("images/pixels")
    with pytest.raises(InputError, match="reads a text"):
        encode(words, b"\x89PNG")
    with pytest.raises(InputError, match="reads a picture"):
        encode(digits, "seven")
    with pytest.raises(InputError, match="Type a word"):
        encode(words, "  ")
    with pytest.raises(InputError, match=r"'me\.png' is no PNG"):
        encode(digits, b"nothing", name="me.png")


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        (Origin("words/minilm"), r"have 2 numbers, but words/minilm makes 256"),
        (Origin("words/fasttext"), "no method"),
        (Origin("words/fasttext", {"method": ["x"]}), "no method"),
        (Origin("MiniLM", {"word": "a", "layer": "six"}), "no layer"),
        (Origin("MiniLM", {"word": "a", "layer": 99}), "layers 0"),
    ],
)
def test_an_origin_that_a_file_made_up_is_one_sentence(origin: Origin, said: str) -> None:
    with pytest.raises(InputError, match=said):
        encode(Space("x", "Made up", ("p", "q"), np.eye(2), origin=origin), "a")


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        (Origin("images/pixels"), "no pictures"),
        (Origin("images/pixels", {"pictures": "nope"}), "nope"),
        (Origin("images/autoencoder", {"pictures": "digits", "network": "dense"}), "no latent"),
        (
            Origin(
                "images/autoencoder",
                {"pictures": "digits", "network": "dense", "latent": 5, "noise": 0.7, "epochs": 3},
            ),
            "no longer kept",
        ),
        (Origin("images/cnn", {"pictures": "digits", "label": "nope", "epochs": 2}), "no longer kept"),
        (Origin("files/pictures"), "square pictures"),
    ],
)
def test_no_network_is_trained_for_an_origin_that_a_file_made_up(origin: Origin, said: str) -> None:
    with pytest.raises(InputError, match=said):
        encode(Space("x", "Made up", ("p", "q"), np.eye(2), origin=origin), png(np.zeros((8, 8, 1))))


def test_a_long_text_is_cut_where_the_list_cuts_its_lines() -> None:
    space = open_files([("lines.txt", "\n".join(LINES).encode())]).space
    long = "word " * 1_000
    made = encode(space, long)
    assert "first 2,000 characters" in made.note
    assert cosine(made.vector, encode(space, long[:2_000]).vector) > 0.9999
    assert embedkit.encode is encode


# The page


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    with workers(tmp_path_factory.mktemp("home")) as made:
        yield made


def stars(at: AppTest) -> dict[str, tuple[float, ...]]:
    """Name and place of each point of one's own on the map."""
    found = {}
    for trace in figure(at, "ex_event")["data"]:
        if trace.get("name") == "yours":
            axes = [np.asarray(trace[axis], float) for axis in "xyz" if axis in trace]
            found |= dict(zip(trace["text"], zip(*axes, strict=True), strict=True))
    return found


def test_phrases_are_placed_and_answered_each_with_what_was_not_read(pool: Pool) -> None:
    at = explorer(ex_src="Words, trained on Wikipedia", ex_phrases="king of france\nqqqqq music\nqqqqq", ex_k=4, **CALM)
    finished(at)
    space = load("words/word2vec")
    flat = project(space, method="pca")
    wanted = {name: encode(space, name).vector for name in ("king of france", "qqqqq music")}
    shown = stars(at)
    assert set(shown) == set(wanted)
    for name, vector in wanted.items():
        assert shown[name] == pytest.approx(flat.transform(vector[None])[0], abs=1e-3)
    summary = table(at, "yours", "nearest")
    assert list(summary["nearest"]) == [search(space, vector, 1)[0].item for vector in wanted.values()]
    assert "without 'qqqqq'" in summary["note"][1]
    assert ["none of: 'qqqqq'" in each.value for each in at.error] == [True]
    lists = [each.value for each in at.dataframe if "near" in each.value.columns]
    assert [list(each["near"]) for each in lists] == [
        [near.item for near in search(space, vector, 4)] for vector in wanted.values()
    ]


def test_another_map_places_them_anew_and_clear_takes_them_off(pool: Pool) -> None:
    at = explorer(ex_sum="7 (7) + 1 (1)", **CALM)
    (before,) = stars(at).values()
    at.button_group(key="ex_method").set_value(["UMAP"])
    press(at, "Draw the map")
    finished(at)
    (after,) = stars(at).values()
    assert before != pytest.approx(after)
    press(at, "Clear all")
    assert stars(at) == {}
    assert at.text_input(key="ex_sum").value == ""


def test_a_dropped_picture_lands_on_its_own_point(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    from embedkit.images import Source, load_source

    data = png(np.round(load_source(Source("digits")).pixels[7] * 255))
    monkeypatch.setattr("ui.own_picture.drawing", lambda _: data)
    at = explorer(ex_src="Handwritten digits, autoencoder", ex_k=3, **CALM)
    finished(at)
    (place,) = stars(at).values()
    assert place == pytest.approx(dots(figure(at, "ex_event"))[7], abs=0.01)
    near = table(at, "near", "picture", "cosine")
    assert near["near"][0] == "7 (7)"
    assert all(each.startswith("data:image/png;base64,") for each in near["picture"])


def test_more_phrases_than_are_placed_are_told_with_the_limit(pool: Pool) -> None:
    at = explorer(ex_src="Words, trained on Wikipedia", ex_phrases="\n".join(f"war {n}" for n in range(21)), **CALM)
    finished(at)
    assert any("21 phrases are typed; the first 20" in each.value for each in at.error)
    assert len(stars(at)) == 20


def test_vectors_without_their_model_take_sums_alone(pool: Pool) -> None:
    bare = Space("own", "Own", tuple("abcdef"), np.random.default_rng(0).normal(size=(6, 4)))
    at = explorer(ex_src="Own files", ex_open=keep_space(bare, pool.store), ex_sum="a + b", **CALM)
    finished(at)
    assert "came without their model" in text(at)
    assert not [each for each in at.text_area if each.key == "ex_phrases"]
    assert list(stars(at)) == ["a + b"]


def test_a_picked_picture_answers_with_pictures(pool: Pool) -> None:
    at = explorer(ex_pick="7 (7)", ex_k=3, **CALM)
    shown = table(at, "item", "picture", "cosine")
    from PIL import Image

    from embedkit.images import Source, load_source

    pixels = load_source(Source("digits")).pixels
    for item, address in zip(shown["item"], shown["picture"], strict=True):
        image = Image.open(io.BytesIO(base64.b64decode(address.split(",")[1])))
        own = pixels[load("images/pixels").row(item), ..., 0]
        small = np.asarray(image, np.float32)[3::6, 3::6] / 255
        np.testing.assert_allclose(small, own, atol=0.01)


def finished(at: AppTest) -> None:
    """Run until no map is in the making."""
    run_until(at, lambda page: not page.progress)
    assert not at.exception
