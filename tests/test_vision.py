"""Networks from torchvision: which layer is read, which files are refused, and that a fetched file is whole."""

import contextlib
import hashlib
import http.server
import pickle
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedkit.encoders import vision
from embedkit.encoders.vision import (
    VisionModel,
    fetch_vision,
    fetch_vision_task,
    find_vision,
    load_vision,
    vision_cards,
)
from embedkit.errors import DamagedFile, EmbedkitError, FetchError, InputError, JobStopped, NotInstalled


def built(builder: str) -> Any:
    """torchvision's network with small random weights, the same each time."""
    import torch
    from torchvision import models

    with torch.device("meta"):
        network = getattr(models, builder)(weights=None).eval()
    chance = torch.Generator().manual_seed(0)
    state = {}
    for name, tensor in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.zeros(tensor.shape, dtype=tensor.dtype)
        elif name.endswith("running_var"):
            state[name] = torch.ones(tensor.shape)
        elif tensor.ndim == 1:
            state[name] = torch.full(tensor.shape, 0.1)
        else:
            scale = (2 / max(1, tensor[0].numel())) ** 0.5
            state[name] = torch.empty(tensor.shape).uniform_(-scale, scale, generator=chance)
    network.load_state_dict(state, assign=True)
    return network


@pytest.fixture(scope="module")
def resnet() -> Any:
    return built("resnet50")


@pytest.fixture(scope="module")
def weights_file(resnet: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole file of ResNet-50 in half precision: 51 MB."""
    import torch

    path = tmp_path_factory.mktemp("weights") / "resnet50.pth"
    torch.save({name: tensor.half() for name, tensor in resnet.state_dict().items()}, path)
    return path


@pytest.fixture
def checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    vision._loaded.cache_clear()
    return tmp_path / "torch" / "hub" / "checkpoints"


def pictures(n: int = 3, channels: int = 3, side: int = 32) -> Any:
    return np.random.default_rng(1).random((n, side, side, channels), np.float32)


# What is known before anything is fetched


def test_the_cards_are_torchvisions_own() -> None:
    from torchvision.models import ResNet50_Weights

    cards = vision_cards()
    assert [(key, card.dims) for key, card in cards.items()] == [("vgg16", 4096), ("resnet50", 2048), ("vit-b16", 768)]
    weights = ResNet50_Weights.DEFAULT
    assert cards["resnet50"].url == weights.url
    assert weights.url.endswith(cards["resnet50"].file)
    for card in cards.values():
        assert card.key in cards
        assert 2012 < card.year < 2026
        assert "BSD-3-Clause" in card.licence
    # four bytes a weight, in units of 10^6
    assert cards["resnet50"].megabytes == pytest.approx(weights.meta["num_params"] * 4 / 1e6, rel=0.01)


# Which layer is read


def by_hand(network: Any, name: str, pixels: Any) -> Any:
    """What torchvision's whole network feeds into its module `name`, after the preparation of its weights."""
    import torch
    from torchvision import models

    weights = {"resnet50": models.ResNet50_Weights, "vgg16": models.VGG16_Weights, "vit_b_16": models.ViT_B_16_Weights}
    x = torch.from_numpy(np.repeat(pixels, 3 // pixels.shape[3], axis=3)).permute(0, 3, 1, 2)
    seen: list[Any] = []
    module = network[1].get_submodule(name)
    hook = module.register_forward_pre_hook(lambda _, given: seen.append(given[0].clone()))
    with torch.inference_mode():
        network[1](weights[network[0]].DEFAULT.transforms()(x))
    hook.remove()
    return seen[0].numpy()


@pytest.mark.parametrize(
    ("key", "builder", "layer", "dims"),
    [
        ("vgg16", "vgg16", "classifier.6", 4096),
        ("resnet50", "resnet50", "fc", 2048),
        ("vit-b16", "vit_b_16", "heads", 768),
    ],
)
def test_the_vector_is_what_the_last_layer_reads(key: str, builder: str, layer: str, dims: int) -> None:
    network, pixels = built(builder), pictures(2)
    found = VisionModel(key, network.state_dict()).encode(pixels)
    assert (found.shape, found.dtype) == ((2, dims), np.float32)
    assert np.isfinite(found).all()
    assert np.ptp(found, axis=0).max() > 0  # two pictures, two vectors
    expected = by_hand((builder, network), layer, pixels)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    if key == "vgg16":
        assert found.min() == 0  # after the ReLU


def test_gray_is_taken_three_times_and_batches_change_nothing(resnet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = VisionModel("resnet50", resnet.state_dict())
    gray = pictures(5, channels=1)
    told: list[tuple[float, str]] = []
    monkeypatch.setattr(vision, "BATCH", 2)
    found = model.encode(gray, lambda *said: told.append(said))
    assert [fraction for fraction, _ in told] == [0.4, 0.8, 1.0]
    assert told[-1][1] == "5 of 5 pictures"
    singles = np.concatenate([model.encode(np.repeat(gray[i : i + 1], 3, axis=3)) for i in range(5)])
    np.testing.assert_allclose(found, singles, rtol=1e-3, atol=1e-4 * np.abs(singles).max())
    assert model.encode(gray[:0]).shape == (0, 2048)


def test_pictures_that_do_not_fit_are_refused(resnet: Any) -> None:
    model = VisionModel("resnet50", resnet.state_dict())
    with pytest.raises(InputError, match=r"not \(3, 32, 32, 2\)"):
        model.encode(pictures(channels=2))
    with pytest.raises(InputError, match=r"from 0 to 1, not .* to 25"):
        model.encode(pictures() * 255)


def test_a_stop_ends_the_work(resnet: Any) -> None:
    def stop(*_: object) -> None:
        raise JobStopped("stopped")

    with pytest.raises(JobStopped):
        VisionModel("resnet50", resnet.state_dict()).encode(pictures(1), stop)


# Where weights lie


def test_weights_are_found_in_the_named_folder_then_in_torchs(checkpoints: Path, tmp_path: Path) -> None:
    told = r"ResNet-50 is not on this machine.*\(103 MB, BSD-3-Clause.*: python -m embedkit fetch resnet50"
    with pytest.raises(NotInstalled, match=told):
        find_vision("resnet50")
    card = vision_cards()["resnet50"]
    checkpoints.mkdir(parents=True)
    (checkpoints / card.file).write_bytes(b"")
    assert find_vision("resnet50") == checkpoints / card.file
    with pytest.raises(InputError, match=f"holds no weights of ResNet-50.*{card.file}, resnet50.safetensors"):
        find_vision("resnet50", tmp_path)
    for name in ("resnet50.pt", "resnet50.safetensors", card.file):  # each goes before the one made earlier
        (tmp_path / name).write_bytes(b"")
        assert find_vision("resnet50", str(tmp_path)) == tmp_path / name
    with pytest.raises(InputError, match="There is no folder"):
        find_vision("resnet50", tmp_path / "nowhere")
    with pytest.raises(InputError, match="no picture network 'resnet'; known: vgg16, resnet50, vit-b16"):
        find_vision("resnet")


def test_one_model_is_kept_and_a_changed_file_is_read_again(checkpoints: Path, weights_file: Path, resnet: Any) -> None:
    from safetensors.torch import save_file

    first = load_vision("resnet50", weights_file.parent)
    assert load_vision("resnet50", weights_file.parent) is first
    assert vision._loaded.cache_info().maxsize == 1
    other = checkpoints.parent
    other.mkdir(parents=True)
    save_file({name: tensor.half() for name, tensor in resnet.state_dict().items()}, other / "resnet50.safetensors")
    second = load_vision("resnet50", other)
    assert second is not first
    np.testing.assert_array_equal(first.encode(pictures(1)), second.encode(pictures(1)))


# Files that are refused


class Harmful:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_nothing_in_a_file_is_run(tmp_path: Path, checkpoints: Path) -> None:
    import torch

    mark = tmp_path / "it ran"
    plain, zipped = tmp_path / "plain", tmp_path / "zipped"
    for folder in (plain, zipped):
        folder.mkdir()
    (plain / "resnet50.pth").write_bytes(pickle.dumps({"fc.weight": Harmful(mark)}, protocol=2))
    torch.save({"fc.weight": Harmful(mark)}, zipped / "resnet50.pth")
    for folder in (plain, zipped):
        with pytest.raises(DamagedFile, match=r"resnet50\.pth holds more than weights.*was not opened"):
            load_vision("resnet50", folder)
    assert not mark.exists()
    torch.load(zipped / "resnet50.pth", weights_only=False)  # the trap is a real one
    assert mark.exists()


def test_broken_files_and_other_networks_are_told_in_a_sentence(
    tmp_path: Path, checkpoints: Path, weights_file: Path
) -> None:
    import torch

    path = tmp_path / "resnet50.pth"

    def told() -> EmbedkitError:
        with pytest.raises(EmbedkitError) as caught:
            load_vision("resnet50", tmp_path)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 300
        return caught.value

    whole = weights_file.read_bytes()
    for part in (b"", b"not weights at all", whole[: len(whole) // 2], whole[:100]):
        path.write_bytes(part)
        assert isinstance(told(), DamagedFile)
    torch.save([torch.zeros(2)], path)
    assert "holds no dict of weights" in str(told())
    torch.save({"fc.weight": torch.zeros(2)}, path)
    error = told()
    assert isinstance(error, InputError)
    assert "resnet50.pth is not ResNet-50: conv1.weight is not there, not (64, 3, 7, 7)" in str(error)
    path.unlink()
    (tmp_path / "resnet50.safetensors").write_bytes(b"\x00" * 40)
    assert isinstance(told(), DamagedFile)


def test_another_network_of_the_same_names_is_refused(resnet: Any) -> None:
    state = dict(resnet.state_dict())
    state["fc.weight"] = state["fc.weight"][:10]
    with pytest.raises(InputError, match=r"fc\.weight is \(10, 2048\), not \(1000, 2048\)"):
        VisionModel("resnet50", state)


# Fetching


@pytest.fixture
def server(weights_file: Path) -> Iterator[str]:
    whole = weights_file.read_bytes()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/missing":
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(whole)))
            self.end_headers()
            with contextlib.suppress(OSError):  # who stops hangs up
                self.wfile.write(whole[: len(whole) // 3] if self.path == "/short" else whole)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        thread = threading.Thread(target=serving.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_address[1]}"
        serving.shutdown()
        thread.join()


@pytest.fixture
def hashed(weights_file: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The card with the hash of the test's own file in its name."""
    file = f"resnet50-{hashlib.sha256(weights_file.read_bytes()).hexdigest()[:8]}.pth"
    cards = vision_cards()
    cards["resnet50"] = replace(cards["resnet50"], file=file)
    monkeypatch.setattr(vision, "_cards", lambda: cards)
    return file


def test_what_is_fetched_is_whole_and_can_be_used(checkpoints: Path, server: str, hashed: str) -> None:
    told: list[tuple[float, str]] = []
    path = fetch_vision("resnet50", lambda *said: told.append(said), f"{server}/whole")
    assert path == checkpoints / hashed
    assert [p.name for p in checkpoints.iterdir()] == [hashed]
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions)
    assert (fractions[-1], told[-1][1]) == (1.0, "ResNet-50 is here.")
    assert load_vision("resnet50").encode(pictures(1)).shape == (1, 2048)
    # it is here: nobody is asked again
    arrays, meta = fetch_vision_task(lambda *_: None, name="resnet50")
    assert (arrays, meta["file"]) == ({}, hashed)


def test_what_does_not_arrive_whole_is_not_kept(checkpoints: Path, server: str, hashed: str) -> None:
    for address, reason in (("short", r"bytes came|IncompleteRead"), ("missing", "404")):
        with pytest.raises(FetchError, match=reason):
            fetch_vision("resnet50", url=f"{server}/{address}")
    with pytest.raises(FetchError, match="could not be fetched"):
        fetch_vision("resnet50", url="http://127.0.0.1:9/closed")
    with pytest.raises(InputError, match="http or https, not from 'file:"):
        fetch_vision("resnet50", url="file:///etc/hostname")
    assert list(checkpoints.iterdir()) == []


def test_other_bytes_of_the_right_length_are_not_kept(checkpoints: Path, server: str) -> None:
    with pytest.raises(FetchError, match=r"SHA-256 \w{8}, not 11ad3fa6"):
        fetch_vision("resnet50", url=f"{server}/whole")
    assert list(checkpoints.iterdir()) == []


def test_a_stop_leaves_nothing(checkpoints: Path, server: str, hashed: str) -> None:
    def stop(*_: object) -> None:
        raise JobStopped("stopped")

    with pytest.raises(JobStopped):
        fetch_vision("resnet50", stop, f"{server}/whole")
    assert list(checkpoints.iterdir()) == []
