"""Small networks that learn labels from pictures in seconds: a convolutional one and a vision transformer.

The convolutional network (LeCun et al. 1998) is three convolutions and a hidden layer; the transformer (Dosovitskiy et
al. 2021) has pre-norm blocks over patches, written out so that its attention can be read. Both are functions of a dict
of weights, so that a step of the training is a copy of that dict and nothing else.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import InputError
from embedkit.space import Vectors

__all__ = ["Classifier", "ClassifierRecipe", "ClassifierStep", "patches", "train_classifier"]

Tensor = Any  # torch loads in the functions
Shape = tuple[int, int, int]
Rows = NDArray[np.int64] | Sequence[int]

KINDS = ("cnn", "vit")
EPOCHS = {"cnn": 15, "vit": 35}
RATE = {"cnn": 3e-3, "vit": 4e-3}  # the highest learning rate, reached after a tenth of the way
DECAY = {"cnn": 1e-2, "vit": 0.15}
WIDTHS = (16, 32, 64)  # channels of the three convolutions
HIDDEN = 64  # the penultimate layer
DIM, DEPTH, HEADS = 48, 3, 4
PLACE = 0.5  # spread of places and token at the start; with the usual 0.02 digits stayed below .90
BATCH = 32
AT_ONCE = 256  # pictures in one forward pass without training: some 50 MB
MOST_EPOCHS, MOST_SIDE, MOST_CLASSES = 500, 64, 1_000
SMALL = 8  # pixels a side; up to there patches are of 2 pixels, beyond of 4


@dataclass(frozen=True)
class ClassifierRecipe:
    """What is trained: `kind` "cnn" or "vit", `epochs` 1 to 500 (0 for the kind's own), `seed` 0 to 2^32 - 1.

    Raises InputError.
    """

    kind: str = "cnn"
    epochs: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"A classifier is a 'cnn' or a 'vit', not '{self.kind}'.")
        if not 0 <= self.epochs <= MOST_EPOCHS:
            own = EPOCHS[self.kind]
            raise InputError(
                f"Train for 1 to {MOST_EPOCHS} epochs, or 0 for the {own} of a {self.kind}: {self.epochs}."
            )
        if not 0 <= self.seed < 2**32:
            raise InputError(f"The seed is a whole number from 0 to {2**32 - 1:,}, not {self.seed:,}.")

    @property
    def length(self) -> int:
        """Epochs that are trained: `epochs`, or the kind's own where that is 0."""
        return self.epochs or EPOCHS[self.kind]


@dataclass(frozen=True, eq=False)
class ClassifierStep:
    """The network after `epoch` passes over the pictures to train on, 0 before any.

    `weights` are its read-only float32 arrays by name, for `Classifier`. Loss (mean cross-entropy, nats) and the
    accuracies (0 to 1) are those of these weights, on the pictures as they are. `seconds` is the time of training and
    measuring so far, without what happened between two steps.
    """

    epoch: int
    weights: dict[str, Vectors]
    train_loss: float
    train_accuracy: float
    held_accuracy: float
    seconds: float


def patches(shape: Shape) -> tuple[int, int, int]:
    """Rows, columns and side in pixels of the patches that the transformer cuts a picture (h, w, c) into.

    The side is 2 for pictures of up to 8 pixels and 4 beyond. Raises InputError when it does not divide the picture.
    """
    height, width, _ = shape
    side = 2 if _small(shape) else 4
    if height % side or width % side:
        raise InputError(f"Pictures of {height} x {width} cannot be cut into patches of {side} x {side}; resize them.")
    return height // side, width // side, side


def _small(shape: Shape) -> bool:
    return max(shape[:2]) <= SMALL


class Classifier:
    """A network for pictures of one shape (h, w, c); without `weights`, as it is before training.

    `weights` are those of a ClassifierStep. Raises InputError when they, or the shape, do not fit the recipe.
    """

    def __init__(
        self, recipe: ClassifierRecipe, shape: Shape, classes: int, weights: Mapping[str, Vectors] | None = None
    ) -> None:
        import torch

        height, width, channels = shape
        if not (min(height, width) >= 4 and max(height, width) <= MOST_SIDE and channels in (1, 3)):
            raise InputError(
                f"Pictures have sides of 4 to {MOST_SIDE} pixels and 1 or 3 channels, "
                f"not {height} x {width} x {channels}."
            )
        if not 2 <= classes <= MOST_CLASSES:
            raise InputError(f"A classifier tells 2 to {MOST_CLASSES:,} classes apart, not {classes:,}.")
        self.recipe, self.shape, self.classes = recipe, (height, width, channels), classes
        sizes = _sizes(recipe.kind, self.shape, classes)
        if weights is None:
            self._weights = _untrained(sizes, recipe.seed)
        else:
            if wrong := [name for name in sizes if name not in weights or weights[name].shape != sizes[name]]:
                found = weights[wrong[0]].shape if wrong[0] in weights else "nothing"
                raise InputError(
                    f"These weights are not of a {recipe.kind} for {height} x {width} x {channels} and {classes} "
                    f"classes: {wrong[0]} is {found}, not {sizes[wrong[0]]}."
                )
            self._weights = {name: torch.tensor(np.asarray(weights[name], np.float32)) for name in sizes}

    def encode(self, pixels: Vectors) -> Vectors:
        """The vector that the head reads, of pixels (n, h, w, c): float32 (n, 64).

        The hidden layer after its ReLU of a cnn, the class token after the last norm of a vit.
        """
        return self._batches(pixels, lambda x: _vectors(self.recipe.kind, self._weights, x))

    def predict(self, pixels: Vectors) -> Vectors:
        """Probability of each class, of pixels (n, h, w, c): float32 (n, classes)."""
        return self._batches(pixels, lambda x: _logits(self.recipe.kind, self._weights, x).softmax(1))

    def attention(self, pixels: Vectors) -> Vectors:
        """How the class token's attention spreads over the patches: float32 (n, 3 layers, 4 heads, rows, columns).

        Softmax weights, 0 to 1. The token's attention to itself is left out, so a map sums to 1 less that share.
        Raises InputError for a cnn, which has none.
        """
        rows, columns, _ = self.patches()

        def seen(x: Tensor) -> Tensor:
            import torch

            kept: list[Tensor] = []
            _token(self._weights, x, kept)
            return torch.stack(kept, 1).unflatten(3, (rows, columns))

        return self._batches(pixels, seen)

    def patches(self) -> tuple[int, int, int]:
        """Rows, columns and side of the patches; raises InputError for a cnn, which cuts none."""
        if self.recipe.kind != "vit":
            raise InputError("A cnn has no patches and no attention; choose the kind 'vit'.")
        return patches(self.shape)

    def _batches(self, pixels: Vectors, work: Any) -> Vectors:
        import torch

        if pixels.ndim != 4 or pixels.shape[1:] != self.shape:
            h, w, c = self.shape
            raise InputError(f"This network reads pictures (n, {h}, {w}, {c}), not {pixels.shape}.")
        with _threads(self.shape), torch.inference_mode():
            # an empty array goes through as well: it has the right width
            starts = range(0, max(1, len(pixels)), AT_ONCE)
            found = [work(_tensor(self._weights, pixels[start : start + AT_ONCE])) for start in starts]
            return np.asarray(torch.cat(found).numpy())


def train_classifier(
    pixels: Vectors, targets: NDArray[Any], recipe: ClassifierRecipe, *, train_rows: Rows, held_rows: Rows
) -> Iterator[ClassifierStep]:
    """Train on some rows of pixels float32 (n, h, w, c) in 0..1 with targets int (n,), and measure on others.

    Yields the untrained network first and then each epoch's; there are as many classes as the highest target says. The
    same seed gives the same weights, byte for byte, and torch's own random numbers are left as they were. Raises
    InputError when called, not when read: for what does not fit, rows in both parts, or fewer than two classes.
    """
    train, held = np.asarray(train_rows, np.int64), np.asarray(held_rows, np.int64)
    targets = np.asarray(targets)
    _check(pixels, targets, train, held)
    network = Classifier(recipe, pixels.shape[1:], int(targets.max()) + 1)
    return _epochs(network, pixels, targets.astype(np.int64), train, held)


def _check(pixels: Vectors, targets: NDArray[Any], train: NDArray[np.int64], held: NDArray[np.int64]) -> None:
    if pixels.ndim != 4 or targets.shape != pixels.shape[:1] or not np.issubdtype(targets.dtype, np.integer):
        raise InputError(
            f"Give pixels (n, h, w, c) and n whole numbers, not {pixels.shape} and {targets.dtype} {targets.shape}."
        )
    for rows, what in ((train, "train on"), (held, "hold out")):
        if rows.ndim != 1 or not len(rows) or rows.min() < 0 or rows.max() >= len(pixels):
            raise InputError(f"The rows to {what} are a list of at least one number from 0 to {len(pixels) - 1:,}.")
    if both := len(np.intersect1d(train, held)):
        raise InputError(
            f"{both:,} rows stand in both parts; accuracy is measured on pictures that were not trained on."
        )
    if not (np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 1):
        raise InputError(f"Pixels are numbers from 0 to 1, not {pixels.min():g} to {pixels.max():g}; scale them first.")
    if targets.min() < 0:
        raise InputError(f"Classes are numbered from 0, not from {targets.min()}.")
    if (found := len(np.unique(targets[train]))) < 2:
        raise InputError(f"To learn, pictures of at least two classes are needed; the rows to train on hold {found}.")


def _epochs(
    network: Classifier, pixels: Vectors, targets: NDArray[np.int64], train: NDArray[np.int64], held: NDArray[np.int64]
) -> Iterator[ClassifierStep]:
    import torch

    kind, weights = network.recipe.kind, network._weights
    begun = time.perf_counter()
    total = network.recipe.length * math.ceil(len(train) / BATCH)
    chance = torch.Generator().manual_seed(network.recipe.seed)
    learned = {name: tensor.requires_grad_() for name, tensor in weights.items() if not name.startswith("pixel")}
    deep = [tensor for name, tensor in learned.items() if tensor.ndim > 1 and name not in ("token", "places")]
    flat = [tensor for name, tensor in learned.items() if tensor.ndim == 1 or name in ("token", "places")]
    weights["pixel.mean"].copy_(torch.from_numpy(pixels[train].mean((0, 1, 2), dtype=np.float64)))
    weights["pixel.spread"].copy_(torch.from_numpy(pixels[train].std((0, 1, 2), dtype=np.float64) + 1e-3))
    groups = [{"params": deep, "weight_decay": DECAY[kind]}, {"params": flat, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=RATE[kind], betas=(0.9, 0.99), fused=True)
    answers = torch.from_numpy(targets)
    # one pixel is half a patch of a small picture: the transformer learned digits worse with it than without
    reach = 2 if not _small(network.shape) else 1 if kind == "cnn" else 0
    done = 0
    for epoch in range(network.recipe.length + 1):
        with _threads(network.shape):
            if epoch:
                for batch in torch.randperm(len(train), generator=chance).split(BATCH):
                    optimizer.param_groups[0]["lr"] = optimizer.param_groups[1]["lr"] = RATE[kind] * _warmth(
                        done / total
                    )
                    rows = train[batch.numpy()]
                    x = _shifted(_tensor(weights, pixels[rows]), reach, chance)
                    loss = torch.nn.functional.cross_entropy(_logits(kind, weights, x), answers[rows])
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    done += 1
            loss, right = _measured(network, pixels, targets, train)
            _, held_right = _measured(network, pixels, targets, held)
        copies = {name: tensor.detach().numpy().copy() for name, tensor in weights.items()}
        for copy in copies.values():
            copy.flags.writeable = False
        seconds = time.perf_counter() - begun
        yield ClassifierStep(epoch, copies, loss, right, held_right, seconds)
        begun = time.perf_counter() - seconds  # the reader's time between two steps is not ours


def _warmth(done: float) -> float:
    """Share of the highest learning rate at `done`, 0 to 1, of the way: up in a tenth of it, down along a cosine."""
    return min(1.0, done / 0.1 + 0.01) * 0.5 * (1 + math.cos(math.pi * done))


def _measured(
    network: Classifier, pixels: Vectors, targets: NDArray[np.int64], rows: NDArray[np.int64]
) -> tuple[float, float]:
    """Mean cross-entropy in nats and share of right answers."""
    right = loss = 0.0
    for start in range(0, len(rows), AT_ONCE):
        part = rows[start : start + AT_ONCE]
        chances = network.predict(pixels[part])
        loss -= float(np.log(np.maximum(chances[np.arange(len(part)), targets[part]], 1e-30)).sum())
        right += float((chances.argmax(1) == targets[part]).sum())
    return loss / len(rows), right / len(rows)


def _shifted(x: Tensor, reach: int, chance: Any) -> Tensor:
    """Each picture moved by up to `reach` pixels up or down and across, its edge repeated.  # (b, c, h, w)"""
    import torch

    b, c, h, w = x.shape
    x = torch.nn.functional.pad(x, (reach,) * 4, mode="replicate")
    down, across = torch.randint(0, 2 * reach + 1, (2, b, 1), generator=chance)
    rows, columns = down + torch.arange(h), across + torch.arange(w)  # (b, h), (b, w)
    picture, channel = torch.arange(b)[:, None, None, None], torch.arange(c)[:, None, None]
    return x[picture, channel, rows[:, None, :, None], columns[:, None, None, :]]


@contextmanager
def _threads(shape: Shape) -> Iterator[None]:
    """One thread for small pictures, two for others: a fixed number, since another rounds to other bytes.

    Small ones are done sooner than a second thread wakes: on two busy cores the backward pass took ten times as long.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1 if _small(shape) else 2)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _tensor(weights: Mapping[str, Tensor], pixels: Vectors) -> Tensor:
    """Pixels (n, h, w, c) as the networks read them: (n, c, h, w), less the mean and in units of the spread."""
    import torch

    x = torch.from_numpy(np.array(pixels.transpose(0, 3, 1, 2), np.float32, order="C"))
    return (x - weights["pixel.mean"][:, None, None]) / weights["pixel.spread"][:, None, None]


def _halvings(shape: Shape) -> tuple[bool, ...]:
    """After which convolutions the picture is halved: all three, but only two for pictures of up to 8 pixels."""
    return (not _small(shape), True, True)


def _sizes(kind: str, shape: Shape, classes: int) -> dict[str, tuple[int, ...]]:
    """Name and shape of each weight, those with a ".bias" after their ".weight"."""
    height, width, channels = shape
    sizes: dict[str, tuple[int, ...]] = {"pixel.mean": (channels,), "pixel.spread": (channels,)}

    def layer(name: str, *size: int) -> None:
        sizes[f"{name}.weight"], sizes[f"{name}.bias"] = size, size[:1]

    if kind == "cnn":
        for i, (wide, halved) in enumerate(zip(WIDTHS, _halvings(shape), strict=True)):
            layer(f"conv.{i}", wide, channels, 3, 3)
            channels = wide
            height, width = (height // 2, width // 2) if halved else (height, width)
        layer("hidden", HIDDEN, channels * height * width)
        layer("head", classes, HIDDEN)
        return sizes
    rows, columns, side = patches(shape)
    layer("patch", DIM, channels * side * side)
    sizes |= {"token": (1, DIM), "places": (rows * columns + 1, DIM)}
    for i in range(DEPTH):
        layer(f"block.{i}.norm1", DIM)
        layer(f"block.{i}.qkv", 3 * DIM, DIM)
        layer(f"block.{i}.out", DIM, DIM)
        layer(f"block.{i}.norm2", DIM)
        layer(f"block.{i}.wide", 2 * DIM, DIM)
        layer(f"block.{i}.narrow", DIM, 2 * DIM)
    layer("norm", DIM)
    layer("head", classes, DIM)
    return sizes


def _untrained(sizes: dict[str, tuple[int, ...]], seed: int) -> dict[str, Tensor]:
    """Normal weights of variance 2 / inputs before a ReLU and 1 / inputs elsewhere, biases 0, norms 1."""
    import torch

    chance = torch.Generator().manual_seed(seed)
    found = {}
    for name, size in sizes.items():
        if name.startswith("pixel"):
            found[name] = torch.full(size, 0.5)
        elif len(size) == 1:
            found[name] = torch.full(size, float("norm" in name and name.endswith("weight")))
        else:
            gain = 2 if name.startswith(("conv", "hidden")) else 1
            scale = PLACE if name in ("token", "places") else math.sqrt(gain / math.prod(size[1:]))
            found[name] = torch.randn(size, generator=chance) * scale
    return found


def _logits(kind: str, weights: Mapping[str, Tensor], x: Tensor) -> Tensor:
    return _linear(weights, "head", _vectors(kind, weights, x))


def _vectors(kind: str, weights: Mapping[str, Tensor], x: Tensor) -> Tensor:
    return _hidden(weights, x) if kind == "cnn" else _token(weights, x, None)


def _linear(weights: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    import torch

    return torch.nn.functional.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])


def _hidden(weights: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """The convolutional network up to its hidden layer: (b, c, h, w) to (b, 64)."""
    from torch.nn import functional

    for i, halved in enumerate(_halvings((x.shape[2], x.shape[3], x.shape[1]))):
        x = functional.relu(functional.conv2d(x, weights[f"conv.{i}.weight"], weights[f"conv.{i}.bias"], padding=1))
        x = functional.max_pool2d(x, 2) if halved else x
    return functional.relu(_linear(weights, "hidden", x.flatten(1)))


def _token(weights: Mapping[str, Tensor], x: Tensor, kept: list[Tensor] | None) -> Tensor:
    """The class token after the last norm, (b, c, h, w) to (b, DIM).

    `kept`, where it is a list, receives each block's attention of the class token to the patches: (b, heads, patches).
    """
    import torch
    from torch.nn import functional

    b, c, h, w = x.shape
    rows, columns, side = patches((h, w, c))
    x = x.view(b, c, rows, side, columns, side).permute(0, 2, 4, 1, 3, 5).reshape(b, rows * columns, c * side * side)
    x = _linear(weights, "patch", x)
    x = torch.cat([weights["token"].expand(b, 1, -1), x], 1) + weights["places"]  # (b, t, DIM), the token first

    def norm(x: Tensor, name: str) -> Tensor:
        return functional.layer_norm(x, (DIM,), weights[f"{name}.weight"], weights[f"{name}.bias"])

    for i in range(DEPTH):
        at = f"block.{i}"
        qkv = _linear(weights, f"{at}.qkv", norm(x, f"{at}.norm1")).unflatten(2, (3, HEADS, DIM // HEADS))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (b, heads, t, DIM / heads) each
        if kept is not None:
            share = (q[:, :, :1] @ k.transpose(2, 3) / math.sqrt(DIM // HEADS)).softmax(
                3
            )  # (b, heads, 1, t), sums to 1
            kept.append(share[:, :, 0, 1:])
        mixed = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + _linear(weights, f"{at}.out", mixed)
        x = x + _linear(
            weights, f"{at}.narrow", functional.gelu(_linear(weights, f"{at}.wide", norm(x, f"{at}.norm2")))
        )
    return norm(x[:, 0], "norm")
