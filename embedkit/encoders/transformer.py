"""A BERT-like transformer that gives each piece of a sentence its vector at each layer."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from embedkit.encoders.automodel import AutoEncoder
from embedkit.encoders.bert import Bert
from embedkit.encoders.models import ModelFiles, find_model
from embedkit.errors import DamagedFile
from embedkit.space import Vectors, to_unit

__all__ = ["Reading", "Transformer", "load_transformer"]

BATCH = 32
THREADS = 2


@dataclass(frozen=True, eq=False)
class Reading:
    """What the model made of one text.

    `pieces` are its t word pieces with the special ones, `spans` their (start, end) places in the text ((0, 0) for
    special ones), `states` float32 (layers + 1, t, d), the first the input layer; `read_to` is the place in the text
    where the model stopped reading, the text's length when it read all.
    """

    text: str
    pieces: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    states: Vectors
    read_to: int

    @property
    def cut(self) -> str:
        """The end of the text that the model did not read."""
        return self.text[self.read_to :]

    def pieces_of(self, start: int, end: int) -> list[int]:
        """Numbers of the pieces that cover text[start:end]; empty when that part was cut."""
        return [i for i, (a, b) in enumerate(self.spans) if a < end and b > start]

    def vectors_of(self, start: int, end: int) -> Vectors:
        """Mean over the pieces of text[start:end], one vector a layer: (layers + 1, d)."""
        mean: Vectors = self.states[:, self.pieces_of(start, end)].mean(1)
        return mean


class Transformer:
    """A loaded model; safe to share between threads. Use `load_transformer`."""

    def __init__(self, files: ModelFiles) -> None:
        from safetensors import SafetensorError
        from tokenizers import Tokenizer

        self.files = files
        try:
            config = json.loads((files.folder / "config.json").read_text("utf-8"))
            if not isinstance(config, dict):
                raise ValueError("config.json holds no settings")
            self._tokenizer: Any = Tokenizer.from_file(str(files.folder / "tokenizer.json"))
            self._model: Bert | AutoEncoder = Bert(files.folder, config) if Bert.runs(config) else AutoEncoder(files)
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise DamagedFile(f"The model in '{files.folder.name}' cannot be read: {str(error)[:300]}") from error
        except Exception as error:
            if type(error) is Exception:  # what tokenizers raises for a file that is not its own
                raise DamagedFile(f"tokenizer.json in '{files.folder.name}' cannot be read: {error}") from error
            raise
        self.limit = int(config.get("max_position_embeddings", 512))
        if "roberta" in str(config.get("model_type")) or config.get("model_type") == "mpnet":
            self.limit -= int(config.get("pad_token_id", 1)) + 1  # these count positions from after the padding
        self._tokenizer.enable_truncation(self.limit)
        self._tokenizer.enable_padding(pad_id=int(config.get("pad_token_id") or 0))
        self._lock = threading.Lock()

    @property
    def layers(self) -> int:
        """Number of layers above the input."""
        return self._model.layers

    @property
    def d(self) -> int:
        """Numbers in each vector."""
        return self._model.d

    @property
    def megabytes(self) -> float:
        """Memory of the weights."""
        return self._model.megabytes

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """Read each text on its own; what goes beyond the model's limit is cut and told in `Reading.cut`."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # texts of like length share a batch
        readings: dict[int, Reading] = {}
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            for i, reading in zip(batch, self._read([texts[i] for i in batch]), strict=True):
                readings[i] = reading
        return [readings[i] for i in range(len(texts))]

    def _read(self, texts: list[str]) -> list[Reading]:
        import torch

        # The tokenizer keeps its truncation in itself and torch its thread count: one batch at a time.
        with self._lock, torch.inference_mode():
            torch.set_num_threads(THREADS)
            encodings = self._tokenizer.encode_batch([_plain(text) for text in texts])
            ids = torch.tensor([e.ids for e in encodings])
            mask = torch.tensor([e.attention_mask for e in encodings])
            stacked = torch.stack(list(self._model.states(ids, mask))).float().numpy()  # (layers + 1, b, t, d)
        return [self._reading(text, e, stacked[:, i]) for i, (text, e) in enumerate(zip(texts, encodings, strict=True))]

    @staticmethod
    def _reading(text: str, encoding: Any, states: Vectors) -> Reading:
        used = sum(encoding.attention_mask)
        spans = tuple((int(a), int(b)) for a, b in encoding.offsets[:used])
        read_to = max((b for _, b in spans), default=0) if encoding.overflowing else len(text)
        return Reading(text, tuple(encoding.tokens[:used]), spans, states[:, :used], read_to)

    def pooled(self, texts: Sequence[str]) -> Vectors:
        """One vector a text: the mean over its pieces at the last layer, at length 1; float32 (n, d).

        Texts are read in batches, and only the means are kept.
        """
        means = [
            np.mean(reading.states[-1], axis=0)
            for start in range(0, len(texts), 8 * BATCH)
            for reading in self.read(texts[start : start + 8 * BATCH])
        ]
        return to_unit(np.array(means, np.float32).reshape(len(means), self.d))

    def table_row(self, text: str) -> Vectors:
        """The word's vector before any context: its row of the input table through the input's layer norm, (d,).

        The mean over pieces where the word has several. Position is left out, so it is the same in every sentence.
        """
        import torch

        with self._lock, torch.inference_mode():
            ids = self._tokenizer.encode(_plain(text), add_special_tokens=False).ids
            mean: Vectors = self._model.table_rows(torch.tensor(ids)).mean(0).numpy()
        return mean


def _plain(text: str) -> str:
    """Lone surrogates, which no encoder takes, become a question mark of the same length."""
    return "".join("?" if 0xD800 <= ord(ch) <= 0xDFFF else ch for ch in text)


@lru_cache(maxsize=2)
def _loaded(files: ModelFiles, key: str) -> Transformer:
    return Transformer(files)


_load_lock = threading.Lock()


def load_transformer(name: str = "minilm", folder: str | None = None) -> Transformer:
    """The transformer of this name or folder, loaded once a process; raises what `find_model` raises."""
    files = find_model(name, folder)
    with _load_lock:  # thirty people who open a page together load it once
        return _loaded(files, files.key)
