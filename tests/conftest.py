"""What the tests share: no way out of this machine, a home of their own, and small made-up things."""

import json
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Before any import: the hub's client and OpenMP read these once.
os.environ.update(
    HF_HUB_OFFLINE="1",
    HF_HOME=tempfile.gettempdir() + "/embedkit-tests-no-hub",
    HF_HUB_DISABLE_TELEMETRY="1",
    TOKENIZERS_PARALLELISM="false",
    OMP_WAIT_POLICY="PASSIVE",  # threads that spin while they wait made t-SNE 100 times slower on busy cores
)
for _name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE"):
    os.environ.pop(_name, None)

import numpy as np  # noqa: E402
import pytest  # noqa: E402

from embedkit.space import Space  # noqa: E402

LOCAL = {"localhost", "127.0.0.1", "::1", "0.0.0.0", "::", "", None, b"localhost", b"127.0.0.1"}


class WentOutside(RuntimeError):
    """A test tried to leave this machine."""


def _refuse_outside(patch: pytest.MonkeyPatch) -> None:
    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def checked(host: Any) -> None:
        if host not in LOCAL and not str(host).startswith("127."):
            raise WentOutside(f"a test tried to reach {host}")

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            checked(address[0])
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            checked(address[0])
        return connect_ex(self, address)

    def guarded_getaddrinfo(host: Any, *args: Any, **more: Any) -> Any:
        checked(host)
        return getaddrinfo(host, *args, **more)

    patch.setattr(socket.socket, "connect", guarded_connect)
    patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
    patch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)


@pytest.fixture(scope="session", autouse=True)
def no_outside() -> Iterator[None]:
    """Refuse connections other than to this machine; a proxy would be a way around, so it is taken out too."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            patch.delenv(name, raising=False)
        _refuse_outside(patch)
        yield


@pytest.fixture(scope="session", autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """EMBEDKIT_HOME for the whole run: nobody's own results are read or written."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("embedkit-home")
        patch.setenv("EMBEDKIT_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def toy() -> Space:
    """Four points whose cosines a pen gives: slope (3, 4) has .6 with east, .8 with north, -.6 with west."""
    vectors = np.array([[1, 0], [0, 1], [3, 4], [-1, 0]], np.float32)
    return Space("toy", "Toy", ("east", "north", "slope", "west"), vectors)


@pytest.fixture(scope="session")
def blobs() -> Space:
    """Three groups of 40 in 6 dimensions, well apart."""
    rng = np.random.default_rng(7)
    centers = np.eye(6)[:3] * 10
    vectors = np.vstack([center + rng.normal(size=(40, 6)) for center in centers])
    return Space("blobs", "Blobs", tuple(f"{'abc'[i // 40]}{i}" for i in range(120)), vectors)


TINY_WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] a an the apple apples bank river eat i on of ##s ##ple app . , ? c + #"


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random BERT: 2 layers of 16 numbers, 24 pieces at most."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("models") / "tiny"
    words = {word: i for i, word in enumerate(TINY_WORDS.split())}
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=24,
        initializer_range=0.5,
    )
    BertModel(config).eval().save_pretrained(folder, safe_serialization=True)
    tokenizer = Tokenizer(models.WordPiece(words, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", words["[SEP]"]), ("[CLS]", words["[CLS]"]))
    tokenizer.save(str(folder / "tokenizer.json"))
    assert json.loads((folder / "config.json").read_text())["model_type"] == "bert"
    return folder
