"""Pictures from the library, drawn by rule, from idx files and from a person."""

import gzip
import io
import struct
import zipfile

import numpy as np
import pytest
from PIL import Image

from embedkit.errors import DamagedFile, InputError
from embedkit.sources.pictures import KINDS, PAINTS, digits, from_files, from_idx, shapes


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
