"""The recipe of words/minilm: every whole word of MiniLM's vocabulary, distilled with model2vec.

Each word is read once, in "the meaning of <word>.". Kept is the state of the word's own piece, the mean of the one that
enters the first layer and the one that leaves the last; PCA then takes 384 numbers to 256 (Tulkens and van Dongen 2024,
Model2Vec). What else was tried, with scores, stands in docs/benchmarks.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from embedkit.encoders.models import ModelFiles, find_model
from embedkit.errors import NotInstalled
from embedkit.paths import ASSETS
from embedkit.space import Vectors

__all__ = ["Table", "distill", "whole_words", "write_table"]

DIMS = 256
BEFORE, AFTER = ("[CLS]", "the", "meaning", "of"), (".", "[SEP]")


@dataclass(frozen=True)
class Table:
    """Words in falling order of frequency, their vectors (n, 256), and the affine map that made them.

    A word's vector is (state - mean) @ components, with mean (384,) and components (384, 256).
    """

    words: tuple[str, ...]
    vectors: Vectors
    mean: Vectors
    components: Vectors


def whole_words(vocabulary: list[str]) -> list[int]:
    """Ids of the entries made of letters only: not "##ing", "[CLS]", "1990" or "!".

    The vocabulary lists single characters first and then words, about from frequent to rare; the characters go last.
    """
    return sorted((i for i, token in enumerate(vocabulary) if token.isalpha()), key=lambda i: len(vocabulary[i]) == 1)


def _states(files: ModelFiles, ids: list[list[int]]) -> Vectors:
    """Mean of first and last state of the word's piece, for each list of ids: (n, 384)."""
    try:
        from model2vec.distill.inference import create_embeddings
    except ImportError as error:
        raise NotInstalled(f"Distilling needs more than the app does: pip install skeletoken ({error}).") from error
    from transformers import BertModel
    from transformers.modeling_outputs import BaseModelOutput

    class WordState(BertModel):  # type: ignore[misc]
        """BERT whose output is the mean of first and last hidden state, from the word's place on."""

        def forward(self, input_ids: Any, attention_mask: Any = None, token_type_ids: Any = None) -> Any:
            states = (
                super()
                .forward(
                    input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids, output_hidden_states=True
                )
                .hidden_states
            )
            return BaseModelOutput(last_hidden_state=(states[0] + states[-1])[:, len(BEFORE) :] / 2)

    model = WordState.from_pretrained(
        str(files.folder), add_pooling_layer=False, local_files_only=True, use_safetensors=True
    )
    # model2vec's "first" takes the first place of the output, which is the word itself
    found: Vectors = create_embeddings(model, ids, device="cpu", pad_token_id=0, pooling="first")
    return np.asarray(found, np.float32)


def distill(only: list[str] | None = None) -> Table:
    """Make the table from the transformer; with `only`, the raw states of these words and an empty map.

    Takes about a minute on two cores.
    """
    files = find_model("minilm")
    vocabulary = (files.folder / "vocab.txt").read_text("utf-8").splitlines()
    chosen = [vocabulary.index(word) for word in only] if only else whole_words(vocabulary)
    before, after = ([vocabulary.index(piece) for piece in pieces] for pieces in (BEFORE, AFTER))
    states = _states(files, [[*before, i, *after] for i in chosen])
    words = tuple(vocabulary[i] for i in chosen)
    if only:
        return Table(words, states, np.zeros(0, np.float32), np.zeros((0, 0), np.float32))
    mean = states.mean(0, dtype=np.float64)
    centered = states - mean
    _, axes = np.linalg.eigh(centered.T @ centered / len(states))
    axes = axes[:, ::-1][:, :DIMS]
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(DIMS)])  # an eigenvector's sign is arbitrary
    vectors = (centered @ axes).astype(np.float32)
    return Table(words, vectors, mean.astype(np.float32), axes.astype(np.float32))


def write_table(table: Table) -> None:
    """Write assets/words/minilm.safetensors (16-bit floats) and the words, one a line."""
    from safetensors.numpy import save_file

    folder = ASSETS / "words"
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        "vectors": table.vectors.astype(np.float16),
        "mean": table.mean,
        "components": np.ascontiguousarray(table.components.astype(np.float16)),
    }
    save_file(tensors, folder / "minilm.safetensors")
    (folder / "minilm.words.txt").write_text("\n".join(table.words) + "\n", "utf-8", newline="\n")
