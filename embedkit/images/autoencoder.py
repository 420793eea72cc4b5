"""An autoencoder (Hinton and Salakhutdinov 2006) trained in frozen steps: z = f(x), x^ = g(z), L = |x - x^|^2."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import InputError
from embedkit.space import Vectors, frozen

__all__ = ["Autoencoder", "Recipe", "Step", "train"]

Kind = Literal["dense", "conv"]
Rows = NDArray[np.int64]

SMALL = 256  # pixels; the matrices of smaller pictures are too small to be shared by two threads
BATCH = 64
RATE = 4e-3  # at its highest; it rises for the first steps and falls to nothing (Smith and Topin 2019)
DECAY = 1e-4
# pictures that a training sees, where no number of epochs is given: some seconds on two cores
SEEN, SEEN_CONV, SEEN_LARGE = 200_000, 120_000, 70_000
BEAT = 10  # batches between two heartbeats
MEASURED = 2_000  # training pictures whose error is taken after each epoch
AT_ONCE = 2_048  # pictures that pass the network together when nothing is learned

LIMITS = {"latent": (2, 128), "noise": (0.0, 1.0), "epochs": (0, 2_000), "seed": (0, 2**31 - 1)}


@dataclass(frozen=True)
class Recipe:
    """What is trained: dense or convolutional, latent size 2 to 128, noise, epochs (0: by the data), seed.

    `noise` is the standard deviation of what is added to each input, cut to 0..1, while the target stays clean: a
    little keeps the network from learning its pictures by heart (Bishop 1995), more makes a denoising autoencoder
    (Vincent et al. 2008); with `copy` the noisy input is the target as well. `linear` leaves out every bend: trained
    to the end, such a network spans PCA's plane (Baldi and Hornik 1989). Raises InputError.
    """

    kind: Kind = "dense"
    latent: int = 2
    noise: float = 0.1
    epochs: int = 0
    seed: int = 0
    linear: bool = False
    copy: bool = False

    def __post_init__(self) -> None:
        if self.kind not in ("dense", "conv"):
            raise InputError(f"There is no autoencoder '{self.kind}'; use dense or conv.")
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise InputError(f"{name} must lie between {low:g} and {high:g}, not {value:g}.")

    def whole(self, n: int, pixels: int) -> Recipe:
        """The recipe with its number of epochs written out, for n training pictures of so many pixels."""
        if self.epochs:
            return self
        seen = SEEN_LARGE if pixels > SMALL else SEEN if self.kind == "dense" else SEEN_CONV
        return replace(self, epochs=int(np.clip(round(seen / max(n, 1)), 8, 150)))


@dataclass(frozen=True, eq=False)
class Step:
    """The network after an epoch; 0 is untrained. Arrays are read-only: a step back is an earlier element.

    `weights` by name; `moments` is what the optimizer remembers, to go on from here; the losses are mean squared errors
    a pixel, on up to 2,000 training pictures and on the held-out ones, without noise; `seconds` since the start.
    """

    epoch: int
    epochs: int
    weights: Mapping[str, Vectors]
    moments: Mapping[str, Vectors]
    train_loss: float
    held_loss: float
    seconds: float


class Autoencoder:
    """Encoder and decoder for pictures of one shape (height, width, channels), with a step's weights or untrained."""

    def __init__(self, recipe: Recipe, shape: tuple[int, ...], weights: Mapping[str, Vectors] | None = None) -> None:
        self.recipe, self.shape, self._weights = recipe, tuple(shape), weights
        if weights is None or not self._by_hand:
            self.network  # noqa: B018  # built here, so that what does not fit is said here

    @cached_property
    def network(self) -> Any:
        """The network in torch."""
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.recipe.seed)
            network: Any = _network(self.recipe, self.shape)
        if self._weights is not None:
            network.load_state_dict({name: torch.tensor(array) for name, array in self._weights.items()})
        return network

    @property
    def _by_hand(self) -> bool:
        """Whether numpy runs it, with given weights: a page then opens without torch, whose import takes seconds."""
        return self._weights is not None and "network" not in self.__dict__ and self.recipe.kind == "dense"

    @property
    def parameters(self) -> int:
        """Number of weights."""
        if self._by_hand and self._weights is not None:
            return sum(array.size for array in self._weights.values())
        return sum(each.numel() for each in self.network.parameters())

    def encode(self, pixels: Vectors) -> Vectors:
        """Latent vectors float32 (n, latent) of pictures (n, height, width, channels)."""
        each = math.prod(self.shape)
        if math.prod(np.shape(pixels)[1:]) != each:
            raise InputError(f"This network reads pictures of shape {self.shape}, not {np.shape(pixels)[1:]}.")
        return self._run("encoder", np.asarray(pixels, np.float32).reshape(len(pixels), each))

    def decode(self, latent: Vectors) -> Vectors:
        """Pictures float32 (n, height, width, channels) of latent vectors (n, latent)."""
        rows = np.asarray(latent, np.float32)
        if rows.ndim != 2 or rows.shape[1] != self.recipe.latent:
            raise InputError(f"This network decodes vectors of {self.recipe.latent} numbers, not of {rows.shape[1:]}.")
        return self._run("decoder", rows).reshape(len(rows), *self.shape)

    def reconstruct(self, pixels: Vectors) -> Vectors:
        """What comes out for what goes in: decode(encode(pixels))."""
        return self.decode(self.encode(pixels))

    def _run(self, part: str, rows: Vectors) -> Vectors:
        if self._by_hand and self._weights is not None:
            return _forward(self._weights, part, rows, self.recipe.linear)
        import torch

        with torch.inference_mode():
            parts = [
                self.network[part](torch.from_numpy(np.array(rows[start : start + AT_ONCE]))).numpy()
                for start in range(0, max(len(rows), 1), AT_ONCE)
            ]
        return np.concatenate(parts)


def train(
    pixels: Vectors,
    recipe: Recipe,
    *,
    train_rows: Rows,
    held_rows: Rows,
    after: Step | None = None,
    heartbeat: Callable[[float], None] = lambda done: None,
) -> Iterator[Step]:
    """Train on some rows of `pixels` float32 (n, height, width, channels) and yield a frozen step for each epoch.

    The first step is the untrained network, or the one that follows `after`: going on from a step gives the same bytes
    as never having stopped. Chance depends on the seed and the epoch alone. `heartbeat` is called with the share that
    is done several times a second, and may raise to end it.
    """
    import torch

    if len(train_rows) < 2 or len(held_rows) < 1:
        raise InputError(f"Training needs two pictures and one held out; here are {len(pixels)} in all.")
    recipe = recipe.whole(len(train_rows), int(np.prod(np.shape(pixels)[1:])))
    shape = tuple(np.shape(pixels)[1:])
    model = Autoencoder(recipe, shape, after.weights if after else None)
    flat = torch.from_numpy(np.array(pixels[train_rows], np.float32).reshape(len(train_rows), -1))
    measured = pixels[train_rows[:MEASURED]]
    optimizer = _optimizer(model, after)
    a_epoch = -(-len(flat) // _batch(len(flat)))
    start = time.perf_counter() - (after.seconds if after else 0.0)

    def step(epoch: int) -> Step:
        own, held = (float(np.mean((model.reconstruct(part) - part) ** 2)) for part in (measured, pixels[held_rows]))
        weights = {name: frozen(tensor.detach().numpy()) for name, tensor in model.network.state_dict().items()}
        return Step(epoch, recipe.epochs, weights, _moments(model, optimizer), own, held, time.perf_counter() - start)

    threads = 1 if np.prod(shape) <= SMALL else 2
    if after is None:
        yield step(0)
    for epoch in range(after.epoch + 1 if after else 1, recipe.epochs + 1):
        torch.set_num_threads(threads)  # anew, as another training in this process may have set its own
        chance = torch.Generator().manual_seed(recipe.seed * 10_007 + epoch)
        order = torch.randperm(len(flat), generator=chance).split(_batch(len(flat)))
        for done, rows in enumerate(order, start=(epoch - 1) * a_epoch):
            if done % BEAT == 0:
                heartbeat(done / (recipe.epochs * a_epoch))
            optimizer.param_groups[0]["lr"] = _rate(done, recipe.epochs * a_epoch)
            clean = flat[rows]
            given = clean
            if recipe.noise:
                given = (clean + recipe.noise * torch.randn(clean.shape, generator=chance)).clamp(0, 1)
            found = model.network["decoder"](model.network["encoder"](given))
            loss = torch.nn.functional.mse_loss(found, given if recipe.copy else clean)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        yield step(epoch)


def _forward(weights: Mapping[str, Vectors], part: str, rows: Vectors, linear: bool) -> Vectors:
    """One half of a fully connected network in numpy: GELU between its layers, a sigmoid after the decoder's last."""
    from scipy.special import erf, expit

    if linear:
        straight: Vectors = rows @ weights[f"{part}.weight"].T + weights[f"{part}.bias"]
        return straight
    layers = sorted(int(name.split(".")[1]) for name in weights if name.startswith(f"{part}.") and "weight" in name)
    found = rows
    for layer in layers:
        found = found @ weights[f"{part}.{layer}.weight"].T + weights[f"{part}.{layer}.bias"]
        if layer != layers[-1]:
            found = found * (0.5 * (1 + erf(found * np.float32(0.5**0.5))))
    return np.asarray(expit(found) if part == "decoder" else found, np.float32)


def _batch(n: int) -> int:
    return BATCH if n < 5_000 else 2 * BATCH


def _rate(done: int, total: int) -> float:
    """The rate after `done` of `total` batches: one cycle, up for the first seventh and down to nothing (cosine)."""
    rise = max(1, round(0.15 * total))
    if done < rise:
        return RATE * (0.04 + 0.96 * 0.5 * (1 - math.cos(math.pi * done / rise)))
    return RATE * 0.5 * (1 + math.cos(math.pi * min(1.0, (done - rise) / max(1, total - rise))))


def _optimizer(model: Autoencoder, after: Step | None) -> Any:
    """AdamW; going on from a step, with what it remembered then."""
    import torch

    optimizer = torch.optim.AdamW(model.network.parameters(), lr=RATE, weight_decay=DECAY, fused=True)
    moments = after.moments if after is not None else {}
    for name, parameter in model.network.named_parameters() if moments else ():
        optimizer.state[parameter] = {
            known: torch.tensor(moments[f"{name}.{known}"]) for known in ("step", "exp_avg", "exp_avg_sq")
        }
    return optimizer


def _moments(model: Autoencoder, optimizer: Any) -> dict[str, Vectors]:
    return {
        f"{name}.{known}": frozen(value.detach().numpy())
        for name, parameter in model.network.named_parameters()
        for known, value in optimizer.state.get(parameter, {}).items()
    }


def _network(recipe: Recipe, shape: tuple[int, ...]) -> Any:
    from torch import nn

    height, width, channels = shape
    pixels, latent = height * width * channels, recipe.latent
    if recipe.linear:
        return nn.ModuleDict({"encoder": nn.Linear(pixels, latent), "decoder": nn.Linear(latent, pixels)})
    if recipe.kind == "conv":
        return _convolutions(latent, height, width, channels)
    wide, middle = (256, 128) if pixels <= SMALL else (512, 256)
    encoder = [nn.Linear(pixels, wide), nn.GELU(), nn.Linear(wide, middle), nn.GELU(), nn.Linear(middle, latent)]
    decoder = [nn.Linear(latent, middle), nn.GELU(), nn.Linear(middle, wide), nn.GELU(), nn.Linear(wide, pixels)]
    return nn.ModuleDict({"encoder": nn.Sequential(*encoder), "decoder": nn.Sequential(*decoder, nn.Sigmoid())})


def _convolutions(latent: int, height: int, width: int, channels: int) -> Any:
    """Two convolutions that halve the picture and two that double it, a hidden layer between them and the latent."""
    from torch import nn

    class Turned(nn.Module):  # type: ignore[misc]
        """Axes in another order: pictures keep their channels last, convolutions want them first."""

        def __init__(self, *order: int) -> None:
            super().__init__()
            self.order = order

        def forward(self, pictures: Any) -> Any:
            return pictures.permute(self.order)

    if height % 4 or width % 4:
        raise InputError(f"The convolutional network halves pictures twice; {height} x {width} cannot be halved so.")
    h, w, low, high = height // 4, width // 4, 16, 32
    encoder = nn.Sequential(
        nn.Unflatten(1, (height, width, channels)),
        Turned(0, 3, 1, 2),
        nn.Conv2d(channels, low, 3, 2, 1),
        nn.GELU(),
        nn.Conv2d(low, high, 3, 2, 1),
        nn.GELU(),
        nn.Flatten(),
        nn.Linear(high * h * w, 128),
        nn.GELU(),
        nn.Linear(128, latent),
    )
    decoder = nn.Sequential(
        nn.Linear(latent, 128),
        nn.GELU(),
        nn.Linear(128, high * h * w),
        nn.GELU(),
        nn.Unflatten(1, (high, h, w)),
        nn.ConvTranspose2d(high, low, 4, 2, 1),
        nn.GELU(),
        nn.ConvTranspose2d(low, channels, 4, 2, 1),
        nn.Sigmoid(),
        Turned(0, 2, 3, 1),
        nn.Flatten(),
    )
    return nn.ModuleDict({"encoder": encoder, "decoder": decoder})
