"""BERT (Devlin et al. 2018) from its weights to every hidden state, short enough to be read in class.

Why not transformers, which runs all other models here: importing it for one forward pass takes about three seconds and
250 MB more than importing torch alone. It is the oracle of the tests instead.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from embedkit.errors import DamagedFile

__all__ = ["Bert"]

Tensor = Any  # torch loads in the methods

INPUT = (
    "word_embeddings.weight",
    "position_embeddings.weight",
    "token_type_embeddings.weight",
    "LayerNorm.weight",
    "LayerNorm.bias",
)
LAYER = (
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "attention.output.LayerNorm",
    "intermediate.dense",
    "output.dense",
    "output.LayerNorm",
)


class Bert:
    """The weights of a BERT, by name, and the forward pass over them."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        from safetensors.torch import load_file

        self.layers = int(config["num_hidden_layers"])
        self.heads = int(config["num_attention_heads"])
        self.eps = float(config.get("layer_norm_eps", 1e-12))
        self.weights: dict[str, Tensor] = {}
        for path in sorted(folder.glob("*.safetensors")):
            for name, tensor in load_file(path).items():
                # pretraining puts "bert." before each name; the oldest checkpoints call the norm's weights gamma, beta
                plain = name.removeprefix("bert.").replace("LayerNorm.gamma", "LayerNorm.weight")
                self.weights[plain.replace("LayerNorm.beta", "LayerNorm.bias")] = tensor.float()
        self._check(folder.name, int(config.get("max_position_embeddings", 512)))
        self.d = int(self.weights["embeddings.word_embeddings.weight"].shape[1])
        if self.d % self.heads:
            raise DamagedFile(f"config.json in '{folder.name}' divides {self.d} numbers among {self.heads} heads.")

    def _check(self, name: str, places: int) -> None:
        """Every weight that a reading needs, and as many places as config.json promises."""
        layer = [f"{part}.{kind}" for part in LAYER for kind in ("weight", "bias")]
        needed = [f"embeddings.{part}" for part in INPUT]
        needed += [f"encoder.layer.{i}.{part}" for i in range(self.layers) for part in layer]
        if missing := [weight for weight in needed if weight not in self.weights]:
            raise DamagedFile(f"The weights in '{name}' lack {', '.join(missing[:3])}; they are no whole BERT.")
        found = len(self.weights["embeddings.position_embeddings.weight"])
        if found < places:
            raise DamagedFile(f"config.json in '{name}' promises {places} places, its weights hold {found}.")

    @staticmethod
    def runs(config: dict[str, Any]) -> bool:
        """Whether a model with this config.json is a plain BERT encoder."""
        plain = config.get("position_embedding_type", "absolute") == "absolute" and not config.get("is_decoder")
        return config.get("model_type") == "bert" and config.get("hidden_act", "gelu") == "gelu" and plain

    @property
    def megabytes(self) -> float:
        """Memory of the weights."""
        return float(sum(t.numel() * t.element_size() for t in self.weights.values()) / 1e6)

    def _linear(self, x: Tensor, name: str) -> Tensor:
        import torch

        return torch.nn.functional.linear(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def _norm(self, x: Tensor, name: str) -> Tensor:
        import torch

        weight, bias = self.weights[f"{name}.LayerNorm.weight"], self.weights[f"{name}.LayerNorm.bias"]
        return torch.nn.functional.layer_norm(x, (self.d,), weight, bias, self.eps)

    def table_rows(self, ids: Tensor) -> Tensor:
        """Input vectors without their place in the sentence: word plus sentence-A row, normed.  # (t, d)"""
        words = self.weights["embeddings.word_embeddings.weight"][ids]
        return self._norm(words + self.weights["embeddings.token_type_embeddings.weight"][0], "embeddings")

    def states(self, ids: Tensor, mask: Tensor) -> list[Tensor]:
        """Hidden states of a batch, the input layer first: layers + 1 tensors (b, t, d).

        `ids` (b, t) are piece numbers, `mask` (b, t) is 0 where a text was filled up.
        """
        import torch

        b, t = ids.shape
        x = self.weights["embeddings.word_embeddings.weight"][ids]  # (b, t, d)
        x = x + self.weights["embeddings.position_embeddings.weight"][:t]
        x = x + self.weights["embeddings.token_type_embeddings.weight"][0]
        x = self._norm(x, "embeddings")
        seen = mask[:, None, None, :].bool()  # every piece sees all pieces but the filling
        states = [x]
        for i in range(self.layers):
            at = f"encoder.layer.{i}"
            q, k, v = (  # (b, heads, t, d / heads)
                self._linear(x, f"{at}.attention.self.{name}").view(b, t, self.heads, -1).transpose(1, 2)
                for name in ("query", "key", "value")
            )
            mixed = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=seen)
            mixed = mixed.transpose(1, 2).reshape(b, t, self.d)
            x = self._norm(x + self._linear(mixed, f"{at}.attention.output.dense"), f"{at}.attention.output")
            wide = torch.nn.functional.gelu(self._linear(x, f"{at}.intermediate.dense"))  # (b, t, 4 d)
            x = self._norm(x + self._linear(wide, f"{at}.output.dense"), f"{at}.output")
            states.append(x)
        return states
