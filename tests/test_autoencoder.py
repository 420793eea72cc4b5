"""The autoencoder: PCA's plane when it is linear, a seed is a seed, steps stay as they were, numbers by hand."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedkit.errors import InputError
from embedkit.images import autoencoder
from embedkit.images.autoencoder import Autoencoder, Recipe, Step, train
from embedkit.images.measures import fit_pca, kept_pca, knn_accuracy, mean_squared_error, pca_key
from embedkit.sources.pictures import digits
from embedkit.store import Store

TRAIN, HELD = digits().split(0.25, seed=0)


def noise(shape: tuple[int, ...], n: int = 5, seed: int = 3) -> Any:
    return np.random.default_rng(seed).random((n, *shape), np.float32)


def some_steps(recipe: Recipe, shape: tuple[int, ...] = (8, 8, 1), **more: Any) -> list[Step]:
    rows = {"train_rows": np.arange(70), "held_rows": np.arange(70, 90)}
    return list(train(noise(shape, 90), recipe, **rows, **more))


def bytes_of(step: Step) -> str:
    found = hashlib.sha256()
    for arrays in (step.weights, step.moments):
        for name, array in arrays.items():
            found.update(name.encode() + array.tobytes())
    return found.hexdigest()


def tilted() -> Any:
    """1,000 pictures of 4 x 4 that spread far in two directions and little in the others."""
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(16, 16)))[0]
    rows = rng.normal(size=(1000, 16)) * np.array([3, 2.5] + [0.3] * 14)
    return (rows @ turn.T + 0.5).astype(np.float32).reshape(-1, 4, 4, 1)


# What it learns


@pytest.mark.parametrize(("which", "epochs"), [("tilted", 200), ("digits", 700)])
def test_a_linear_one_spans_pcas_plane(which: str, epochs: int) -> None:
    from scipy.linalg import subspace_angles

    pixels = digits().pixels if which == "digits" else tilted()
    train_rows, held_rows = (TRAIN, HELD) if which == "digits" else (np.arange(750), np.arange(750, 1000))
    recipe = Recipe(linear=True, noise=0, epochs=epochs)
    *_, last = train(pixels, recipe, train_rows=train_rows, held_rows=held_rows)
    pca = fit_pca(pixels[train_rows], 2)
    angles = subspace_angles(last.weights["decoder.weight"], pca.components.T)
    assert np.degrees(angles).max() < 2
    model = Autoencoder(recipe, pixels.shape[1:], last.weights)
    for part in (pixels[train_rows], pixels[held_rows]):
        pcas = mean_squared_error(part, pca.reconstruct(part))
        assert mean_squared_error(part, model.reconstruct(part)) == pytest.approx(pcas, rel=0.01)


def test_digits_are_learned_better_than_by_pca() -> None:
    labels = np.array(digits().labels)
    recipe = Recipe(latent=2, epochs=45)
    steps = list(train(digits().pixels, recipe, train_rows=TRAIN, held_rows=HELD))
    assert [step.epoch for step in steps] == list(range(46))
    model = Autoencoder(recipe, (8, 8, 1), steps[-1].weights)
    pca = fit_pca(digits().pixels[TRAIN], 2)
    known, asked = digits().pixels[TRAIN], digits().pixels[HELD]
    ours, theirs = (mean_squared_error(asked, each.reconstruct(asked)) for each in (model, pca))
    assert ours < 0.7 * theirs
    near, far = (
        knn_accuracy(each.encode(known), labels[TRAIN], each.encode(asked), labels[HELD]) for each in (model, pca)
    )
    assert near > far + 0.1
    seconds = [step.seconds for step in steps]
    assert 0 < seconds[0] < seconds[-1]
    assert seconds == sorted(seconds)


def test_a_denoising_one_gives_less_noise_than_it_is_given() -> None:
    rng = np.random.default_rng(1)
    clean = digits().pixels[HELD]
    given = np.clip(clean + 0.4 * rng.standard_normal(clean.shape, np.float32), 0, 1)
    errors = {}
    for copy in (False, True):
        recipe = Recipe(latent=128, noise=0.4, epochs=20, copy=copy)
        *_, last = train(digits().pixels, recipe, train_rows=TRAIN, held_rows=HELD)
        errors[copy] = mean_squared_error(clean, Autoencoder(recipe, (8, 8, 1), last.weights).reconstruct(given))
    assert errors[False] < 0.6 * mean_squared_error(clean, given)
    assert errors[False] < 0.9 * errors[True]


# A seed is a seed


@pytest.mark.parametrize("recipe", [Recipe(epochs=2, noise=0), Recipe(epochs=2), Recipe("conv", epochs=2)])
def test_the_same_seed_gives_the_same_bytes_and_another_does_not(recipe: Recipe) -> None:
    one, two = some_steps(recipe), some_steps(recipe)
    assert [bytes_of(step) for step in one] == [bytes_of(step) for step in two]
    losses = [[(step.train_loss, step.held_loss) for step in steps] for steps in (one, two)]
    assert losses[0] == losses[1]
    other = some_steps(Recipe(recipe.kind, noise=recipe.noise, epochs=2, seed=1))
    assert len({bytes_of(step) for step in [*one, *other]}) == 6


PROGRAM = """
import sys
sys.path.insert(0, "tests")
import conftest
from test_autoencoder import in_two_sizes
print(*in_two_sizes())
"""


def in_two_sizes() -> list[str]:
    found = []
    for shape in ((8, 8, 1), (20, 20, 3)):  # one thread for the small ones, two for the others
        for recipe in (Recipe(epochs=2), Recipe("conv", epochs=2)):
            found.append(bytes_of(some_steps(recipe, shape)[-1]))
    return found


def test_another_process_gives_the_same_bytes() -> None:
    root = Path(__file__).resolve().parents[1]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", PROGRAM]
    out = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=True).stdout
    assert out.split() == in_two_sizes()
    assert len(set(out.split())) == 4


def test_torchs_own_random_numbers_are_left_alone() -> None:
    import torch

    before = torch.get_rng_state()
    first = some_steps(Recipe(epochs=2))
    assert torch.equal(torch.get_rng_state(), before)
    walk = train(noise((8, 8, 1), 90), Recipe(epochs=2), train_rows=np.arange(70), held_rows=np.arange(70, 90))
    found = []
    for step in walk:  # what others draw in between is of no account
        found.append(bytes_of(step))
        torch.rand(3)
    assert found == [bytes_of(step) for step in first]


def test_a_seed_gives_each_epoch_an_order_and_noise_of_its_own() -> None:
    plain, noisy, copied = (
        bytes_of(some_steps(recipe)[-1])
        for recipe in (Recipe(epochs=1, noise=0), Recipe(epochs=1), Recipe(epochs=1, copy=True))
    )
    assert len({plain, noisy, copied}) == 3
    assert bytes_of(some_steps(Recipe(epochs=1, noise=0, copy=True))[-1]) == plain  # without noise, nothing to copy
    start = some_steps(Recipe(epochs=1))[0]
    from_the_same = [some_steps(Recipe(epochs=1, noise=0, seed=seed), after=start)[-1] for seed in (0, 1)]
    assert len({bytes_of(step) for step in from_the_same}) == 2  # the order is the seed's as well


# Steps


def test_a_step_never_changes() -> None:
    walk = train(noise((8, 8, 1), 90), Recipe(epochs=3), train_rows=np.arange(70), held_rows=np.arange(70, 90))
    steps, before = [], []
    for step in walk:
        steps.append(step)
        before.append(bytes_of(step))
    assert [bytes_of(step) for step in steps] == before
    assert len(set(before)) == 4
    for arrays in (steps[1].weights, steps[1].moments):
        for array in arrays.values():
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0
    with pytest.raises(FrozenInstanceError):
        steps[1].epoch = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(epochs=4, noise=0),
        Recipe(epochs=4, noise=0.3, seed=5),
        Recipe(epochs=4, noise=0.3, copy=True),
        Recipe(epochs=4, linear=True),
        Recipe("conv", latent=3, epochs=4),
    ],
)
def test_going_on_from_any_step_gives_the_same_bytes_as_never_having_stopped(recipe: Recipe) -> None:
    whole = some_steps(recipe)
    assert [step.epoch for step in whole] == [0, 1, 2, 3, 4]
    for step in whole:
        rest = some_steps(recipe, after=step)
        assert [each.epoch for each in rest] == list(range(step.epoch + 1, 5))
        later = whole[step.epoch + 1 :]
        assert [bytes_of(each) for each in rest] == [bytes_of(each) for each in later]
        assert [(s.train_loss, s.held_loss) for s in rest] == [(s.train_loss, s.held_loss) for s in later]
        assert all(each.seconds > step.seconds for each in rest)


def test_epoch_0_is_untrained() -> None:
    recipe = Recipe(epochs=1, seed=4)
    first, then = some_steps(recipe)
    own = {name: tensor.numpy() for name, tensor in Autoencoder(recipe, (8, 8, 1)).network.state_dict().items()}
    assert list(own) == list(first.weights)
    assert all(np.array_equal(own[name], first.weights[name]) for name in own)
    assert not first.moments
    assert (first.epoch, first.epochs) == (0, 1)
    assert not any(np.array_equal(own[name], then.weights[name]) for name in own)


def gelu(x: Any) -> Any:
    from scipy.special import erf

    return 0.5 * x * (1 + erf(x / np.sqrt(2)))


def dense(weights: Mapping[str, Any], part: str, x: Any) -> Any:
    """The forward pass of a dense one by hand: three layers, GELU after the first two."""
    for layer in (0, 2, 4):
        x = x @ weights[f"{part}.{layer}.weight"].astype(np.float64).T + weights[f"{part}.{layer}.bias"]
        x = gelu(x) if layer < 4 else x
    return 1 / (1 + np.exp(-x)) if part == "decoder" else x


def test_a_dense_one_is_what_numpy_makes_of_its_weights() -> None:
    for shape, wide in (((8, 8, 1), 256), ((9, 11, 3), 512)):
        last = some_steps(Recipe(latent=3, epochs=2), shape)[-1]
        model = Autoencoder(Recipe(latent=3), shape, last.weights)
        pixels = noise(shape, 6)
        codes = dense(last.weights, "encoder", pixels.reshape(6, -1))
        assert codes.shape == (6, 3)
        np.testing.assert_allclose(model.encode(pixels), codes, atol=1e-5)
        pictures = dense(last.weights, "decoder", codes).reshape(6, *shape)
        np.testing.assert_allclose(model.decode(codes), pictures, atol=1e-5)
        np.testing.assert_allclose(model.reconstruct(pixels), pictures, atol=1e-5)
        assert model.encode(pixels).dtype == model.decode(codes).dtype == np.float32
        assert last.weights["encoder.0.weight"].shape == (wide, np.prod(shape))
        assert model.parameters == sum(array.size for array in last.weights.values())


def test_the_losses_of_a_step_are_those_of_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autoencoder, "MEASURED", 40)
    pixels = noise((8, 8, 1), 90)
    for step in some_steps(Recipe(epochs=2)):
        flat = pixels.reshape(90, -1)
        off = (dense(step.weights, "decoder", dense(step.weights, "encoder", flat)) - flat) ** 2
        assert step.train_loss == pytest.approx(off[:40].mean(), rel=1e-5)
        assert step.held_loss == pytest.approx(off[70:].mean(), rel=1e-5)


def test_a_linear_one_has_no_bend() -> None:
    model = Autoencoder(Recipe(linear=True, latent=4), (8, 8, 1))
    weights = {name: tensor.numpy() for name, tensor in model.network.state_dict().items()}
    assert {name: array.shape for name, array in weights.items()} == {
        "encoder.weight": (4, 64),
        "encoder.bias": (4,),
        "decoder.weight": (64, 4),
        "decoder.bias": (64,),
    }
    flat = noise((8, 8, 1)).reshape(5, 64)
    codes = flat @ weights["encoder.weight"].T + weights["encoder.bias"]
    found = codes @ weights["decoder.weight"].T + weights["decoder.bias"]
    np.testing.assert_allclose(model.reconstruct(noise((8, 8, 1))).reshape(5, 64), found, atol=1e-5)


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (12, 20, 3)])
@pytest.mark.parametrize("kind", ["dense", "conv"])
def test_shapes_and_ranges(kind: Any, shape: tuple[int, ...]) -> None:
    model = Autoencoder(Recipe(kind, latent=5), shape)
    pixels = noise(shape)
    codes = model.encode(pixels)
    assert (codes.shape, codes.dtype) == ((5, 5), np.float32)
    pictures = model.decode(40 * codes)
    assert (pictures.shape, pictures.dtype) == ((5, *shape), np.float32)
    assert 0 <= pictures.min() <= pictures.max() <= 1
    assert model.reconstruct(pixels[:0]).shape == (0, *shape)


def test_a_convolutional_one_is_what_torchs_functions_make_of_its_weights() -> None:
    import torch
    from torch.nn import functional as f

    model = Autoencoder(Recipe("conv", latent=3), (8, 12, 3))
    w = {name: tensor.numpy() for name, tensor in model.network.state_dict().items()}
    pixels = noise((8, 12, 3))

    def layer(part: str, i: int) -> tuple[Any, Any]:
        return torch.tensor(w[f"{part}.{i}.weight"]), torch.tensor(w[f"{part}.{i}.bias"])

    x = torch.tensor(pixels.transpose(0, 3, 1, 2).copy())  # channels first
    x = f.gelu(f.conv2d(x, *layer("encoder", 2), stride=2, padding=1))
    x = f.gelu(f.conv2d(x, *layer("encoder", 4), stride=2, padding=1))
    assert x.shape == (5, 32, 2, 3)  # halved twice
    codes = f.linear(f.gelu(f.linear(x.flatten(1), *layer("encoder", 7))), *layer("encoder", 9))
    np.testing.assert_allclose(model.encode(pixels), codes.numpy(), atol=1e-5)
    x = f.gelu(f.linear(f.gelu(f.linear(codes, *layer("decoder", 0))), *layer("decoder", 2))).reshape(5, 32, 2, 3)
    x = f.gelu(f.conv_transpose2d(x, *layer("decoder", 5), stride=2, padding=1))
    x = f.conv_transpose2d(x, *layer("decoder", 7), stride=2, padding=1).sigmoid()
    np.testing.assert_allclose(model.reconstruct(pixels), x.numpy().transpose(0, 2, 3, 1), atol=1e-5)


def test_many_pictures_pass_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Autoencoder(Recipe(), (8, 8, 1))
    pixels = noise((8, 8, 1), 11)
    once = model.reconstruct(pixels)
    monkeypatch.setattr(autoencoder, "AT_ONCE", 3)
    np.testing.assert_allclose(model.reconstruct(pixels), once, atol=1e-6)
    assert len(model.encode(pixels)) == 11


# What is said meanwhile, and what is refused


def test_the_heartbeat_is_told_how_far_it_is_and_may_end_it() -> None:
    told: list[float] = []
    some_steps(Recipe(epochs=40), heartbeat=told.append)  # 70 pictures: 2 batches an epoch
    np.testing.assert_allclose(told, np.arange(8) / 8)

    def stop(done: float) -> None:
        if done >= 0.5:
            raise InterruptedError

    walk = train(
        noise((8, 8, 1), 90),
        Recipe(epochs=40),
        train_rows=np.arange(70),
        held_rows=np.arange(70, 90),
        heartbeat=stop,
    )
    seen = []
    with pytest.raises(InterruptedError):
        seen.extend(step.epoch for step in walk)
    assert seen == list(range(21))
    again: list[float] = []
    some_steps(Recipe(epochs=40), after=some_steps(Recipe(epochs=40))[30], heartbeat=again.append)
    np.testing.assert_allclose(again, [0.75, 0.875])  # gone on with, it begins where it was


def test_the_rate_rises_for_a_seventh_and_falls_to_nothing() -> None:
    rates = np.array([autoencoder._rate(done, 1000) for done in range(1000)])
    assert rates.argmax() == 150
    assert rates.max() == pytest.approx(autoencoder.RATE)
    assert rates[0] == pytest.approx(0.04 * autoencoder.RATE)
    assert rates[-1] < 1e-4 * autoencoder.RATE
    assert (np.diff(rates[:151]) > 0).all()
    assert (np.diff(rates[150:]) < 0).all()
    assert autoencoder._rate(575, 1000) == pytest.approx(autoencoder.RATE / 2)  # halfway down
    assert [autoencoder._rate(0, 1), autoencoder._rate(1, 1)] == pytest.approx([0.04 * autoencoder.RATE, 4e-3])


@pytest.mark.parametrize(
    ("n", "pixels", "recipe", "epochs"),
    [
        (1_348, 64, Recipe(), 148),  # 200,000 pictures seen
        (1_348, 64, Recipe("conv"), 89),  # 120,000
        (1_348, 784, Recipe(), 52),  # 70,000
        (60_000, 784, Recipe(), 8),
        (100, 64, Recipe(), 150),
        (0, 64, Recipe(), 150),
        (100, 64, Recipe(epochs=3), 3),
    ],
)
def test_epochs_follow_from_the_data(n: int, pixels: int, recipe: Recipe, epochs: int) -> None:
    whole = recipe.whole(n, pixels)
    assert whole.epochs == epochs
    assert (whole.kind, whole.latent, whole.seed) == (recipe.kind, recipe.latent, recipe.seed)


@pytest.mark.parametrize(
    ("name", "values", "limits"),
    [
        ("latent", (1, 129), ("2", "128")),
        ("noise", (-0.1, 1.5, float("nan")), ("0", "1")),
        ("epochs", (-1, 2_001), ("0", "2000")),
        ("seed", (-1, 2**31), ("0", "2.14748e+09")),
    ],
)
def test_a_recipe_has_limits(name: str, values: tuple[float, ...], limits: tuple[str, str]) -> None:
    for value in values:
        with pytest.raises(InputError) as caught:
            Recipe(**{name: value})  # type: ignore[arg-type]
        text = str(caught.value)
        assert text == f"{name} must lie between {limits[0]} and {limits[1]}, not {value:g}."
    for value in autoencoder.LIMITS[name]:
        assert getattr(Recipe(**{name: value}), name) == value  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no autoencoder 'rnn'; use dense or conv"):
        Recipe("rnn")  # type: ignore[arg-type]


def test_what_does_not_fit_is_refused() -> None:
    for shape in ((30, 30, 1), (32, 30, 1), (30, 32, 3)):
        with pytest.raises(InputError, match=f"{shape[0]} x {shape[1]} cannot be halved"):
            Autoencoder(Recipe("conv"), shape)
        Autoencoder(Recipe("dense"), shape)
    model = Autoencoder(Recipe(latent=3), (8, 8, 1))
    with pytest.raises(InputError, match=r"pictures of shape \(8, 8, 1\), not \(8, 8, 3\)"):
        model.encode(noise((8, 8, 3)))
    with pytest.raises(InputError, match=r"not \(28, 28, 1\)"):
        model.reconstruct(noise((28, 28, 1)))
    with pytest.raises(InputError, match=r"vectors of 3 numbers, not of \(2,\)"):
        model.decode(np.zeros((4, 2), np.float32))
    with pytest.raises(InputError, match="vectors of 3 numbers"):
        model.decode(np.zeros(3, np.float32))
    for rows, held in ((1, 3), (3, 0)):
        with pytest.raises(InputError, match="two pictures and one held out; here are 90"):
            next(train(noise((8, 8, 1), 90), Recipe(epochs=1), train_rows=np.arange(rows), held_rows=np.arange(held)))


# Measures


def test_knn_accuracy_is_what_a_vote_by_hand_gives() -> None:
    rng = np.random.default_rng(0)
    known, asked = rng.normal(size=(60, 3)), rng.normal(size=(40, 3))
    labels, truth = rng.integers(0, 3, 60), rng.integers(0, 3, 40)
    for k in (1, 4, 5):
        near = np.linalg.norm(asked[:, None] - known[None], axis=2).argsort(1)[:, :k]
        votes = np.array([np.bincount(labels[rows], minlength=3).argmax() for rows in near])  # of equals the first
        assert knn_accuracy(known, labels.tolist(), asked, truth.tolist(), k) == pytest.approx((votes == truth).mean())
    five = knn_accuracy(known, labels.tolist(), asked, truth.tolist(), 5)
    assert knn_accuracy(known, labels.tolist(), asked, truth.tolist()) == five
    words = [f"name {label}" for label in labels], [f"name {label}" for label in truth]
    assert knn_accuracy(known, words[0], asked, words[1]) == five  # what labels are called is of no account


def test_knn_accuracy_at_its_edges() -> None:
    places = np.array([[0.0], [1.0], [10.0]])
    assert knn_accuracy(places, "aab", places[:2], "aa") == 1  # fewer known ones than neighbors asked for
    assert knn_accuracy(places, "aab", places[2:], "b", k=1) == 1
    assert knn_accuracy(places, "aaa", places, "bbb") == 0
    with pytest.raises(InputError, match="two different labels"):
        knn_accuracy(places, "aaa", places, "aaa")


@pytest.mark.parametrize(("n", "shape", "size"), [(100, (4, 4, 1), 3), (10, (4, 4, 3), 3), (5, (2, 2, 1), 4)])
def test_pca_equals_the_singular_vectors(n: int, shape: tuple[int, ...], size: int) -> None:
    pixels = noise(shape, n)
    rows = pixels.reshape(n, -1).astype(np.float64)
    directions = np.linalg.svd(rows - rows.mean(0), full_matrices=False)[2][:size]
    pca = fit_pca(pixels, size)
    np.testing.assert_allclose(pca.mean, rows.mean(0), atol=1e-6)
    np.testing.assert_allclose(np.abs(pca.components @ directions.T), np.eye(size), atol=1e-3)
    peaks = np.abs(pca.components).argmax(1)
    assert (pca.components[np.arange(size), peaks] > 0).all()  # signs are fixed: the largest number is positive
    codes = (rows - rows.mean(0)) @ pca.components.T.astype(np.float64)
    np.testing.assert_allclose(pca.encode(pixels), codes, atol=1e-5)
    back = (rows.mean(0) + codes @ pca.components).reshape(pixels.shape)
    np.testing.assert_allclose(pca.reconstruct(pixels), back, atol=1e-5)
    assert (pca.size, pca.shape) == (size, shape)


def test_pcas_size_is_cut_to_what_there_is() -> None:
    assert fit_pca(noise((2, 2, 1), 20), 128).size == 4
    assert fit_pca(noise((8, 8, 1), 7), 128).size == 7
    pixels = noise((2, 2, 1), 20)
    np.testing.assert_allclose(fit_pca(pixels, 4).reconstruct(pixels), pixels, atol=1e-5)  # nothing is lost
    flipped = fit_pca(1 - pixels, 4)
    np.testing.assert_allclose(flipped.components, fit_pca(pixels, 4).components, atol=1e-3)  # signs are not chance
    for n, size in ((0, 2), (5, 0)):
        with pytest.raises(InputError, match=f"here are {n} pictures"):
            fit_pca(noise((8, 8, 1), n), size)
    assert fit_pca(pixels, 4).reconstruct(pixels[:0]).shape == (0, 2, 2, 1)


def test_a_kept_pca_is_read_and_another_computed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    pca, codes = kept_pca(digits(), 3, store)
    np.testing.assert_array_equal(pca.components, fit_pca(digits().pixels[TRAIN], 3).components)
    np.testing.assert_array_equal(codes, pca.encode(digits().pixels))
    arrays = {"mean": pca.mean, "components": pca.components + 1, "codes": codes + 2}
    store.put(pca_key(digits().digest, 3), arrays)
    read, theirs = kept_pca(digits(), 3, store)
    np.testing.assert_array_equal(read.components, pca.components + 1)
    np.testing.assert_array_equal(theirs, codes + 2)
    assert (read.shape, theirs.dtype) == ((8, 8, 1), np.float32)
    assert len({pca_key("a", 2), pca_key("a", 3), pca_key("b", 2)}) == 3


def test_the_squared_error_is_taken_in_parts_and_in_full() -> None:
    given, found = noise((2, 2, 1), 5_000, seed=1), noise((2, 2, 1), 5_000, seed=2)
    off = (given.astype(np.float64) - found) ** 2
    assert mean_squared_error(given, found) == pytest.approx(off.mean(), rel=1e-6)
    assert mean_squared_error(given[:1], found[:1]) == pytest.approx(off[:1].mean(), rel=1e-6)
    assert mean_squared_error(np.zeros((1, 1, 2, 1)), np.array([[[[0.5], [0.0]]]])) == 0.125
    assert mean_squared_error(given, given) == 0
    assert mean_squared_error(given[:0], found[:0]) == 0
