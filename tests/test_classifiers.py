"""Classifiers: what they learn, that a seed is a seed, that steps stay as they were, and which layer is handed out."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedkit.errors import InputError
from embedkit.images import classifiers
from embedkit.images.classifiers import Classifier, ClassifierRecipe, ClassifierStep, patches, train_classifier
from embedkit.sources.pictures import digits

FEWER = {"cnn": 8, "vit": 15}  # epochs, for a quick test; the kinds' own learn more
SHAPES = [(8, 8, 1), (28, 28, 1), (32, 32, 3)]
TRAIN, HELD = digits().split(0.25, seed=0)
TARGETS = np.array([int(label) for label in digits().labels])


def steps_on_digits(kind: str, epochs: int = 0, rows: int = 0) -> list[ClassifierStep]:
    recipe = ClassifierRecipe(kind, epochs)
    some = TRAIN[:rows] if rows else TRAIN
    return list(train_classifier(digits().pixels, TARGETS, recipe, train_rows=some, held_rows=HELD))


@pytest.fixture(scope="module", params=["cnn", "vit"])
def trained(request: pytest.FixtureRequest) -> tuple[str, list[ClassifierStep]]:
    return request.param, steps_on_digits(request.param, FEWER[request.param])


def noise(shape: tuple[int, int, int], n: int = 5) -> Any:
    return np.random.default_rng(3).random((n, *shape), np.float32)


def softmax(x: Any) -> Any:
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


# What they learn


def test_digits_are_learned(trained: tuple[str, list[ClassifierStep]]) -> None:
    kind, steps = trained
    assert [step.epoch for step in steps] == list(range(FEWER[kind] + 1))
    assert steps[0].held_accuracy < 0.3
    assert steps[-1].held_accuracy > {"cnn": 0.96, "vit": 0.93}[kind]
    assert steps[-1].train_accuracy > 0.97
    assert steps[-1].train_loss < 0.1 < steps[0].train_loss
    seconds = [step.seconds for step in steps]
    assert seconds == sorted(seconds)
    assert seconds[0] > 0


def test_the_figures_of_a_step_are_those_of_its_weights(trained: tuple[str, list[ClassifierStep]]) -> None:
    kind, steps = trained
    for step in (steps[0], steps[3]):
        found = Classifier(ClassifierRecipe(kind), (8, 8, 1), 10, step.weights).predict(digits().pixels)
        right = found.argmax(1) == TARGETS
        assert step.held_accuracy == pytest.approx(right[HELD].mean())
        assert step.train_accuracy == pytest.approx(right[TRAIN].mean())
        loss = -np.log(found[TRAIN, TARGETS[TRAIN]]).mean()
        assert step.train_loss == pytest.approx(loss, rel=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["cnn", "vit"])
def test_every_size_of_picture_is_learned(kind: str, shape: tuple[int, int, int]) -> None:
    bright = np.arange(40) % 2
    pixels = noise(shape, 40) * 0.3 + 0.6 * bright[:, None, None, None].astype(np.float32)
    recipe = ClassifierRecipe(kind, epochs=8)
    steps = list(train_classifier(pixels, bright, recipe, train_rows=range(30), held_rows=range(30, 40)))
    assert steps[-1].train_loss < 0.5 * steps[0].train_loss
    assert steps[-1].held_accuracy == 1
    network = Classifier(recipe, shape, 2, steps[-1].weights)
    assert (network.predict(pixels).shape, network.predict(pixels).dtype) == ((40, 2), np.float32)
    assert len(network.encode(pixels)) == 40
    assert network.encode(pixels[:0]).shape == (0, network.encode(pixels).shape[1])


# A seed is a seed


def test_the_same_seed_gives_the_same_bytes_and_another_does_not() -> None:
    for kind in ("cnn", "vit"):
        one, two = (steps_on_digits(kind, 2, 300) for _ in range(2))
        assert [w.tobytes() for w in one[-1].weights.values()] == [w.tobytes() for w in two[-1].weights.values()]
        assert [s.train_loss for s in one] == [s.train_loss for s in two]
        first = Classifier(ClassifierRecipe(kind, seed=0), (8, 8, 1), 10).encode(digits().pixels[:5])
        other = Classifier(ClassifierRecipe(kind, seed=1), (8, 8, 1), 10).encode(digits().pixels[:5])
        assert not np.allclose(first, other)


PROGRAM = """
import hashlib
import numpy as np
from embedkit.images.classifiers import ClassifierRecipe, train_classifier
pixels = np.random.default_rng(0).random((96, 28, 28, 1), np.float32)
for kind in ("cnn", "vit"):
    rows = {"train_rows": range(64), "held_rows": range(64, 96)}
    *_, last = train_classifier(pixels, np.arange(96) % 3, ClassifierRecipe(kind, 2), **rows)
    print(hashlib.sha256(b"".join(w.tobytes() for w in last.weights.values())).hexdigest())
"""


def test_two_processes_give_the_same_bytes() -> None:
    def run(threads: str) -> str:
        env = {**os.environ, "OMP_NUM_THREADS": threads}
        root = Path(__file__).resolve().parents[1]
        command = [sys.executable, "-c", PROGRAM]
        return subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=True).stdout

    one = run("2")
    assert len(set(one.split())) == 2
    assert run("1") == one  # how many threads a process came with is of no account


def test_torchs_own_random_numbers_and_threads_are_left_alone() -> None:
    import torch

    before, threads = torch.get_rng_state(), torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        steps_on_digits("cnn", 1, 100)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_step_never_changes() -> None:
    recipe = ClassifierRecipe("cnn", 2)
    walk = train_classifier(digits().pixels, TARGETS, recipe, train_rows=TRAIN[:200], held_rows=HELD)
    first = next(walk)
    copies = {name: array.copy() for name, array in first.weights.items()}
    rest = list(walk)
    assert all(np.array_equal(copies[name], array) for name, array in first.weights.items())
    assert not np.array_equal(rest[-1].weights["head.weight"], first.weights["head.weight"])
    with pytest.raises(ValueError, match="read-only"):
        first.weights["head.weight"][0] = 0
    with pytest.raises(AttributeError):
        first.epoch = 3  # type: ignore[misc]


# Which layer is handed out


def test_the_head_reads_what_encode_hands_out(trained: tuple[str, list[ClassifierStep]]) -> None:
    kind, steps = trained
    weights, pixels = steps[-1].weights, digits().pixels[:50]
    network = Classifier(ClassifierRecipe(kind), (8, 8, 1), 10, weights)
    vectors = network.encode(pixels)
    assert (vectors.shape, vectors.dtype) == ((50, {"cnn": 64, "vit": 48}[kind]), np.float32)
    by_hand = softmax(vectors @ weights["head.weight"].T + weights["head.bias"])
    np.testing.assert_allclose(network.predict(pixels), by_hand, atol=1e-5)


def test_batches_give_what_single_pictures_give(
    trained: tuple[str, list[ClassifierStep]], monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, steps = trained
    network = Classifier(ClassifierRecipe(kind), (8, 8, 1), 10, steps[-1].weights)
    pixels = digits().pixels[:7]
    singles = np.concatenate([network.encode(pixels[i : i + 1]) for i in range(7)])
    monkeypatch.setattr(classifiers, "AT_ONCE", 3)
    np.testing.assert_allclose(network.encode(pixels), singles, atol=1e-5)


def test_attention_is_a_share_and_the_first_layers_equals_one_by_hand() -> None:
    network = Classifier(ClassifierRecipe("vit"), (8, 8, 1), 3)
    w = {name: tensor.numpy() for name, tensor in network._weights.items()}
    picture = noise((8, 8, 1), 2)
    found = network.attention(picture)
    assert (found.shape, found.dtype) == ((2, 3, 4, 4, 4), np.float32)

    x = (picture[1, :, :, 0] - 0.5) / 0.5
    flat = np.array([x[r : r + 2, c : c + 2].ravel() for r in range(0, 8, 2) for c in range(0, 8, 2)])  # (16, 4)
    tokens = np.vstack([w["token"], flat @ w["patch.weight"].T + w["patch.bias"]]) + w["places"]  # (17, 48)
    normed = (tokens - tokens.mean(1, keepdims=True)) / np.sqrt(tokens.var(1, keepdims=True) + 1e-5)
    qkv = normed @ w["block.0.qkv.weight"].T + w["block.0.qkv.bias"]  # (17, 144)
    for head in range(4):
        part = slice(12 * head, 12 * head + 12)
        q, k = qkv[0, :48][part], qkv[:, 48:96][:, part]
        by_hand = softmax(k @ q / np.sqrt(12))  # (17,)
        np.testing.assert_allclose(found[1, 0, head].ravel(), by_hand[1:], atol=1e-5)
        assert 1 - found[1, 0, head].sum() == pytest.approx(by_hand[0], abs=1e-5)


def test_attention_of_a_trained_network_is_a_share(trained: tuple[str, list[ClassifierStep]]) -> None:
    kind, steps = trained
    network = Classifier(ClassifierRecipe(kind), (8, 8, 1), 10, steps[-1].weights)
    if kind == "cnn":
        for ask in (lambda: network.attention(digits().pixels[:1]), network.patches):
            with pytest.raises(InputError, match="A cnn has no patches"):
                ask()
        return
    found = network.attention(digits().pixels[:9])
    assert found.min() >= 0
    assert (found.sum((3, 4)) < 1 + 1e-5).all()
    assert found.std((3, 4)).max() > 0.05  # it looks somewhere
    assert network.patches() == (4, 4, 2)


def test_patches_cover_the_picture() -> None:
    assert [patches(shape) for shape in SHAPES] == [(4, 4, 2), (7, 7, 4), (8, 8, 4)]
    with pytest.raises(InputError, match="Pictures of 30 x 30 cannot be cut into patches of 4 x 4"):
        patches((30, 30, 3))


# What does not fit


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"kind": "mlp"}, "a 'cnn' or a 'vit', not 'mlp'"),
        ({"epochs": -1}, r"1 to 500 epochs.*: -1"),
        ({"epochs": 501}, r"1 to 500 epochs.*: 501"),
        ({"seed": -1}, "0 to 4,294,967,295, not -1"),
        ({"seed": 2**32}, "0 to 4,294,967,295, not 4,294,967,296"),
    ],
)
def test_a_recipe_says_what_does_not_fit(given: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        ClassifierRecipe(**given)


def test_no_epochs_means_the_kinds_own() -> None:
    assert [ClassifierRecipe(kind).length for kind in ("cnn", "vit")] == [15, 35]
    assert ClassifierRecipe("vit", 3).length == 3


def test_what_cannot_be_learned_is_refused_when_called() -> None:
    pixels, targets = noise((8, 8, 1), 10), np.arange(10) % 2
    good: dict[str, Any] = {"pixels": pixels, "targets": targets, "train_rows": range(6), "held_rows": range(6, 10)}

    def told(**changed: Any) -> str:
        given = {**good, "recipe": ClassifierRecipe(), **changed}
        with pytest.raises(InputError) as caught:
            train_classifier(given.pop("pixels"), given.pop("targets"), given.pop("recipe"), **given)
        return str(caught.value)

    next(train_classifier(pixels, targets, ClassifierRecipe(), train_rows=range(6), held_rows=range(6, 10)))
    assert "at least two classes are needed; the rows to train on hold 1" in told(train_rows=[0, 2, 4])
    assert "3 rows stand in both parts" in told(held_rows=range(3, 10))
    assert "from 0 to 9" in told(train_rows=[0, 10])
    assert "from 0 to 9" in told(held_rows=[])
    assert "not 0 to 255" in told(pixels=np.linspace(0, 255, 640, dtype=np.float32).reshape(10, 8, 8, 1))
    assert "numbers from 0 to 1, not nan" in told(pixels=np.where(pixels > 0.5, np.nan, pixels))
    assert "numbered from 0, not from -1" in told(targets=targets - 1)
    assert "not (10, 8, 8, 1) and float64 (10,)" in told(targets=targets / 2)
    assert "not (10, 64)" in told(pixels=pixels.reshape(10, 64))
    assert "1 or 3 channels, not 8 x 8 x 2" in told(pixels=np.repeat(pixels, 2, axis=3))
    wide = noise((10, 8, 1), 10)
    assert "10 x 8 cannot be cut into patches" in told(pixels=wide, recipe=ClassifierRecipe("vit"))


def test_a_network_refuses_other_pictures_and_other_weights() -> None:
    network = Classifier(ClassifierRecipe("cnn"), (8, 8, 1), 3)
    with pytest.raises(InputError, match=r"pictures \(n, 8, 8, 1\), not \(5, 28, 28, 1\)"):
        network.predict(noise((28, 28, 1)))
    weights = {name: tensor.numpy() for name, tensor in network._weights.items()}
    with pytest.raises(InputError, match=r"not of a cnn for 28 x 28 x 1 and 3 classes: hidden.weight is"):
        Classifier(ClassifierRecipe("cnn"), (28, 28, 1), 3, weights)
    del weights["head.bias"]
    with pytest.raises(InputError, match=r"head.bias is nothing, not"):
        Classifier(ClassifierRecipe("cnn"), (8, 8, 1), 3, weights)
    with pytest.raises(InputError, match="2 to 1,000 classes apart, not 1"):
        Classifier(ClassifierRecipe("cnn"), (8, 8, 1), 1)
