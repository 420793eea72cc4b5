"""Pictures from the library, drawn by rule, from idx files and from a person."""

import gzip
import io
import struct
import warnings
import zipfile
import zlib
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from embedkit.errors import DamagedFile, InputError
from embedkit.sources import pictures
from embedkit.sources.pictures import KINDS, PAINTS, Pictures, as_picture, digits, from_files, from_idx, scaled, shapes


def picture(kind: str = "PNG", size: tuple[int, int] = (40, 30), color: tuple[int, int, int] = (200, 30, 30)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, kind)
    return out.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def test_digits_are_the_librarys():
    found = digits()
    assert found.pixels.shape == (1_797, 8, 8, 1)
    assert found.pixels.min() == 0
    assert found.pixels.max() == 1
    assert found.classes == tuple("0123456789")
    assert found.simulated == ""
    assert found.factors.loc[found.factors["digit"] == 8, "has a loop"].all()
    assert not found.factors.loc[found.factors["digit"] == 7, "has a loop"].any()
    assert len(set(found.names)) == found.n


def test_pixels_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        digits().pixels[0, 0, 0, 0] = 1


def test_split_is_seeded_whole_and_without_overlap():
    train, held = digits().split(0.25, seed=3)
    assert len(held) == round(0.25 * 1_797)
    assert sorted([*train, *held]) == list(range(1_797))
    assert (digits().split(0.25, seed=3)[1] == held).all()
    assert (digits().split(0.25, seed=4)[1] != held).any()


def test_shapes_say_that_they_are_drawn_and_follow_their_factors():
    found = shapes(300, seed=1)
    assert "rule" in found.simulated
    assert found.pixels.shape == (300, 32, 32, 3)
    assert set(found.labels) == set(KINDS)
    assert (shapes(300, seed=1).pixels == found.pixels).all()
    assert (shapes(300, seed=2).pixels != found.pixels).any()
    for i in range(60):
        middle = found.pixels[i, round(found.factors["y"][i]), round(found.factors["x"][i])]
        paint = PAINTS[found.factors["color"][i]]
        assert np.allclose(middle, paint, atol=0.02), f"the middle of shape {i} has its color"


def test_a_larger_shape_covers_more():
    found = shapes(600, seed=0)
    covered = (np.abs(found.pixels - 0.94).max(3) > 0.2).mean((1, 2))
    means = [covered[(found.factors["size"] == size).to_numpy()].mean() for size in ("small", "medium", "large")]
    assert means == sorted(means)


def test_number_of_shapes_is_bounded():
    with pytest.raises(InputError, match="20,000 shapes can be drawn, not 30,000"):
        shapes(30_000)


@pytest.fixture
def idx(tmp_path):
    def write(name, array, count=None):
        shape = array.shape if count is None else (count, *array.shape[1:])
        head = struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape)
        path = tmp_path / name
        path.write_bytes(gzip.compress(head + array.tobytes()) if name.endswith(".gz") else head + array.tobytes())
        return path

    return write


def read(images, labels, **more):
    return from_idx(images, labels, key="t", title="T", licence="MIT", year=2020, **more)


def test_idx_files_plain_and_gzipped(idx):
    pixels = np.arange(2 * 4 * 4, dtype=np.uint8).reshape(2, 4, 4)
    for ending in ("", ".gz"):
        found = read(idx(f"images{ending}", pixels), idx(f"labels{ending}", np.array([3, 7], np.uint8)))
        assert (found.pixels[..., 0] * 255).round().astype(int).tolist() == pixels.tolist()
        assert found.labels == ("3", "7")


def test_bytes_become_the_nearest_float32():
    every = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(scaled(every), (every / 255).astype(np.float32))
    assert scaled(every).dtype == np.float32


def test_words_for_labels(idx):
    images, labels = idx("images", np.zeros((2, 4, 4), np.uint8)), idx("labels", np.array([1, 0], np.uint8))
    found = read(images, labels, classes=("cat", "dog"))
    assert (found.labels, found.names) == (("dog", "cat"), ("dog (0)", "cat (1)"))
    assert read(images, labels, classes=("cat", "dog"), limit=1).labels == ("dog",)
    with pytest.raises(DamagedFile, match="labels holds the label 1; T has labels 0 to 0"):
        read(images, labels, classes=("cat",))


def test_broken_idx_files_are_named(idx, tmp_path):
    good = idx("images", np.zeros((2, 4, 4), np.uint8))
    with pytest.raises(DamagedFile, match=r"images holds 2 pictures, labels 3 labels"):
        read(good, idx("labels", np.zeros(3, np.uint8)))
    with pytest.raises(DamagedFile, match="short is no whole idx file"):
        read(idx("short", np.zeros((2, 4, 4), np.uint8), count=9), good)
    (tmp_path / "text.gz").write_bytes(b"no gzip at all")
    with pytest.raises(DamagedFile, match=r"text\.gz is no whole idx file"):
        read(tmp_path / "text.gz", good)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_own_pictures_of_each_kind(kind):
    found = from_files([(f"a.{kind.lower()}", picture(kind))])
    assert found.pixels.shape == (1, 32, 32, 3)
    assert np.allclose(found.pixels.mean((0, 1, 2)), [200 / 255, 30 / 255, 30 / 255], atol=0.02)


def test_a_zip_gives_labels_from_folders_and_keeps_what_can_be_read():
    data = zipped({"cats/a.png": picture(), "dogs/a.png": picture(color=(0, 0, 250)), "notes.png": b"just text"})
    found = from_files([("all.zip", data)])
    assert found.labels == ("cats", "dogs")
    assert found.notes == ("'notes.png' is no PNG, JPEG or WebP picture, whatever its name says.",)


def test_names_in_a_zip_lead_nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = from_files([("all.zip", zipped({"../../evil.png": picture()}))])
    assert found.n == 1
    assert list(tmp_path.iterdir()) == []


def test_each_bad_file_gets_one_sentence_and_the_rest_loads():
    whole = picture(size=(60, 60))
    found = from_files([("good.png", whole), ("half.png", whole[: len(whole) // 2]), ("empty.png", b"")])
    assert found.names == ("good.png",)
    assert len(found.notes) == 2
    assert all(note.count(".") <= 2 for note in found.notes)


def test_the_same_name_twice_stays_unique():
    found = from_files([("a.png", picture()), ("a.png", picture(color=(1, 2, 3)))])
    assert len(set(found.names)) == 2


def test_nothing_to_read():
    with pytest.raises(InputError, match="There is no picture"):
        from_files([])
    with pytest.raises(InputError, match=r"'a\.png' is no PNG"):
        from_files([("a.png", b"text")])


def test_too_many_pixels_are_refused_before_they_are_decoded():
    with pytest.raises(InputError, match="at most 40 million are read"):
        from_files([("huge.png", picture(size=(8_000, 6_000), color=(0, 0, 0)))])


def test_too_many_files_and_a_bomb_are_refused():
    many = zipped({f"{i}.png": b"x" for i in range(2_001)})
    with pytest.raises(InputError, match="holds 2,001 files; at most 2,000"):
        from_files([("many.zip", many)])
    bomb = zipped({f"{i}.png": bytes(45 * 2**20) for i in range(6)})
    assert len(bomb) < 2**20
    with pytest.raises(InputError, match="would unpack to 270 MB"):
        from_files([("bomb.zip", bomb)])


def test_a_broken_zip_is_a_sentence():
    with pytest.raises(InputError, match=r"'all\.zip' is no whole zip file"):
        from_files([("all.zip", zipped({"a.png": picture()})[:60])])


# A person's own files, as they come


def saved(image: Image.Image, kind: str = "PNG", **more: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **more)
    return out.getvalue()


def middle(data: bytes) -> list[float]:
    found = from_files([("a", data)])
    assert found.notes == ()
    return found.pixels[0, 16, 16].round(2).tolist()


@pytest.mark.parametrize(
    ("data", "color"),
    [
        (saved(Image.new("RGBA", (40, 40), (255, 0, 0, 0))), [1, 1, 1]),
        (saved(Image.new("RGBA", (40, 40), (255, 0, 0, 128)), "WEBP", lossless=True), [1, 0.5, 0.5]),
        (saved(Image.new("LA", (40, 40), (0, 0))), [1, 1, 1]),
        (saved(Image.new("P", (40, 40)), transparency=0), [1, 1, 1]),
        (saved(Image.new("RGB", (40, 40), (1, 2, 3)), transparency=(1, 2, 3)), [1, 1, 1]),
        (saved(Image.new("P", (40, 40))), [0, 0, 0]),
        (saved(Image.new("1", (40, 40), 1)), [1, 1, 1]),
        (saved(Image.new("CMYK", (40, 40), (0, 255, 255, 0)), "JPEG"), [1, 0, 0]),
        (saved(Image.fromarray(np.full((40, 40), 32_768, np.uint16))), [0.5, 0.5, 0.5]),
        (saved(Image.new("L", (40, 40), 51)), [0.2, 0.2, 0.2]),
    ],
    ids=[
        "clear",
        "half clear",
        "clear gray",
        "clear palette",
        "clear color",
        "palette",
        "bits",
        "CMYK",
        "16 bits",
        "gray",
    ],
)
def test_every_kind_of_color_comes_out_as_it_is_seen_on_white(data: bytes, color: list[float]):
    assert middle(data) == pytest.approx(color, abs=0.011)


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
def test_of_an_animation_the_first_picture_is_taken(kind):
    red, blue = (Image.new("RGB", (40, 40), color) for color in ("red", "blue"))
    more = {"lossless": True} if kind == "WEBP" else {}
    assert middle(saved(red, kind, save_all=True, append_images=[blue], **more)) == [1, 0, 0]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_is_turned_as_its_camera_says(kind):
    lying = Image.new("RGB", (40, 60), "blue")
    lying.paste("red", (0, 0, 40, 30))
    exif = Image.Exif()
    exif[0x0112] = 6  # the top of what was recorded is the right of what was seen
    found = from_files([("a", saved(lying, kind, exif=exif, quality=95))])
    assert found.pixels[0, 16, 4].tolist() == pytest.approx([0, 0, 1], abs=0.03)
    assert found.pixels[0, 16, 28].tolist() == pytest.approx([1, 0, 0], abs=0.03)
    assert from_files([("a", saved(lying, kind, exif=b"Exif\0\0garbage!!"))]).n == 1


def test_names_are_shown_without_paths_and_signs_that_cannot_be_read():
    files = {
        "../../evil.png": picture(),
        "/etc/dogs/passwd.png": picture(),
        "a\\cats\\b\n\x1b[31m.png": picture(),
        "\u202egnp.png": picture(),
        "x" * 300 + ".png": picture(),
    }
    found = from_files([("all.zip", zipped(files))])
    assert found.labels == ("own", "dogs", "cats", "own", "own")
    assert found.names[:4] == ("evil.png", "etc/dogs/passwd.png", "a/cats/b??[31m.png", "?gnp.png")
    assert len(found.names[4]) == 60
    assert all(name.isprintable() for name in found.names)
    alone = from_files([("../../\ud800.png", picture())])
    assert alone.names == ("?.png",)
    assert alone.digest


def test_names_that_meet_stay_apart():
    found = from_files([(name, picture()) for name in ("a.png", "a.png", "a.png (2)", "a.png")])
    assert found.names == ("a.png", "a.png (3)", "a.png (2)", "a.png (4)")


def locked(data: bytes) -> bytes:
    """A zip whose entries say that they are encrypted."""
    changed = bytearray(data)
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = changed.find(mark)
        while start >= 0:
            changed[start + at] |= 1
            start = changed.find(mark, start + 4)
    return bytes(changed)


def test_what_cannot_be_unpacked_is_said_and_the_rest_loads():
    good = ("good.png", picture())
    found = from_files([("locked.zip", locked(zipped({"a.png": picture(), "b.png": picture()}))), good])
    assert found.names == ("good.png",)
    assert found.notes[0] == "'a.png' in 'locked.zip' is locked with a password; unpack it first."
    assert len(found.notes) == 2
    broken = bytearray(zipped({"a.png": picture(), "b.png": picture(color=(1, 2, 3))}))
    broken[45] ^= 0xFF  # in the packed bytes of the first
    found = from_files([("all.zip", bytes(broken))])
    assert found.names == ("b.png",)
    assert found.notes[0].startswith("'a.png' in 'all.zip' cannot be unpacked: ")
    found = from_files([("outer.zip", zipped({"inner.zip": zipped({"a.png": picture()}), "b.png": picture()}))])
    assert found.names == ("b.png",)
    assert found.notes == ("'inner.zip' is no PNG, JPEG or WebP picture, whatever its name says.",)


def test_what_a_system_puts_into_zips_is_passed_over():
    found = from_files([("all.zip", zipped({"__MACOSX/._a.png": b"x", "cats/.DS_Store": b"x", "a.png": picture()}))])
    assert (found.names, found.notes) == (("a.png",), ())
    with pytest.raises(InputError, match="There is no picture"):
        from_files([("empty.zip", zipped({}))])


def test_a_zip_of_very_many_files_is_refused_before_they_are_listed(monkeypatch):
    with pytest.raises(InputError, match="holds 3,000 files; at most 2,000"):
        from_files([("many.zip", zipped({f"{i}": b"" for i in range(3_000)}))])
    many = zipped({f"{i}": b"" for i in range(9_000)})
    monkeypatch.setattr(zipfile, "ZipFile", None)
    with pytest.raises(InputError, match="holds 9,000 files; at most 2,000"):
        from_files([("many.zip", many)])
    with pytest.raises(InputError, match="more than 2,000 files"):
        from_files([("a.png", b"x")] * 2_001)


def test_too_many_bytes_are_refused(monkeypatch):
    monkeypatch.setattr(pictures, "MOST_BYTES", 2**20)
    with pytest.raises(InputError, match="larger than 1 MB together"):
        from_files([("a.png", bytes(2**19)), ("b.png", bytes(2**19 + 1))])
    with pytest.raises(InputError, match="larger than 1 MB together"):
        from_files([("all.zip", zipped({"a.png": picture(), "b.png": bytes(2**20)}))])


def huge(width: int, height: int) -> bytes:
    """A PNG that promises so many pixels and holds a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("size", "says"),
    [
        ((6_000, 7_000), "'huge.png' has 6000 x 7000 pixels; at most 40 million are read"),
        ((10_000, 10_000), "at most 40 million are read"),  # Pillow warns
        ((2**31 - 1, 2**31 - 1), "at most 40 million are read"),  # Pillow refuses
        ((5_000, 5_000), "'huge.png' is broken"),
        ((0, 5), "'huge.png' is"),
    ],
)
def test_a_few_bytes_that_promise_a_huge_picture(size, says):
    found = from_files([("huge.png", huge(*size)), ("good.png", picture())])
    assert found.names == ("good.png",)
    assert len(found.notes) == 1
    assert says in found.notes[0]


@pytest.mark.parametrize("error", [struct.error("unpack"), KeyError(3), TypeError("none"), MemoryError(), OSError()])
def test_whatever_a_reader_raises_is_a_sentence(monkeypatch, error):
    def load(self: Image.Image) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(PngImageFile, "load", load)
        found = from_files([("broken.png", picture()), ("good.jpg", picture("JPEG"))])
    assert found.names == ("good.jpg",)
    assert len(found.notes) == 1
    assert found.notes[0].startswith("'broken.png' is broken: ")


def test_all_pictures_together_have_a_limit_too(monkeypatch):
    monkeypatch.setattr(pictures, "MOST_PIXELS_TOGETHER", 3_000_000)
    found = from_files([(f"{i}.png", picture(size=(1_000, 1_000))) for i in range(5)])
    assert found.n == 3
    assert found.notes[0] == "'3.png' is left out: 3 million pixels are read at once."
    with pytest.raises(InputError, match="a side of 1 to 256 pixels, not 0"):
        from_files([("a.png", picture())], side=0)


SEEDS = (
    picture(),
    picture("JPEG"),
    picture("WEBP"),
    saved(Image.new("P", (9, 9)), transparency=0),
    zipped({"a/b.png": picture(size=(9, 9)), "c.png": picture("JPEG", size=(9, 9))}),
    b"PK\x03\x04",
    b"PK\x05\x06" + bytes(18),
    b"",
)


@st.composite
def harmed(draw: st.DrawFn) -> bytes:
    """Bytes of a good file with some changed, cut off, doubled or put in."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for at, value in draw(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=6)):
        if data:
            data[at % len(data)] = value
    cut = draw(st.integers(0, len(data)))
    return bytes(data[:cut] + draw(st.binary(max_size=20)) + data[draw(st.sampled_from((0, cut, len(data)))) :])


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=30), st.one_of(st.binary(max_size=200), harmed())), max_size=3))
def test_any_bytes_give_pictures_or_a_sentence(files):
    with warnings.catch_warnings(), suppress(InputError):
        warnings.simplefilter("ignore")  # as in the app, where what Pillow warns of goes on
        check(from_files(files))


def check(found: Pictures) -> None:
    assert found.pixels.dtype == np.float32
    assert found.pixels.shape[1:] == (32, 32, 3)
    assert 0 <= found.pixels.min() <= found.pixels.max() <= 1
    assert len(set(found.names)) == found.n == len(found.labels)
    assert found.digest
    assert all(text.isprintable() for text in (*found.names, *found.labels, *found.notes))


# One picture to be searched


def on_paper(ink: np.ndarray, place: tuple[int, int] = (150, 40)) -> bytes:
    """A photo: dark ink, ten times as large, somewhere on paper that is not quite white and lit from one side."""
    sheet = np.zeros((500, 700))
    large = np.kron(ink, np.ones((10, 10)))
    sheet[place[0] : place[0] + large.shape[0], place[1] : place[1] + large.shape[1]] = large
    seen = 0.9 - 0.7 * sheet - np.linspace(0, 0.1, 700)
    return saved(Image.fromarray((seen * 255).astype(np.uint8)).convert("RGB"), "JPEG", quality=90)


def set_of(pixels: np.ndarray) -> Pictures:
    found = digits()
    return replace(found, pixels=pixels.astype(np.float32), labels=found.labels[: len(pixels)])


def test_a_photo_of_a_digit_is_found_among_the_digits():
    """Cut out, inverted and centered it is nearest to the digit it was made of, or to one like it."""
    found = digits()
    unit = found.flat / np.linalg.norm(found.flat, axis=1, keepdims=True)
    right = 0
    for row in range(100):
        data = on_paper(found.pixels[row, ..., 0], place=(20 + row, 3 * row))
        seen = as_picture(data, "photo.jpg", found)
        assert seen.shape == (1, 8, 8, 1)
        assert seen.dtype == np.float32
        right += found.labels[int((unit @ seen.ravel()).argmax())] == found.labels[row]
    assert right >= 95
    plain = as_picture(on_paper(found.pixels[0, ..., 0]), "photo.jpg", found, invert=False)
    turned = as_picture(on_paper(found.pixels[0, ..., 0]), "photo.jpg", found, invert=True)
    np.testing.assert_array_equal(turned, as_picture(on_paper(found.pixels[0, ..., 0]), "photo.jpg", found))
    assert np.abs(plain - turned).max() > 0.5


def test_the_ink_gets_the_size_of_the_set_and_its_mass_the_middle():
    """A set of bars of 20 x 4 in frames of 28 x 28, and a bar of 200 x 40 in a corner of a page."""
    like = np.zeros((5, 28, 28, 1))
    like[:, 4:24, 12:16] = 1
    found = as_picture(on_paper(np.ones((20, 4)), place=(0 + 5, 0 + 5)), "bar.jpg", set_of(like))[0, ..., 0]
    np.testing.assert_allclose(found, like[0, ..., 0], atol=0.25)
    np.testing.assert_allclose(found.sum(), 80, rtol=0.1)


def test_a_picture_of_the_set_itself_is_taken_as_it_is():
    pixels = np.zeros((4, 28, 28, 1))
    pixels[:, 3:9, 4:8] = np.random.default_rng(0).integers(100, 256, (4, 6, 4, 1)) / 255  # not in the middle
    data = saved(Image.fromarray((pixels[2, ..., 0] * 255).round().astype(np.uint8)))
    np.testing.assert_allclose(as_picture(data, "own.png", set_of(pixels))[0], pixels[2], atol=1e-6)


def test_a_picture_in_color_keeps_its_middle_and_its_colors():
    wide = Image.new("RGB", (90, 30), "blue")
    wide.paste("red", (30, 0, 60, 30))
    like = shapes(5)
    found = as_picture(saved(wide), "wide.png", like)
    assert found.shape == (1, 32, 32, 3)
    assert found[0, 16, 16].tolist() == [1, 0, 0]
    assert found[0, 16, 2].tolist() == pytest.approx([1, 0, 0], abs=0.05)
    np.testing.assert_allclose(as_picture(saved(wide), "wide.png", like, invert=True), 1 - found)


def test_a_set_on_a_light_ground_gets_a_light_ground():
    light = set_of(1 - digits().pixels[:50])
    dark_page = saved(Image.new("L", (60, 60), 10))
    assert as_picture(dark_page, "a.png", light).mean() > 0.9
    assert as_picture(dark_page, "a.png", light, invert=False).mean() < 0.1


@pytest.mark.parametrize(
    "image", [Image.new("L", (1, 1)), Image.new("L", (3_000, 1), 9), Image.new("RGB", (40, 40), "white")]
)
def test_an_empty_page_is_no_error(image):
    for like in (digits(), shapes(5), set_of(1 - digits().pixels[:5]), set_of(np.zeros((3, 28, 28, 1)))):
        found = as_picture(saved(image), "empty.png", like)
        assert found.shape == (1, *like.pixels.shape[1:])
        assert np.isfinite(found).all()
        assert np.ptp(found) < 1e-3


def test_what_is_no_picture_to_search_is_a_sentence():
    with pytest.raises(InputError, match=r"^'evil\.png' is no PNG, JPEG or WebP picture"):
        as_picture(b"text", "../../evil.png", digits())
    with pytest.raises(InputError, match="at most 40 million"):
        as_picture(huge(10_000, 10_000), "huge.png", digits())
