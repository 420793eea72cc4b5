"""Our forward pass against the library's, on small random weights and on MiniLM."""

import json

import numpy as np
import pytest
import torch

from embedkit.encoders.automodel import AutoEncoder
from embedkit.encoders.bert import Bert
from embedkit.encoders.models import ModelFiles, find_model
from embedkit.errors import DamagedFile

CONFIG = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 32,
}


@pytest.fixture
def small(tmp_path):
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    BertModel(BertConfig(**CONFIG, max_position_embeddings=20)).save_pretrained(tmp_path)
    return tmp_path


def config_of(folder):
    return json.loads((folder / "config.json").read_text("utf-8"))


def batch():
    ids = torch.tensor([[1, 7, 9, 3, 2], [1, 4, 2, 0, 0]])
    return ids, torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


def test_every_state_equals_the_library(small):
    ids, mask = batch()
    with torch.inference_mode():
        ours = Bert(small, config_of(small)).states(ids, mask)
        theirs = AutoEncoder(ModelFiles(small, "folder", "small")).states(ids, mask)
    assert len(ours) == len(theirs) == 4
    for a, b in zip(ours, theirs, strict=True):
        seen = mask.bool()
        torch.testing.assert_close(a[seen], b[seen], atol=1e-5, rtol=1e-4)


def test_minilm_equals_the_library():
    files = find_model("minilm")
    ids, mask = batch()
    with torch.inference_mode():
        ours = Bert(files.folder, config_of(files.folder)).states(ids, mask)
        theirs = AutoEncoder(files).states(ids, mask)
    torch.testing.assert_close(ours[-1][mask.bool()], theirs[-1][mask.bool()], atol=1e-4, rtol=1e-3)


def test_filling_changes_nothing(small):
    bert = Bert(small, config_of(small))
    ids, mask = batch()
    with torch.inference_mode():
        together = bert.states(ids, mask)[-1][1, :3]
        alone = bert.states(ids[1:, :3], mask[1:, :3])[-1][0]
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


def test_names_of_old_and_pretraining_checkpoints_are_understood(small):
    from safetensors.torch import load_file, save_file

    weights = load_file(small / "model.safetensors")
    renamed = {f"bert.{n}".replace("LayerNorm.weight", "LayerNorm.gamma"): t.clone() for n, t in weights.items()}
    ids, mask = batch()
    before = Bert(small, config_of(small)).states(ids, mask)[-1]
    save_file(renamed, small / "model.safetensors")
    np.testing.assert_array_equal(before, Bert(small, config_of(small)).states(ids, mask)[-1])


def test_missing_weights_are_named(small):
    from safetensors.torch import load_file, save_file

    weights = load_file(small / "model.safetensors")
    save_file({n: t for n, t in weights.items() if "layer.2" not in n}, small / "model.safetensors")
    with pytest.raises(DamagedFile, match=r"lack encoder\.layer\.2"):
        Bert(small, config_of(small))


@pytest.mark.parametrize(
    ("change", "runs"),
    [
        ({}, True),
        ({"model_type": "mpnet"}, False),
        ({"hidden_act": "relu"}, False),
        ({"position_embedding_type": "relative_key"}, False),
        ({"is_decoder": True}, False),
    ],
)
def test_only_plain_berts_take_this_way(change, runs):
    assert Bert.runs({"model_type": "bert", "hidden_act": "gelu", **change}) is runs
