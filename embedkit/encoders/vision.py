"""Networks that were trained on ImageNet: where their weights lie, how they are fetched, and the vectors they give.

VGG16 (Simonyan and Zisserman 2015), ResNet-50 (He et al. 2016) and ViT-B/16 (Dosovitskiy et al. 2021), as torchvision
builds them, with its own weights and its own preparation of a picture.
"""

from __future__ import annotations

import hashlib
import importlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from pickle import UnpicklingError  # what torch raises for a file that holds more than weights; nothing is unpickled
from typing import Any

import numpy as np

from embedkit.errors import DamagedFile, FetchError, InputError, NotInstalled
from embedkit.space import Vectors

__all__ = [
    "VisionCard",
    "VisionModel",
    "fetch_vision",
    "fetch_vision_task",
    "find_vision",
    "load_vision",
    "vision_cards",
]

BATCH = 16
THREADS = 2
LICENCE = "BSD-3-Clause (code); weights may be bound by ImageNet's terms"  # torchvision's README, "Pre-trained Model"
Say = Callable[..., None]


@dataclass(frozen=True)
class VisionCard:
    """What a page says about a network before anything is fetched; `file` is torchvision's name for its weights."""

    key: str
    title: str
    megabytes: int
    licence: str
    year: int
    dims: int
    file: str
    url: str
    note: str


@dataclass(frozen=True)
class _Kind:
    """What torchvision does not say of itself: names, the paper's year, and which layer is read."""

    title: str
    builder: str
    weights: str
    year: int
    dims: int
    head: str  # the part that is cut off: what it read is the vector
    note: str


_KINDS = {
    "vgg16": _Kind(
        "VGG16", "vgg16", "VGG16_Weights", 2014, 4096, "classifier.6", "second fully connected layer, after its ReLU"
    ),
    "resnet50": _Kind(
        "ResNet-50", "resnet50", "ResNet50_Weights", 2015, 2048, "fc", "mean over places, before the head"
    ),
    "vit-b16": _Kind(
        "ViT-B/16", "vit_b_16", "ViT_B_16_Weights", 2020, 768, "heads", "the class token after the last norm"
    ),
}


def _kind(key: str) -> _Kind:
    if key not in _KINDS:
        raise InputError(f"There is no picture network '{key}'; known: {', '.join(_KINDS)}.")
    return _KINDS[key]


def _models() -> Any:
    try:
        return importlib.import_module("torchvision.models")
    except ImportError as error:
        raise NotInstalled("torchvision is not on this machine. Install it: pip install torchvision") from error


def _weights(key: str) -> Any:
    """torchvision's record of the newest weights: address, preparation, and what is known of them."""
    return getattr(_models(), _kind(key).weights).DEFAULT


@lru_cache(maxsize=1)
def _cards() -> dict[str, VisionCard]:
    cards = {}
    for key, kind in _KINDS.items():
        weights = _weights(key)
        right = next(iter(weights.meta["_metrics"].values()))["acc@1"]
        note = (
            f"{kind.note}; {weights.meta['num_params'] / 1e6:.0f} million weights, {right:.1f} % right on ImageNet-1K"
        )
        size = round(weights.meta["_file_size"] * 2**20 / 1e6)  # torchvision counts in units of 2^20 bytes
        file = weights.url.rsplit("/", 1)[-1]
        cards[key] = VisionCard(key, kind.title, size, LICENCE, kind.year, kind.dims, file, weights.url, note)
    return cards


def vision_cards() -> dict[str, VisionCard]:
    """The networks that can be used, by key; sizes and addresses are those of the installed torchvision.

    Imports torchvision, which takes seconds the first time. Raises NotInstalled without it.
    """
    return dict(_cards())


def _card(key: str) -> VisionCard:
    _kind(key)
    return _cards()[key]


def _checkpoints() -> Path:
    """Where torch keeps weights: TORCH_HOME, or its folder in the person's cache."""
    from torch import hub

    return Path(hub.get_dir()) / "checkpoints"


def find_vision(key: str, folder: str | Path = "") -> Path:
    """The file of weights: in the folder a person names, else in torch's checkpoints. Nothing is fetched.

    In a person's folder it may have torchvision's name, or be `key` with .safetensors, .pth or .pt. Raises InputError
    when the key is unknown or the folder holds no such file, and NotInstalled with what to do.
    """
    card = _card(key)
    if folder:
        here = Path(folder).expanduser()
        if not here.is_dir():
            raise InputError(f"There is no folder '{folder}'.")
        names = (card.file, f"{key}.safetensors", f"{key}.pth", f"{key}.pt")
        for name in names:
            if (here / name).is_file():
                return here / name
        raise InputError(f"'{here.name}' holds no weights of {card.title}; it should hold one of {', '.join(names)}.")
    path = _checkpoints() / card.file
    if not path.is_file():
        raise NotInstalled(
            f"{card.title} is not on this machine. Fetch it ({card.megabytes} MB, {card.licence}): "
            f"python -m embedkit fetch {key}, or name a folder that holds {card.file}."
        )
    return path


def fetch_vision(key: str, report: Say | None = None, url: str | None = None) -> Path:
    """Fetch the weights into torch's checkpoints, check them against the hash in their name, and return the file.

    At once when they are here. What arrives in part is removed, never left under the file's name. `report(fraction,
    text)` is told how far it is, and what it raises ends the fetching. Raises FetchError in one sentence.
    """
    import http.client
    import urllib.request

    card, say = _card(key), report or _silent
    path = _checkpoints() / card.file
    if path.is_file():
        return path
    part = path.with_name(f"{path.name}.{threading.get_native_id()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        address = url or card.url
        if not address.startswith(("http://", "https://")):
            raise InputError(f"Weights are fetched from http or https, not from '{address}'.")
        request = urllib.request.Request(address, headers={"User-Agent": "torch.hub"})  # noqa: S310 - checked above
        with urllib.request.urlopen(request, timeout=60) as answer, part.open("wb") as file:  # noqa: S310
            _copied(answer, file, card, say)
        part.replace(path)
    except (OSError, http.client.HTTPException) as error:
        reason = f"{type(error).__name__}: {str(error)[:200]}"
        raise FetchError(f"{card.title} could not be fetched ({reason}); try again later.") from error
    finally:
        part.unlink(missing_ok=True)
    say(1.0, f"{card.title} is here.")
    return path


def _copied(answer: Any, file: Any, card: VisionCard, say: Say) -> None:
    """Copy what arrives and compare its SHA-256 with the digits that end the file's name."""
    found = hashlib.sha256()
    total, done = int(answer.headers.get("Content-Length") or 0), 0
    while chunk := answer.read(2**20):
        file.write(chunk)
        found.update(chunk)
        done += len(chunk)
        say(done / total if total else None, f"{card.title}: {done / 1e6:,.0f} of {card.megabytes} MB")
    wanted = card.file.rsplit("-", 1)[-1].split(".")[0]
    if not found.hexdigest().startswith(wanted):
        what = f"{done:,} of {total:,} bytes came" if done < total else f"SHA-256 {found.hexdigest()[:8]}, not {wanted}"
        raise FetchError(f"{card.title} did not arrive whole ({what}); nothing was kept, try again.")


def _silent(*_: object) -> None:
    """Nobody watches."""


def fetch_vision_task(report: Say, *, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """`fetch_vision` as a job: "embedkit.encoders.vision:fetch_vision_task"; its meta names what came."""
    path = fetch_vision(name, report)
    return {}, {"name": name, "file": path.name, "megabytes": path.stat().st_size / 1e6}


class VisionModel:
    """A network without its head, from a dict of torch tensors by torchvision's names; safe to share between threads.

    `source` names the weights in errors. Raises InputError when they are those of another network. Use `load_vision`.
    """

    def __init__(self, key: str, state: Mapping[str, Any], source: str = "the weights") -> None:
        import torch

        kind = _kind(key)
        self.key, self.dims = key, kind.dims
        self._transform: Any = _weights(key).transforms()
        with torch.device("meta"):  # names and shapes only: no memory, no random numbers
            network = getattr(_models(), kind.builder)(weights=None)
        needed = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
        # only training reads this count, and old files lack it
        needed = {name: shape for name, shape in needed.items() if not name.endswith("num_batches_tracked")}
        given = {name: tuple(getattr(tensor, "shape", ())) for name, tensor in state.items()}
        if wrong := [name for name, shape in needed.items() if given.get(name) != shape]:
            found = given.get(wrong[0], "not there")
            raise InputError(
                f"{source} is not {kind.title}: {wrong[0]} is {found}, not {needed[wrong[0]]} "
                f"({len(wrong)} of {len(needed)} parts do not fit). Give torchvision's own weights."
            )
        floats = {name: state[name].detach().float() for name in needed}
        network.load_state_dict(floats, strict=False, assign=True)
        parent, _, last = kind.head.rpartition(".")
        setattr(network.get_submodule(parent), last, torch.nn.Identity())
        self._network: Any = network.eval()
        self._lock = threading.Lock()

    def encode(self, pixels: Vectors, report: Say | None = None) -> Vectors:
        """Vectors of pictures float32 (n, h, w, c) in 0..1, with c 1 (gray, taken three times) or 3: float32 (n, dims).

        Each is resized, cut and scaled as torchvision prepared pictures for these weights. `report(fraction, text)` is
        told how far it is, and what it raises ends the work. Raises InputError.
        """
        import torch

        if pixels.ndim != 4 or pixels.shape[3] not in (1, 3) or 0 in pixels.shape[1:]:
            raise InputError(f"Pictures are (n, h, w, 1 or 3), not {pixels.shape}.")
        if len(pixels) and not (np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 1):
            raise InputError(
                f"Pixels are numbers from 0 to 1, not {pixels.min():g} to {pixels.max():g}; scale them first."
            )
        say, n = report or _silent, len(pixels)
        vectors = np.empty((n, self.dims), np.float32)
        for start in range(0, n, BATCH):
            some = pixels[start : start + BATCH].transpose(0, 3, 1, 2)
            with self._lock, torch.inference_mode():
                torch.set_num_threads(THREADS)
                x = torch.from_numpy(np.array(some, np.float32, order="C")).expand(-1, 3, -1, -1)
                vectors[start : start + BATCH] = self._network(self._transform(x)).numpy()
            done = min(start + BATCH, n)
            say(done / n, f"{done:,} of {n:,} pictures")
        return vectors


def _state(path: Path) -> Mapping[str, Any]:
    """The tensors of a file by name; nothing in it is run."""
    import torch

    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: Any = load_file(path)
        else:
            state = torch.load(path, weights_only=True, map_location="cpu")
    except UnpicklingError as error:
        raise DamagedFile(f"{path.name} holds more than weights, or is no file of torch; it was not opened.") from error
    except Exception as error:  # a broken file makes torch and safetensors raise many kinds
        reason = str(error).strip().split("\n")[0][:150] or type(error).__name__
        raise DamagedFile(f"{path.name} cannot be read ({reason}); fetch it again.") from error
    if not isinstance(state, Mapping) or not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
        raise DamagedFile(f"{path.name} holds no dict of weights by name; give torchvision's own file.")
    return state


@lru_cache(maxsize=1)  # VGG16 alone takes half a gigabyte
def _loaded(key: str, path: Path, stamp: tuple[int, int]) -> VisionModel:
    return VisionModel(key, _state(path), path.name)


_load_lock = threading.Lock()


def load_vision(key: str, folder: str | Path = "") -> VisionModel:
    """The network of this key, loaded once; the last one stays in memory. No network connection is made.

    Raises what `find_vision` raises, DamagedFile for a broken file, and InputError for the weights of another network.
    """
    path = find_vision(key, folder)
    stat = path.stat()
    with _load_lock:  # thirty people who open a page together load it once
        return _loaded(key, path, (stat.st_size, stat.st_mtime_ns))
