"""Any bytes under any name give an Opened or an EmbedkitError: never another exception, never a hang."""

import io
import random
import zipfile
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from embedkit.encoders import transformer
from embedkit.errors import EmbedkitError
from embedkit.files import FORMATS, Limits, Opened, open_files, space_bytes
from embedkit.space import Space

SUFFIXES = sorted(
    {end for row in FORMATS.values() for end in row.suffixes} | {"", ".gz", ".pkl", ".pt", ".xlsx", ".exe"}
)
SMALL = Limits("in this test", 2**24, most_entries=50, most_texts=20)
QUICK = settings(
    max_examples=150,
    deadline=timedelta(seconds=5),
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture(autouse=True, scope="module")
def no_model() -> "object":
    """Texts get four numbers each by their length: the model itself reads any text, and takes its time."""

    class Stub:
        def pooled(self, texts: Sequence[str]) -> np.ndarray:
            return np.array([[len(text), 1, 2, 3] for text in texts], np.float32)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transformer, "load_transformer", Stub)
        yield


def opens(*files: tuple[str, bytes]) -> Opened | None:
    """What was opened, whole; None after an error for the person, which is one or two sentences."""
    try:
        found = open_files(files, limits=SMALL)
    except EmbedkitError as error:
        told = str(error)
    else:
        return whole(found)
    assert 5 < len(told) < 900, told
    assert told.isprintable() or "\n    " in told, told
    return None


def whole(found: Opened) -> Opened:
    """The same, looked at."""
    assert found.format in FORMATS
    assert found.said
    assert all(text[-1] in ".!?" for text in found.said), found.said
    assert len(found.space.meta) == found.space.n >= 1
    assert found.images is None or (len(found.images) == found.space.n and found.images.dtype == np.uint8)
    return found


@lru_cache(maxsize=1)
def valid() -> dict[str, bytes]:
    """A small file of each format, by its name."""
    rng = np.random.default_rng(0)
    items = (*(f"word{i}" for i in range(11)), "naïve")
    meta = pd.DataFrame({"kind": list("abc" * 4), "year": np.arange(12)})
    space = Space("k", "t", items, rng.normal(size=(12, 3)).astype(np.float32), meta)
    found = {
        f"{key}{end}": data for key in FORMATS if FORMATS[key].write for end, data in space_bytes(space, key).items()
    }
    packed = io.BytesIO()
    pd.DataFrame({"v": list(space.vectors), "t": items}).to_parquet(packed)
    found["pandas.parquet"] = packed.getvalue()
    packed = io.BytesIO()
    space.meta.assign(a=1.5, b=2.5).to_feather(packed, compression="zstd")
    found["packed.feather"] = packed.getvalue()
    picture = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (12, 16, 3), np.uint8)).save(picture, "png")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/one.png", picture.getvalue())
        archive.writestr("b/two.png", picture.getvalue())
    found["pictures.zip"] = packed.getvalue()
    packed = io.BytesIO()
    np.savez_compressed(packed, vectors=space.vectors, names=np.array(items))
    found["packed.npz"] = packed.getvalue()
    records = np.array([(1, 2.5, "x"), (2, 3.5, "y")], [("a", "i4"), ("b", "f8"), ("c", "U3")])
    packed = io.BytesIO()
    np.save(packed, records)
    found["records.npy"] = packed.getvalue()
    found["written.csv"] = b'text,emb\none,"[0.1, 0.2]"\ntwo,"[0.3, 0.4]"\n'
    found["texts.txt"] = b"a first text\nand a second\n"
    entry = '{"tensorName": "T", "tensorShape": [12, 3], "tensorPath": "x/raw.bytes", "metadataPath": "l.tsv"}'
    config = f'{{"embeddings": [{entry}]}}'
    found["config.json"] = config.encode()
    return found


@QUICK
@given(st.binary(max_size=400), st.sampled_from(SUFFIXES))
def test_any_bytes_under_any_name(data: bytes, suffix: str) -> None:
    opens((f"x{suffix}", data))


TEXT = st.text(alphabet=st.sampled_from("01.,;\t \n\r\"'-[]{}:ea#|\u00e9\ufeffNin"), max_size=300)


@QUICK
@given(TEXT, st.sampled_from(SUFFIXES))
def test_any_text_of_signs_that_tables_use(text: str, suffix: str) -> None:
    opens((f"x{suffix}", text.encode()))


MAGIC = [
    *(b"PAR1", b"ARROW1\0\0", b"\x93NUMPY\x01\0", b"\x93NUMPY\x03\0v\0", b"PK\x03\x04", b"\x1f\x8b\x08\0", b"3 4\n"),
    *(b"2 2\nx ", b"\x10\0\0\0\0\0\0\0{", b"\xff\xff\xff\xff", b"\x80\x04", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"),
    b'{"embeddings": [{"tensorPath": "',
]


@QUICK
@given(st.sampled_from(MAGIC), st.binary(max_size=200), st.sampled_from(SUFFIXES))
def test_any_bytes_after_the_first_ones_of_a_format(magic: bytes, data: bytes, suffix: str) -> None:
    opens((f"x{suffix}", magic + data))


def cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def flipped(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def spliced(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + rng.choice([b"\0" * 9, b"\xff" * 9, b"nan", b"\n", b'"', data[: rng.randrange(60)]]) + data[at:]


@settings(QUICK, max_examples=500)
@given(st.data())
def test_damaged_files(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(valid())))
    change: Callable[[bytes, random.Random], bytes] = data.draw(st.sampled_from([cut, flipped, spliced]))
    changed = change(valid()[name], random.Random(data.draw(st.integers(0, 10**6))))
    other = data.draw(st.sampled_from([name, name, name, "x" + Path(data.draw(st.sampled_from(SUFFIXES))).suffix]))
    opens((other, changed))


@settings(QUICK, max_examples=100)
@given(st.lists(st.sampled_from(sorted(valid())), min_size=2, max_size=3, unique=True), st.integers(0, 10**6))
def test_files_that_do_not_belong_together(names: list[str], seed: int) -> None:
    rng = random.Random(seed)
    opens(*((name, flipped(valid()[name], rng) if rng.random() < 0.4 else valid()[name]) for name in names))


def test_the_valid_ones_open() -> None:
    for name, data in valid().items():
        if name != "config.json":
            assert opens((name, data)) is not None or name.endswith(".tsv"), name
