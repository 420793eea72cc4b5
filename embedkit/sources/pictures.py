"""Pictures: scikit-learn's digits, shapes drawn by rule, idx files, and a person's own; all as numbers from 0 to 1."""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import struct
import zipfile
import zlib
from collections.abc import Iterable, Sequence
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

__all__ = ["Pictures", "digits", "from_files", "from_idx", "shapes"]

SIDE = 32  # own pictures are brought to 32 x 32
MOST_FILES, MOST_BYTES = 2_000, 50 * 2**20
MOST_PIXELS = 40_000_000  # of one picture when decoded: 120 MB


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
    import pandas as pd
    from sklearn.datasets import load_digits

    found = load_digits()
    labels = tuple(str(t) for t in found.target)
    pixels = (found.images / 16).astype(np.float32)[..., None]
    factors = pd.DataFrame(
        {"even": found.target % 2 == 0, "has a loop": np.isin(found.target, [0, 6, 8, 9]), "digit": found.target}
    )
    return Pictures("digits", "Handwritten digits", pixels, labels, _names(labels), factors, "CC BY 4.0", 1998)


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


def from_idx(images: Path, labels: Path, *, key: str, title: str, licence: str, year: int, limit: int = 0) -> Pictures:
    """Pictures in the idx format of MNIST, gzipped or plain; raises DamagedFile. Nothing is unpickled."""
    import pandas as pd

    pixels, targets = _idx(images), _idx(labels)
    if len(pixels) != len(targets):
        raise DamagedFile(f"{images.name} holds {len(pixels):,} pictures, {labels.name} {len(targets):,} labels.")
    count = min(limit or len(pixels), len(pixels))
    names = tuple(str(t) for t in targets[:count])
    table = pd.DataFrame({"label": targets[:count]})
    scaled = (pixels[:count] / 255).astype(np.float32)[..., None]
    return Pictures(f"{key}/{count}", title, scaled, names, _names(names), table, licence, year)


def _idx(path: Path) -> NDArray[np.uint8]:
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        zero, kind, dims = struct.unpack(">HBB", data[:4])
        shape = struct.unpack(f">{dims}I", data[4 : 4 + 4 * dims])
        if zero or kind != 8:
            raise ValueError("it does not hold bytes in the idx format")
        return np.frombuffer(data, np.uint8, math.prod(shape), 4 + 4 * dims).reshape(shape)
    except (OSError, EOFError, zlib.error, struct.error, ValueError) as error:
        raise DamagedFile(f"{path.name} is no whole idx file: {error}") from error


def from_files(files: Iterable[tuple[str, bytes]], side: int = SIDE) -> Pictures:
    """A person's own pictures (PNG, JPEG, WebP), or one zip of them, each brought to `side` x `side` pixels.

    What cannot be read is named in `notes`, one sentence each, and the rest is kept. The folder of a file in a zip is
    its label. Raises InputError when nothing is left, or for more than 2,000 files or 50 MB.
    """
    import pandas as pd

    kept: list[tuple[str, str, Vectors]] = []
    notes: list[str] = []
    total = 0
    for name, data in _members(list(files), notes):
        total += len(data)
        if total > MOST_BYTES:
            raise InputError(f"The pictures are larger than {MOST_BYTES // 2**20} MB together; give fewer.")
        try:
            kept.append((name, Path(name).parent.name or "own", _decoded(name, data, side)))
        except InputError as error:
            notes.append(str(error))
    if not kept:
        raise InputError(" ".join(notes[:3]) or "There is no picture. Give PNG, JPEG or WebP files, or a zip of them.")
    names: list[str] = []
    for name, _, _ in kept:
        names.append(name if name not in names else f"{name} ({len(names)})")
    pixels = np.stack([picture for *_, picture in kept])
    labels = tuple(label for _, label, _ in kept)
    digest = hashlib.blake2b(pixels.data, digest_size=8).hexdigest()
    table = pd.DataFrame({"file": names})
    return Pictures(f"own/{digest}", "Own pictures", pixels, labels, tuple(names), table, "yours", 0, "", tuple(notes))


def _members(files: list[tuple[str, bytes]], notes: list[str]) -> list[tuple[str, bytes]]:
    """The files themselves, zips opened; no path of an archive is followed, its names are only names."""
    found: list[tuple[str, bytes]] = []
    for name, data in files:
        if data[:4] != b"PK\x03\x04":
            found.append((Path(name).name, data))
            continue
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                entries = [e for e in archive.infolist() if not e.is_dir() and not e.filename.startswith("__MACOSX")]
                if len(entries) > MOST_FILES:
                    raise InputError(f"'{name}' holds {len(entries):,} files; at most {MOST_FILES:,} can be read.")
                size = sum(entry.file_size for entry in entries)
                if size > 4 * MOST_BYTES:
                    most = 4 * MOST_BYTES // 2**20
                    raise InputError(f"'{name}' would unpack to {size / 2**20:,.0f} MB; at most {most} MB are read.")
                left = 4 * MOST_BYTES
                for entry in entries:
                    with archive.open(entry) as file:  # the stated size may lie: read one byte more than allowed
                        content = file.read(left + 1)
                    left -= len(content)
                    if left < 0:
                        raise InputError(f"'{name}' unpacks to more than it says, over {4 * MOST_BYTES // 2**20} MB.")
                    found.append((entry.filename, content))
        except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, OSError) as error:
            if isinstance(error, InputError):
                raise
            notes.append(f"'{Path(name).name}' is no whole zip file: {error}.")
    if len(found) > MOST_FILES:
        raise InputError(f"These are {len(found):,} files; at most {MOST_FILES:,} can be read at once.")
    return found


def _decoded(name: str, data: bytes, side: int) -> Vectors:
    from PIL import Image, UnidentifiedImageError

    short = Path(name).name[:60]
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                raise InputError(
                    f"'{short}' has {width} x {height} pixels; at most {MOST_PIXELS // 10**6} million are read."
                )
            square: Any = image.convert("RGB")
            edge = min(width, height)
            left, top = (width - edge) // 2, (height - edge) // 2
            square = square.crop((left, top, left + edge, top + edge)).resize((side, side), Image.Resampling.LANCZOS)
            return np.asarray(square, np.float32) / 255
    except UnidentifiedImageError:
        raise InputError(f"'{short}' is no PNG, JPEG or WebP picture, whatever its name says.") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, EOFError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"'{short}' is broken: {str(error)[:80]}.") from None
