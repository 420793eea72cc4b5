"""Pictures for workers, a training as a job: kept, stopped, gone on with; pitfalls and makers of vectors measured."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from embedkit.errors import InputError, JobDied, JobStopped, NotInstalled
from embedkit.images import autoencoder, compare, pitfalls, training
from embedkit.images.autoencoder import Autoencoder, Recipe, train
from embedkit.images.classifiers import Classifier, ClassifierRecipe
from embedkit.images.measures import fit_pca, knn_accuracy, mean_squared_error
from embedkit.images.source import Source, examples, keep_own, label_columns, load_source
from embedkit.images.training import (
    figures_of,
    kept_epochs,
    kept_steps,
    kept_training,
    request_training,
    trained_at,
    training_key,
)
from embedkit.jobs import Job, Pool
from embedkit.sources.pictures import Pictures, digits
from embedkit.store import Entry, Store, default_store, step_key
from embedkit.worker import Report

FEW = Source("digits", 200)  # 150 to train on: 3 batches an epoch
SHAPE = (8, 8, 1)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """One worker, as loading torch is most of the time a test takes; its store is that of this process as well."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMBEDKIT_HOME", str(home))
        pool = Pool(1, default_store(), threads=1)
        assert pool.store.root == home
        yield pool
        pool.close()


def ended(job: Job) -> Job:
    assert job.wait(60), f"{job.title} is still {job.state}: {job.text}"
    return job


def eventually(true: Callable[[], object]) -> None:
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until
        time.sleep(0.005)


def some(labels: list[str], shape: tuple[int, ...] = (4, 4, 1), **factors: Any) -> Pictures:
    pixels = np.random.default_rng(1).random((len(labels), *shape), np.float32)
    names = tuple(f"picture {i}" for i in range(len(labels)))
    return Pictures("some", "Some pictures", pixels, tuple(labels), names, pd.DataFrame(factors), "own", 2026)


def weights_here(source: Source, recipe: Recipe) -> dict[str, bytes]:
    """Those of a training in this process that nobody stopped."""
    pictures = load_source(source)
    train_rows, held_rows = pictures.split()
    *_, last = train(pictures.pixels, recipe, train_rows=train_rows, held_rows=held_rows)
    return {name: array.tobytes() for name, array in last.weights.items()}


def weights_in(arrays: Mapping[str, Any]) -> dict[str, bytes]:
    return {name[2:]: array.tobytes() for name, array in arrays.items() if name.startswith("w.")}


# Which pictures


def test_a_source_names_pictures() -> None:
    assert load_source(Source()) is digits()
    assert load_source(Source("digits", 200)).n == 200
    assert load_source(Source("shapes", 50)).pixels.shape == (50, 32, 32, 3)
    assert load_source(FEW) is load_source(Source("digits", 200))  # shared
    assert Source(**FEW.params()) == FEW
    with pytest.raises(InputError, match="no picture set 'faces'"):
        load_source(Source("faces"))


def test_own_pictures_are_kept_once_and_come_back_as_they_were(pool: Pool) -> None:
    own = some(["a", "b", "b"], (5, 6, 3), tone=["dark", "light", "dark"], place=[1, 2, 3])
    source = keep_own(own, pool.store)
    found = load_source(source)
    assert source.key == "own"
    assert (found.title, found.labels, found.names) == (own.title, own.labels, own.names)
    np.testing.assert_array_equal(found.pixels, own.pixels)
    pd.testing.assert_frame_equal(found.factors, own.factors)
    assert found.digest == own.digest
    assert not found.pixels.flags.writeable
    files = list(pool.store.root.glob("store/*/*.ek"))
    assert keep_own(some(["a", "b", "b"], (5, 6, 3)), pool.store) == source
    assert list(pool.store.root.glob("store/*/*.ek")) == files
    assert keep_own(some(["a", "b", "c"], (5, 6, 3)), pool.store) != source
    for gone in (Source("own", own="0" * 32), Source("own")):
        with pytest.raises(InputError, match="no longer kept here"):
            load_source(gone)


def test_own_pictures_need_room(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no room on the disk"):
        keep_own(some(["a", "b"]), Store(tmp_path, limit_bytes=100))


def test_columns_are_what_pictures_can_be_sorted_by() -> None:
    labels = ["cat", "dog", "dog", "cow"] * 6
    found = label_columns(
        some(
            labels,
            code=[{"cat": 0, "dog": 1, "cow": 2}[label] for label in labels],  # the label in another spelling
            big=[label == "cow" for label in labels],
            year=[2026] * 24,  # one value
            place=list(range(24)),  # too many
            turn=[i % 20 for i in range(24)],  # as many as there may be
            near=[i % 21 for i in range(24)],  # one more
            kind=[0 if label == "cat" else i % 2 + 1 for i, label in enumerate(labels)],  # as many, parted otherwise
        )
    )
    assert list(found) == ["label", "big", "turn", "kind"]
    assert found["label"] == tuple(labels)
    assert found["big"][:4] == ("False", "False", "False", "True")
    assert found["turn"][:2] == ("0", "1")


def test_columns_where_the_label_is_none() -> None:
    assert label_columns(some(["x"] * 4)) == {}
    assert list(label_columns(some(["x"] * 4, tone=[1, 1, 2, 2]))) == ["tone"]
    assert label_columns(some([str(i) for i in range(21)])) == {}
    assert list(label_columns(some([str(i) for i in range(20)]))) == ["label"]
    assert list(label_columns(digits())) == ["label", "even", "has a loop"]


def test_examples_take_the_labels_in_turn() -> None:
    pictures = some(["b", "b", "a", "c", "a", "b"])
    assert examples(pictures, range(6), 3) == (2, 0, 3)
    assert examples(pictures, range(6)) == (2, 0, 3, 4, 1, 5)  # fewer than asked for
    assert examples(pictures, [5, 1, 3], 2) == (5, 3)  # only of these, in their order
    assert examples(pictures, np.arange(6), 4) == (2, 0, 3, 4)
    assert examples(pictures, range(6), 1) == (2,)
    assert examples(pictures, range(6), 0) == examples(pictures, []) == ()
    assert examples(some(["x"] * 9), range(9), 4) == (0, 1, 2, 3)
    assert [digits().labels[row] for row in examples(digits(), digits().split()[1])] == list("0123456789")


# A training as a job


@pytest.mark.parametrize("epochs", [0, 1, 2, 5, 16, 150, 2_000])
def test_steps_are_kept_ever_further_apart(epochs: int) -> None:
    found = kept_epochs(epochs)
    assert (found[0], found[-1]) == (0, epochs)
    assert len(found) <= training.KEPT
    assert (np.diff(found) > 0).all()
    gaps = np.diff(found[1:])
    assert (np.diff(gaps) >= -1).all()  # rounded
    assert kept_epochs(3) == (0, 1, 2, 3)


def test_a_finished_training_has_its_steps_and_figures(pool: Pool) -> None:
    recipe = Recipe(epochs=20, latent=3)
    job = request_training(FEW, recipe, pool)
    assert request_training(FEW, Recipe(epochs=20, latent=3), pool) is job  # whoever asks shares it
    assert job.title == "Training on handwritten digits"
    entry = ended(job).result()
    epochs = kept_epochs(20)
    assert job.key == training_key(FEW, recipe)
    assert job.steps == kept_steps(pool.store, job.key) == epochs
    assert request_training(FEW, recipe, pool) is job
    assert weights_in(entry.arrays) == weights_here(FEW, recipe)

    pictures = load_source(FEW)
    model = Autoencoder(recipe, SHAPE, {name[2:]: a for name, a in entry.arrays.items() if name[:2] == "w."})
    np.testing.assert_allclose(entry.arrays["codes"], model.encode(pictures.pixels), atol=1e-6)
    assert entry.meta["parameters"] == model.parameters
    assert (entry.meta["epoch"], entry.meta["epochs"]) == (20, 20)
    curve = np.array(entry.meta["curve"])
    assert curve[:, 0].tolist() == list(range(21))
    assert curve[-1, 1:].tolist() == [entry.meta["train_loss"], entry.meta["held_loss"]]
    for found, own in zip(entry.meta["figures"], figures_of(pictures, model), strict=True):
        assert found["name"] == own.name
        numbers = ("size", "train_error", "held_error", "accuracy")
        assert [found[each] for each in numbers] == pytest.approx([getattr(own, each) for each in numbers], rel=1e-5)

    for epoch in epochs:
        step = trained_at(pool.store, job.key, epoch, recipe, SHAPE)
        assert step is not None
        assert (step.epoch, step.epochs) == (epoch, 20)
        np.testing.assert_array_equal(step.curve, curve[: epoch + 1])
        assert [step.train_loss, step.held_loss] == curve[epoch, 1:].tolist()
        held = pictures.pixels[pictures.split()[1]]
        assert mean_squared_error(held, step.model.reconstruct(held)) == pytest.approx(step.held_loss, rel=1e-4)
    assert trained_at(pool.store, job.key, 19, recipe, SHAPE) is None  # not kept
    pool.store.remove(step_key(job.key, 20))
    last = trained_at(pool.store, job.key, 20, recipe, SHAPE)  # the result is that of the last step
    assert last is not None
    np.testing.assert_allclose(last.model.encode(pictures.pixels), entry.arrays["codes"], atol=1e-6)


def test_figures_are_what_a_hand_measures() -> None:
    pictures = load_source(FEW)
    train_rows, held_rows = pictures.split()
    labels = np.array(pictures.labels)
    model = Autoencoder(Recipe(latent=2), SHAPE)
    rows = pictures.flat.astype(np.float64)
    middle = rows[train_rows].mean(0)
    axes = np.linalg.svd(rows[train_rows] - middle, full_matrices=False)[2][:2]
    codes = {"autoencoder": model.encode(pictures.pixels), "PCA": (rows - middle) @ axes.T}
    back = {"autoencoder": model.reconstruct(pictures.pixels).reshape(200, 64), "PCA": codes["PCA"] @ axes + middle}
    found = figures_of(pictures, model)
    assert [each.name for each in found] == ["autoencoder", "PCA"]
    for each in found:
        off = (back[each.name] - rows) ** 2
        assert each.train_error == pytest.approx(off[train_rows].mean(), rel=1e-4)
        assert each.held_error == pytest.approx(off[held_rows].mean(), rel=1e-4)
        ours = codes[each.name]
        near = ((ours[held_rows, None] - ours[None, train_rows]) ** 2).sum(2).argsort(1)[:, :5]
        votes = [np.bincount(labels[train_rows][five].astype(int)).argmax() for five in near]
        assert each.accuracy == pytest.approx(np.mean(np.array(votes) == labels[held_rows].astype(int)))
        assert each.size == 2
    without = figures_of(some(["same"] * 30), Autoencoder(Recipe(latent=20), (4, 4, 1)))
    assert [each.accuracy for each in without] == [None, None]
    assert [each.size for each in without] == [20, 16]  # PCA has no more than there are pixels


def test_another_recipe_or_source_has_another_key() -> None:
    recipe = Recipe(epochs=5)
    others = [Recipe(epochs=5, seed=1), Recipe(epochs=6), Recipe("conv", epochs=5), Recipe(epochs=5, copy=True)]
    keys = {training_key(FEW, each) for each in (recipe, *others)} | {training_key(Source(), recipe)}
    assert len(keys) == 6
    assert training_key(Source("digits", 200), Recipe(epochs=5)) == training_key(FEW, recipe)


def test_a_stopped_training_is_gone_on_with(pool: Pool) -> None:
    recipe = Recipe(epochs=300, noise=0.2)
    job = request_training(FEW, recipe, pool)
    eventually(lambda: len(job.steps) > 4)
    job.stop()
    with pytest.raises(JobStopped, match="Training on handwritten digits was stopped"):
        ended(job).result()
    listed = kept_steps(pool.store, job.key)
    assert job.state == "stopped"
    assert job.steps == listed
    assert pool.store.get(job.key) is None
    last = listed[-1]
    assert 4 < last < 300
    assert listed[:-1] == tuple(epoch for epoch in kept_epochs(300) if epoch < last)
    step = trained_at(pool.store, job.key, last, recipe, SHAPE)
    assert step is not None
    assert (step.epoch, step.curve[-1, 0]) == (last, last)

    key = step_key(job.key, last)
    kept = pool.store.get(key)
    assert kept is not None
    pool.store.put(key, kept.arrays, {**kept.meta, "seconds": 1e6})  # to see that it is not begun anew
    again = request_training(FEW, recipe, pool)
    assert again is not job
    entry = ended(again).result()
    assert entry.meta["seconds"] > 1e6
    assert weights_in(entry.arrays) == weights_here(FEW, recipe)
    whole = kept_steps(pool.store, job.key)
    assert whole[: len(listed)] == listed
    assert set(whole) == {*kept_epochs(300), last}
    assert list(whole) == sorted(whole)
    curve = np.array(entry.meta["curve"])
    assert (np.diff(curve[:, 0]) > 0).all()
    assert (curve[0, 0], curve[-1, 0]) == (0, 300)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals are of POSIX")
def test_a_killed_training_is_begun_anew(pool: Pool) -> None:
    recipe = Recipe(epochs=100, seed=7)
    job = request_training(FEW, recipe, pool)
    eventually(lambda: job.steps)
    assert job._worker is not None
    os.kill(job._worker.process.pid, signal.SIGKILL)
    assert ended(job).state == "died"
    with pytest.raises(JobDied, match="Press run to try again"):
        job.result()
    again = ended(request_training(FEW, recipe, pool))
    assert again is not job
    assert weights_in(again.result().arrays) == weights_here(FEW, recipe)
    assert again.steps == kept_steps(pool.store, job.key) == kept_epochs(100)


def stopped_at(call: int) -> Report:
    """A report that is stopped when it looks for the so-many-th time, and lists its steps as a worker does."""
    left = iter(range(call))
    return Report(stopped=lambda: next(left, None) is None, store=default_store(), key=training_key(FEW, STOPPED))


STOPPED = Recipe(epochs=6, seed=11)


@pytest.mark.parametrize("call", range(10))
def test_wherever_it_is_stopped_it_ends_with_the_same_bytes(
    call: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EMBEDKIT_HOME", str(tmp_path))
    report, key = stopped_at(call), training_key(FEW, STOPPED)
    params: dict[str, Any] = {"source": FEW.params(), "recipe": asdict(STOPPED)}
    with pytest.raises(JobStopped):
        training.train_task(report, **params)
    if report.steps:  # the last looks are at the end of the last epoch, and when all is trained
        default_store().put_bytes(step_key(key, None), str(report.steps).encode())
    second = Report(store=default_store(), key=key)
    arrays, meta = training.train_task(second, **params)
    assert weights_in(arrays) == weights_here(FEW, STOPPED)
    assert second.steps == list(kept_epochs(6))
    assert [point[0] for point in meta["curve"]] == list(range(7))


def test_a_long_curve_is_thinned() -> None:
    curve = [(epoch, 1 / (epoch + 1), 2 / (epoch + 1)) for epoch in range(1_001)]
    found = training._thinned(curve)
    assert len(found) <= training.CURVE + 1
    assert (found[0], found[-1]) == (curve[0], curve[-1])
    assert set(found) <= set(curve)
    assert training._thinned(curve[:7]) == curve[:7]
    assert training._thinned([]) == []


def test_what_is_not_here_is_said_before_anything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDKIT_HOME", str(tmp_path))
    pool = Pool(1, Store(tmp_path), threads=1)
    try:
        with pytest.raises(NotInstalled, match="python -m embedkit fetch mnist"):
            request_training(Source("mnist"), Recipe(epochs=1), pool)
        with pytest.raises(InputError, match="no longer kept"):
            request_training(Source("own", own="0" * 32), Recipe(epochs=1), pool)
        assert not pool._workers
        assert not pool._jobs
    finally:
        pool.close()


def test_own_pictures_travel_to_the_worker(pool: Pool) -> None:
    source = keep_own(some(["a", "b"] * 10, (6, 6, 3)), pool.store)
    recipe = Recipe(epochs=3)
    job = ended(request_training(source, recipe, pool))
    assert job.title == "Training on some pictures"
    assert weights_in(job.result().arrays) == weights_here(source, recipe)
    refused = ended(request_training(source, Recipe("conv", epochs=3), pool))
    with pytest.raises(InputError, match="6 x 6 cannot be halved"):
        refused.result()


def test_a_kept_training_is_trained_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDKIT_HOME", str(tmp_path))
    recipe = Recipe(epochs=2, linear=True)
    first = kept_training(FEW, recipe)
    assert {name: array.tobytes() for name, array in first.items()} == weights_here(FEW, recipe)
    monkeypatch.setattr(training, "train_task", None)
    again = kept_training(FEW, recipe)
    assert {name: array.tobytes() for name, array in again.items()} == weights_here(FEW, recipe)


# Pitfalls


def test_sizes_are_tried_one_after_the_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pitfalls, "SIZES", (2, 100))
    monkeypatch.setattr(autoencoder, "SEEN", 150 * 8)  # 8 epochs
    store = Store(tmp_path)
    sent: list[dict[str, Any]] = []
    report = Report(sent.append, store=store, key="0" * 32)
    entry = Entry.of(pitfalls.sizes_task(report, source=FEW.params()))
    small, large = pitfalls.size_results(entry)
    assert (small.size, large.size) == (2, 100)
    assert list(entry.arrays) == ["drawn.2", "drawn.100"]
    pictures = load_source(FEW)
    train_rows, held_rows = pictures.split()
    known, asked = pictures.pixels[train_rows], pictures.pixels[held_rows]
    for result in (small, large):
        recipe = Recipe(latent=result.size, epochs=8)
        *_, last = train(pictures.pixels, recipe, train_rows=train_rows, held_rows=held_rows)
        model, pca = Autoencoder(recipe, SHAPE, last.weights), fit_pca(known, result.size)
        assert result.held_error == pytest.approx(last.held_loss, rel=1e-4)
        assert result.train_error == pytest.approx(last.train_loss, rel=1e-4)
        assert result.pca_error == pytest.approx(mean_squared_error(asked, pca.reconstruct(asked)), abs=1e-9)
        for each, accuracy in ((model, result.accuracy), (pca, result.pca_accuracy)):
            labels, truth = ([pictures.labels[row] for row in rows] for rows in (train_rows, held_rows))
            assert accuracy == knn_accuracy(each.encode(known), labels, each.encode(asked), truth)
        shown = pictures.pixels[list(examples(pictures, held_rows))]
        np.testing.assert_allclose(entry.arrays[f"drawn.{result.size}"], model.reconstruct(shown), atol=1e-6)
        assert entry.arrays[f"drawn.{result.size}"].shape == (10, *SHAPE)
    assert large.pca_error < 1e-6 < small.pca_error  # all 64 numbers: nothing is lost
    report.flush()
    assert report.steps == [0, 1]
    half = store.get(step_key("0" * 32, 0))
    assert half is not None
    assert pitfalls.size_results(half) == (small,)
    assert list(half.arrays) == ["drawn.2"]
    assert "latent size" in str(sent)


def test_sizes_without_labels_have_no_accuracy(monkeypatch: pytest.MonkeyPatch, pool: Pool) -> None:
    monkeypatch.setattr(pitfalls, "SIZES", (2,))
    monkeypatch.setattr(autoencoder, "SEEN", 1)
    source = keep_own(some(["same"] * 20), pool.store)
    (only,) = pitfalls.size_results(Entry.of(pitfalls.sizes_task(Report(), source=source.params())))
    assert only.accuracy is only.pca_accuracy is None


def test_noise_is_fed_to_each_network(monkeypatch: pytest.MonkeyPatch) -> None:
    few = {name: replace(recipe, epochs=15) for name, recipe in pitfalls.NOISE_NETWORKS.items()}
    monkeypatch.setattr(pitfalls, "NOISE_NETWORKS", few)
    entry = Entry.of(pitfalls.noise_task(Report()))
    results = {result.name: result for result in pitfalls.noise_results(entry)}
    assert list(results) == list(few)
    assert [result.latent for result in results.values()] == [128, 8, 128]
    copies, denoises = results[pitfalls.PLAIN], results[pitfalls.DENOISING]
    assert denoises.passed < 0.7 * copies.passed
    assert denoises.error < 0.9 * copies.error
    assert all(result.error < result.given_error for result in results.values())
    assert len({(result.given_error, result.static_variance) for result in results.values()}) == 1
    assert copies.static_variance == pytest.approx(1 / 12, rel=0.01)  # of numbers evenly from 0 to 1
    held = digits().pixels[digits().split()[1]]
    names = {"clean", "given", "static"} | {f"{what}.{i}" for what in ("given", "static") for i in range(3)}
    assert set(entry.arrays) == names
    assert {array.shape for array in entry.arrays.values()} == {(10, *SHAPE)}
    shown = digits().pixels[list(examples(digits(), digits().split()[1]))]
    np.testing.assert_array_equal(entry.arrays["clean"], shown)
    given = entry.arrays["given"]
    assert 0 <= given.min() < given.max() <= 1
    assert 0.2 < (given - shown)[(shown > 0.4) & (shown < 0.6)].std() < 0.4  # cut off at 0 and 1
    assert len(held) == 449


class Answer:
    """Stands for a network: answers with a function of what it is given."""

    def __init__(self, answer: Callable[[Any], Any]) -> None:
        self.reconstruct, self.recipe = answer, SimpleNamespace(latent=9)


def test_what_passes_is_all_for_a_copy_and_nothing_for_a_constant() -> None:
    rng = np.random.default_rng(0)
    clean, static = rng.random((2, 50, 4, 4, 1), np.float32)
    given = pitfalls._noisy(clean, rng)

    def fed(answer: Callable[[Any], Any]) -> pitfalls.NoiseResult:
        return pitfalls._noise_result("it", Answer(answer), clean, given, static)  # type: ignore[arg-type]

    copy, constant, half = fed(lambda x: x), fed(lambda x: np.full_like(x, 0.5)), fed(lambda x: 0.2 + x / 2)
    assert [copy.passed, constant.passed, half.passed] == pytest.approx([1, 0, 0.5], abs=1e-5)
    assert copy.error == copy.given_error == pytest.approx(((given - clean) ** 2).mean(), rel=1e-5)
    assert copy.static_error == 0
    assert constant.static_error == pytest.approx(((static - 0.5) ** 2).mean(), rel=1e-5)
    assert constant.error == pytest.approx(((clean - 0.5) ** 2).mean(), rel=1e-5)
    assert constant.static_variance == pytest.approx(static.var(), rel=1e-5)
    assert (copy.name, copy.latent) == ("it", 9)


def test_pitfalls_are_asked_for_by_their_tasks() -> None:
    asked: list[tuple[str, Any]] = []
    stand_in: Any = SimpleNamespace(submit=lambda task, params, title: asked.append((task, params)))
    pitfalls.request_sizes(FEW, stand_in)
    pitfalls.request_noise(stand_in)
    assert asked == [
        ("embedkit.images.pitfalls:sizes_task", {"source": FEW.params()}),
        ("embedkit.images.pitfalls:noise_task", {}),
    ]
    for task, _ in asked:
        assert callable(getattr(pitfalls, task.partition(":")[2]))


# Vectors of several makers


def test_accuracies_are_what_a_vote_by_hand_gives() -> None:
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 3, 60)
    pictures = some([f"kind {label}" for label in labels], even=labels % 2 == 0, tone=rng.integers(0, 2, 60))
    columns = label_columns(pictures)
    vectors = {"told": np.eye(3)[labels] + 0.01 * rng.normal(size=(60, 3)), "chance": rng.normal(size=(60, 4))}
    found = compare.accuracies(pictures, vectors, columns)
    assert list(found) == ["told", "chance"]
    train_rows, held_rows = pictures.split()
    for name, rows in vectors.items():
        near = np.linalg.norm(rows[held_rows, None] - rows[None, train_rows], axis=2).argsort(1)[:, :5]
        assert list(found[name]) == ["label", "even", "tone"]
        for column, values in columns.items():
            codes = np.unique(values, return_inverse=True)[1]
            votes = [np.bincount(codes[train_rows][five]).argmax() for five in near]
            assert found[name][column] == pytest.approx(np.mean(votes == codes[held_rows]))
    assert found["told"]["label"] == found["told"]["even"] == 1
    assert found["chance"]["label"] < 0.8


@pytest.mark.parametrize("kind", ["cnn", "vit"])
def test_a_classifier_comes_back_from_its_job(kind: str, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, pictures = ClassifierRecipe(kind, 2, seed=3), load_source(FEW)
    job = compare.request_classifier(FEW, recipe, "even", pool)
    assert job.key == compare.classifier_key(FEW, recipe, "even")
    assert compare.request_classifier(FEW, recipe, "even", pool) is job
    assert job.title == f"Training a {'CNN' if kind == 'cnn' else 'ViT'} on even"
    entry = ended(job).result()
    model = compare.classifier_of(entry)
    steps = list(compare.trained(pictures, "even", recipe))
    own = Classifier(recipe, (8, 8, 1), 2, steps[-1].weights)
    np.testing.assert_array_equal(model.predict(pictures.pixels), own.predict(pictures.pixels))
    np.testing.assert_allclose(entry.arrays["codes"], own.encode(pictures.pixels), atol=1e-6)
    assert entry.meta["classes"] == ["False", "True"]
    curve = [[step.epoch, step.train_accuracy, step.held_accuracy] for step in steps]
    assert [list(point) for point in entry.meta["curve"]] == curve
    held = pictures.split()[1]
    truth = [pictures.factors["even"][row] for row in held]
    right = model.predict(pictures.pixels[held]).argmax(1) == np.array(truth, int)  # class 1 is "True"
    assert right.mean() == pytest.approx(steps[-1].held_accuracy)
    monkeypatch.setattr(compare, "classifier_task", None)  # kept, so not trained again
    kept = compare.kept_classifier(FEW, recipe, "even")
    np.testing.assert_array_equal(kept.predict(pictures.pixels), own.predict(pictures.pixels))


def test_a_classifiers_key_follows_from_what_makes_it() -> None:
    recipes = (ClassifierRecipe("cnn", 2), ClassifierRecipe("vit", 2), ClassifierRecipe("cnn", 2, 1))
    keys = {compare.classifier_key(FEW, recipe, column) for recipe in recipes for column in ("label", "even")}
    assert len(keys) == 6
    own_length = ClassifierRecipe("cnn", ClassifierRecipe("cnn").length)
    assert compare.classifier_key(FEW, ClassifierRecipe("cnn"), "even") == compare.classifier_key(
        FEW, own_length, "even"
    )


def test_a_column_that_cannot_be_learned_is_refused(pool: Pool) -> None:
    refused = ended(compare.request_classifier(FEW, ClassifierRecipe("cnn", 1), "color", pool))
    with pytest.raises(InputError, match=r"no label 'color'.*known: label, even, has a loop"):
        refused.result()
    with pytest.raises(InputError, match="known: none"):
        compare.trained(some(["x"] * 20), "label", ClassifierRecipe("cnn", 1))
    pictures = some(["x"] * 20)
    held = set(pictures.split()[1].tolist())
    lonely = some(["x"] * 20, tone=["rare" if i in held else ("dark", "light")[i % 2] for i in range(20)])
    with pytest.raises(InputError, match="values of 'tone' have no picture to train on"):
        compare.trained(lonely, "tone", ClassifierRecipe("cnn", 1))
