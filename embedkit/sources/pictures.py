"""Pictures: scikit-learn's digits, shapes drawn by rule, idx files, and a person's own; all as numbers from 0 to 1."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import io
import math
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import DamagedFile, InputError
from embedkit.space import Vectors

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image

__all__ = ["Pictures", "as_picture", "digit_factors", "digits", "from_files", "from_idx", "scaled", "shapes"]

SIDE = 32  # own pictures are brought to 32 x 32
MOST_FILES, MOST_BYTES = 2_000, 50 * 2**20
MOST_PIXELS = 40_000_000  # of one picture when decoded: 160 MB
MOST_PIXELS_TOGETHER = 1_000_000_000  # some 20 seconds; 50 MB of photos have a fifth of that
MOST_IDX = 2**28  # bytes of one idx file, four times MNIST: a gigabyte as float32


@dataclass(frozen=True, eq=False)
class Pictures:
    """n pictures of one size: `pixels` float32 (n, height, width, channels) in 0..1, read-only, with a `label` each.

    `factors` is a table of what is known of each picture besides its label; `simulated` is the rule that drew them, ""
    for real ones; `notes` are sentences about what did not fit and was left out.
    """

    key: str
    title: str
    pixels: Vectors
    labels: tuple[str, ...]
    names: tuple[str, ...]
    factors: pd.DataFrame
    licence: str
    year: int
    simulated: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.pixels.flags.writeable = False

    @property
    def n(self) -> int:
        """Number of pictures."""
        return len(self.pixels)

    @cached_property
    def flat(self) -> Vectors:
        """The pixels as rows: (n, height x width x channels)."""
        return self.pixels.reshape(self.n, -1)

    @cached_property
    def digest(self) -> str:
        """A hash of pixels and labels, for keys."""
        found = hashlib.blake2b(np.ascontiguousarray(self.pixels).data, digest_size=12)
        found.update("\0".join(self.labels).encode())
        return found.hexdigest()

    @property
    def classes(self) -> tuple[str, ...]:
        """The different labels, sorted."""
        return tuple(sorted(set(self.labels)))

    def split(self, share: float = 0.25, seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows to train on and rows held out, sorted; the held-out part is `share` of all."""
        order = np.random.default_rng(seed).permutation(self.n)
        held = max(1, round(share * self.n))
        return np.sort(order[held:]), np.sort(order[:held])


@lru_cache(maxsize=1)
def digits() -> Pictures:
    """The 1,797 handwritten digits of scikit-learn, 8 x 8 (Alpaydin and Kaynak 1998, UCI)."""
    rows = np.loadtxt(_digits_file(), delimiter=",", dtype=np.float32)
    targets = rows[:, 64].astype(np.int64)
    labels = tuple(str(t) for t in targets)
    pixels = (rows[:, :64] / 16).reshape(-1, 8, 8, 1)
    factors = digit_factors(targets)
    return Pictures("digits", "Handwritten digits", pixels, labels, _names(labels), factors, "CC BY 4.0", 1998)


def _digits_file() -> Path:
    """The file that sklearn.datasets.load_digits reads; importing it for that takes a second of a page's first."""
    spec = importlib.util.find_spec("sklearn")
    path = Path(spec.origin or "").parent / "datasets" / "data" / "digits.csv.gz" if spec else Path()
    if not path.is_file():
        raise DamagedFile("scikit-learn's digits are not there. Install it again: make run")
    return path


def digit_factors(targets: NDArray[Any]) -> pd.DataFrame:
    """What is known of digits 0 to 9: whether even, whether drawn with a loop, and the digit itself."""
    import pandas as pd

    return pd.DataFrame({"even": targets % 2 == 0, "has a loop": np.isin(targets, [0, 6, 8, 9]), "digit": targets})


def _names(labels: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{label} ({i})" for i, label in enumerate(labels))


KINDS = ("circle", "square", "triangle", "star")
PAINTS = {"red": (0.86, 0.22, 0.15), "green": (0.1, 0.6, 0.3), "blue": (0.1, 0.35, 0.85), "yellow": (0.95, 0.8, 0.15)}
SIZES = {"small": 5.0, "medium": 7.5, "large": 10.0}
RULE = (
    "Drawn by rule: kind, color, size, place and angle of one shape on a light ground are drawn independently and "
    "evenly; the outline is smoothed over one pixel."
)


def shapes(n: int = 1_200, seed: int = 0) -> Pictures:
    """Shapes drawn by rule, 32 x 32 in color, with their true factors: kind, color, size, place (x, y), angle."""
    import pandas as pd

    if not 1 <= n <= 20_000:
        raise InputError(f"Between 1 and 20,000 shapes can be drawn, not {n:,}.")
    rng = np.random.default_rng(seed)
    kinds, paints, sizes = (rng.integers(0, len(of), n) for of in (KINDS, PAINTS, SIZES))
    x, y = rng.uniform(9, 23, (2, n))
    angle = rng.uniform(0, 360, n)
    pixels = np.empty((n, SIDE, SIDE, 3), np.float32)
    for i in range(n):
        inside = _inside(KINDS[kinds[i]], x[i], y[i], list(SIZES.values())[sizes[i]], math.radians(angle[i]))
        paint = np.array(list(PAINTS.values())[paints[i]])
        pixels[i] = 0.94 * (1 - inside[..., None]) + paint * inside[..., None]
    columns = {
        "kind": [KINDS[i] for i in kinds],
        "color": [list(PAINTS)[i] for i in paints],
        "size": [list(SIZES)[i] for i in sizes],
        "x": x.round(2),
        "y": y.round(2),
        "angle": angle.round(1),
    }
    factors = pd.DataFrame(columns)
    labels = tuple(columns["kind"])
    names = tuple(f"{c} {k} ({i})" for i, (c, k) in enumerate(zip(columns["color"], columns["kind"], strict=True)))
    return Pictures(f"shapes/{n}/{seed}", "Shapes drawn by rule", pixels, labels, names, factors, "own", 2026, RULE)


def _inside(kind: str, x: float, y: float, radius: float, angle: float) -> Vectors:
    """How much of each pixel lies in the shape, 0 to 1: (32, 32)."""
    v, u = np.mgrid[0:SIDE, 0:SIDE].astype(np.float64)
    u, v = u - x, v - y
    a = u * math.cos(angle) + v * math.sin(angle)
    b = -u * math.sin(angle) + v * math.cos(angle)
    if kind == "circle":
        edge = radius - np.hypot(a, b)
    elif kind == "square":
        edge = radius * 0.85 - np.maximum(np.abs(a), np.abs(b))
    else:
        turn = np.arctan2(b, a)
        points = 3 if kind == "triangle" else 5
        sector = (turn + np.pi / points) % (2 * np.pi / points) - np.pi / points
        if kind == "triangle":
            edge = radius * 0.6 - np.hypot(a, b) * np.cos(sector)
        else:
            edge = radius * (0.72 + 0.38 * np.cos(points * turn)) - np.hypot(a, b)
    return np.asarray(np.clip(edge + 0.5, 0, 1))


def from_idx(
    images: Path,
    labels: Path,
    *,
    key: str,
    title: str,
    licence: str,
    year: int,
    limit: int = 0,
    classes: Sequence[str] = (),
) -> Pictures:
    """Pictures in the idx format of MNIST, gzipped or plain, the first `limit` (0: all). Nothing is unpickled.

    `classes` are words for the labels 0, 1, ...; without them the numbers are the labels. Raises DamagedFile.
    """
    import pandas as pd

    (pixels, count), (targets, labeled) = _idx(images, 3, limit), _idx(labels, 1, limit)
    if count != labeled:
        raise DamagedFile(f"{images.name} holds {count:,} pictures, {labels.name} {labeled:,} labels.")
    if classes and targets.max() >= len(classes):
        raise DamagedFile(f"{labels.name} holds the label {targets.max()}; {title} has labels 0 to {len(classes) - 1}.")
    names = tuple(classes[t] if classes else str(t) for t in targets)
    table = pd.DataFrame({"label": names if classes else targets})
    return Pictures(f"{key}/{len(names)}", title, scaled(pixels)[..., None], names, _names(names), table, licence, year)


def scaled(pixels: NDArray[np.uint8]) -> Vectors:
    """Bytes 0..255 as float32 0..1 of the same shape, without a float64 copy in between."""
    return np.divide(pixels, np.float32(255), dtype=np.float32)


def _idx(path: Path, dims: int, limit: int) -> tuple[NDArray[np.uint8], int]:
    """The first `limit` entries of an idx file of `dims` dimensions, and how many it says it holds."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            head = file.read(4 + 4 * dims)
            zero, kind, found = struct.unpack(">HBB", head[:4])
            if zero or kind != 8:
                raise ValueError("it does not hold bytes in the idx format")
            if found != dims:
                raise ValueError(f"it has {found} dimensions, not {dims}")
            shape = struct.unpack(f">{dims}I", head[4:])
            count = min(limit or shape[0], shape[0])
            size = count * math.prod(shape[1:])
            if not 0 < size <= MOST_IDX:
                raise ValueError(f"it promises {size:,} bytes; 1 to {MOST_IDX:,} can be read")
            data = file.read(size)
            if len(data) < size or (count == shape[0] and file.read(1)):  # that byte is past the end, so gzip's sum too
                raise ValueError(f"it promises {size:,} bytes and holds {'fewer' if len(data) < size else 'more'}")
            return np.frombuffer(data, np.uint8).reshape(count, *shape[1:]), shape[0]
    except (OSError, EOFError, zlib.error, struct.error, ValueError) as error:
        raise DamagedFile(f"{path.name} is no whole idx file: {error}") from error


def from_files(files: Iterable[tuple[str, bytes]], side: int = SIDE) -> Pictures:
    """A person's own pictures (PNG, JPEG, WebP), or zips of them, each brought to `side` x `side` pixels.

    Of each the square in the middle is taken: upright as its EXIF says, a transparent ground laid on white, of an
    animation the first frame. What cannot be read is named in `notes`, one sentence each, and the rest is kept. The
    folder of a file in a zip is its label. Raises InputError when nothing is left, or for more than 2,000 files or
    50 MB.
    """
    import pandas as pd

    if not 1 <= side <= 256:
        raise InputError(f"Pictures are brought to a side of 1 to 256 pixels, not {side:,}.")
    kept: list[tuple[str, str, Vectors]] = []
    notes: list[str] = []
    left = MOST_PIXELS_TOGETHER
    for name, data in _members(list(files), notes):
        try:
            with _upright(name, data, left) as image:
                left -= image.width * image.height
                kept.append((name, _folder(name), np.asarray(_fitted(image, side, side), np.float32) / 255))
        except InputError as error:
            notes.append(str(error))
    if not kept:
        raise InputError(" ".join(notes[:3]) or "There is no picture. Give PNG, JPEG or WebP files, or a zip of them.")
    names = _unique([name for name, _, _ in kept])
    pixels = np.stack([picture for *_, picture in kept])
    labels = tuple(label for _, label, _ in kept)
    digest = hashlib.blake2b(pixels.data, digest_size=8).hexdigest()
    table = pd.DataFrame({"file": names})
    return Pictures(f"own/{digest}", "Own pictures", pixels, labels, names, table, "yours", 0, "", tuple(notes))


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    used: dict[str, None] = {}
    taken = set(names)
    for name in names:
        fresh, n = name, 1
        while fresh in used or (n > 1 and fresh in taken):
            n += 1
            fresh = f"{name} ({n})"
        used[fresh] = None
    return tuple(used)


def _plain(name: str) -> str:
    """A name to show: its folders without "..", each part printable and of bounded length."""
    parts = [part for part in name.replace("\\", "/").split("/") if part.strip(". ")]
    return "/".join("".join(c if c.isprintable() else "?" for c in part)[-60:] for part in parts[-3:]) or "unnamed"


def _folder(name: str) -> str:
    return name.split("/")[-2] if "/" in name else "own"


def _members(files: list[tuple[str, bytes]], notes: list[str]) -> Iterator[tuple[str, bytes]]:
    """The files themselves, zips opened; no path of an archive is followed, its names are only names."""
    if sum(len(data) for _, data in files) > MOST_BYTES:
        raise InputError(f"The pictures are larger than {MOST_BYTES // 2**20} MB together; give fewer.")
    count, size = 0, 0
    for given, data in files:
        members = _unzipped(_last(given), data, notes) if data[:2] == b"PK" else iter([(_last(given), data)])
        for name, content in members:
            count, size = count + 1, size + len(content)
            if count > MOST_FILES:
                raise InputError(f"These are more than {MOST_FILES:,} files; give fewer at once.")
            if size > MOST_BYTES:
                raise InputError(f"The pictures are larger than {MOST_BYTES // 2**20} MB together; give fewer.")
            yield name, content


def _last(name: str) -> str:
    return _plain(name).split("/")[-1]


def _unzipped(name: str, data: bytes, notes: list[str]) -> Iterator[tuple[str, bytes]]:
    # the marks are counted before a list of a million entries is built from them
    if (count := data.count(b"PK\1\2")) > 4 * MOST_FILES:
        raise InputError(f"'{name}' holds {count:,} files; at most {MOST_FILES:,} can be read.")
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except Exception as error:  # a broken list of files raises many kinds: BadZipFile, struct.error, UnicodeDecodeError
        notes.append(f"'{name}' is no whole zip file: {_reason(error)}.")
        return
    with archive:
        entries = [e for e in archive.infolist() if not e.is_dir() and not _hidden(e.filename)]
        if len(entries) > MOST_FILES:
            raise InputError(f"'{name}' holds {len(entries):,} files; at most {MOST_FILES:,} can be read.")
        if (size := sum(entry.file_size for entry in entries)) > 4 * MOST_BYTES:
            most = 4 * MOST_BYTES // 2**20
            raise InputError(f"'{name}' would unpack to {size / 2**20:,.0f} MB; at most {most} MB are read.")
        for entry in entries:
            if entry.flag_bits & 1:
                notes.append(f"'{_last(entry.filename)}' in '{name}' is locked with a password; unpack it first.")
                continue
            try:
                with archive.open(entry) as file:  # the stated size may lie: read one byte more than allowed
                    content = file.read(MOST_BYTES + 1)
            except Exception as error:  # broken content raises many kinds: BadZipFile, zlib.error, NotImplementedError
                notes.append(f"'{_last(entry.filename)}' in '{name}' cannot be unpacked: {_reason(error)}.")
                continue
            yield _plain(entry.filename), content


def _hidden(path: str) -> bool:
    """What an operating system puts into zips of its own: __MACOSX/, .DS_Store."""
    return path.startswith("__MACOSX") or path.rsplit("/", 1)[-1].startswith(".")


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())[:80].rstrip(".")
    return "".join(c if c.isprintable() else "?" for c in text) or type(error).__name__


def _upright(name: str, data: bytes, most: int = MOST_PIXELS_TOGETHER) -> Image.Image:
    """One picture as RGB, turned as its EXIF says, a transparent ground laid on white; InputError in one sentence."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    short = _last(name)
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                raise InputError(
                    f"'{short}' has {width} x {height} pixels; at most {MOST_PIXELS // 10**6} million are read."
                )
            if width * height > most:
                millions = MOST_PIXELS_TOGETHER // 10**6
                raise InputError(f"'{short}' is left out: {millions:,} million pixels are read at once.")
            image.load()
            turned: Image.Image = image
            with suppress(Exception):  # a broken EXIF block raises many kinds; the picture itself can be read
                turned = ImageOps.exif_transpose(image)
            return _on_white(turned)
    except UnidentifiedImageError:
        raise InputError(f"'{short}' is no PNG, JPEG or WebP picture, whatever its name says.") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InputError(f"'{short}' has too many pixels; at most {MOST_PIXELS // 10**6} million are read.") from None
    except InputError:
        raise
    except Exception as error:  # Pillow's readers raise many kinds on broken bytes: struct.error, KeyError, TypeError
        raise InputError(f"'{short}' is broken: {_reason(error)}.") from None


def _on_white(image: Image.Image) -> Image.Image:
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits of gray, which convert() would cut off at 255
        return Image.fromarray((np.asarray(image, np.uint32) >> 8).astype(np.uint8)).convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    clear = image.convert("RGBA")
    white = Image.new("RGBA", clear.size, "white")
    return Image.alpha_composite(white, clear).convert("RGB")


def _fitted(image: Image.Image, height: int, width: int) -> Image.Image:
    """The middle of a picture that has these proportions, at this size."""
    from PIL import Image, ImageOps

    return ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)


INK = 0.3  # of the way from the ground to the brightest: above it is ink
SHOWN = 500  # pictures of a set that tell its ground and the size of its things


def as_picture(data: bytes, name: str, like: Pictures, *, invert: bool | None = None) -> Vectors:
    """One picture (PNG, JPEG, WebP), prepared to be searched among `like`: float32 (1, height, width, channels), 0..1.

    In color: the middle of the picture at the size of `like`, inverted only where `invert` is True. In gray: luminance,
    by default (None) inverted when the border of one is light and that of the other dark, as a photo of dark ink on
    white paper is among digits. Where the ground of `like` is dark, the ground is then brought to 0 and the brightest
    to 1, and the ink is cut out, scaled to the usual size of things in `like`, and its center of mass put in the middle
    as far as it stays whole (LeCun et al. 1998, for MNIST). A gray picture that has the size of `like` already, and is
    not inverted, is taken as it is. Raises InputError in one sentence.
    """
    _, height, width, channels = like.pixels.shape
    with _upright(name, data) as image:
        if channels == 3:
            fitted = np.asarray(_fitted(image, height, width), np.float32)[None] / 255
            return 1 - fitted if invert else fitted
        asis = image.size == (width, height)
        gray = image.convert("L")
    gray.thumbnail((512, 512))  # what follows looks at each pixel several times
    values = np.asarray(gray, np.float32) / 255
    dark = _ground(like.pixels[:SHOWN, ..., 0]) < 0.5
    if turned := (_ground(values[None]) < 0.5) != dark if invert is None else invert:
        values = 1 - values
    if asis and not turned:
        return values[None, ..., None]
    shown = _centered(values, like.pixels[:SHOWN, ..., 0]) if dark else _resized(values, height, width)
    return shown[None, ..., None]


def _ground(pictures: Vectors) -> float:
    """The median of the outermost pixels of (n, height, width)."""
    edges = [pictures[:, 0], pictures[:, -1], pictures[:, :, 0], pictures[:, :, -1]]
    return float(np.median(np.concatenate([edge.ravel() for edge in edges])))


def _box(picture: Vectors) -> tuple[slice, slice] | None:
    """Rows and columns that hold ink in (height, width); None without any."""
    rows, columns = (np.flatnonzero((picture > INK).any(axis)) for axis in (1, 0))
    return (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)) if len(rows) else None


def _centered(values: Vectors, like: Vectors) -> Vectors:
    """Ink on a dark ground, as large as that of (n, height, width) and in its middle: (height, width)."""
    _, height, width = like.shape
    ground = _ground(values[None])
    bright = float(np.quantile(values, 0.999)) - ground
    values = np.clip((values - ground) / bright, 0, 1) if bright > 0.1 else values  # else: nothing is drawn on it
    box = _box(values) if bright > 0.1 else None
    if box is None:
        return _resized(values, height, width)
    usual = [max(b[0].stop - b[0].start, b[1].stop - b[1].start) for b in map(_box, like) if b]
    ink = values[box]
    scale = (float(np.median(usual)) if usual else min(height, width)) / max(ink.shape)
    high, wide = (max(1, min(most, round(n * scale))) for n, most in zip(ink.shape, (height, width), strict=True))
    ink = _resized(ink, high, wide)
    mass = np.maximum(ink, 1e-6)
    middle_y = float((mass.sum(1) * (np.arange(high) + 0.5)).sum() / mass.sum())
    middle_x = float((mass.sum(0) * (np.arange(wide) + 0.5)).sum() / mass.sum())
    top = min(max(round(height / 2 - middle_y), 0), height - high)
    left = min(max(round(width / 2 - middle_x), 0), width - wide)
    shown = np.zeros((height, width), np.float32)
    shown[top : top + high, left : left + wide] = ink
    return shown


def _resized(values: Vectors, height: int, width: int) -> Vectors:
    from PIL import Image

    small = Image.fromarray(np.ascontiguousarray(values, np.float32)).resize((width, height), Image.Resampling.LANCZOS)
    return np.clip(np.asarray(small, np.float32), 0, 1)
