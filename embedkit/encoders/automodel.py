"""Any other encoder of the transformers kind (MPNet, DistilBERT, RoBERTa ...), behind the interface of `Bert`."""

from __future__ import annotations

from typing import Any

from embedkit.encoders.models import ModelFiles
from embedkit.errors import DamagedFile

__all__ = ["AutoEncoder"]


class AutoEncoder:
    """A model that transformers loads from a folder: safetensors only, none of the folder's own code."""

    def __init__(self, files: ModelFiles) -> None:
        from transformers import AutoModel
        from transformers.utils import logging

        logging.set_verbosity_error()  # it reports unused heads on the console at each load
        logging.disable_progress_bar()
        model, told = AutoModel.from_pretrained(
            str(files.folder),
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
        # a pooler is not read here; any other missing weight would be drawn at random, and nobody told
        if missing := sorted(name for name in told["missing_keys"] if not name.startswith("pooler.")):
            raise DamagedFile(f"The weights in '{files.folder.name}' lack {', '.join(missing[:3])}.")
        self.model: Any = model.eval()
        self.layers = int(self.model.config.num_hidden_layers)
        self.d = int(self.model.config.hidden_size)

    @property
    def megabytes(self) -> float:
        """Memory of the weights."""
        return float(sum(p.numel() * p.element_size() for p in self.model.parameters()) / 1e6)

    def table_rows(self, ids: Any) -> Any:
        """Input vectors without their place in the sentence, through the input's norm where there is one.  # (t, d)"""
        embeddings = self.model.embeddings
        rows = embeddings.word_embeddings(ids)
        if getattr(embeddings, "token_type_embeddings", None) is not None:
            rows = rows + embeddings.token_type_embeddings.weight[0]
        norm = getattr(embeddings, "LayerNorm", None)
        return norm(rows) if norm is not None else rows

    def states(self, ids: Any, mask: Any) -> Any:
        """Hidden states of a batch, the input layer first: layers + 1 tensors (b, t, d)."""
        return self.model(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
