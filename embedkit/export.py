"""What people take away: tables as CSV that no spreadsheet runs, and the lines of Python that make the same result."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from embedkit.maps import MadeMap, Settings
    from embedkit.neighbors import Metric
    from embedkit.space import Space

__all__ = [
    "autoencoder_script",
    "by_hand_script",
    "compare_script",
    "coordinates_table",
    "explorer_script",
    "layers_script",
    "map_script",
    "methods_script",
    "neighbors_table",
    "parquet",
    "pictures_lines",
    "pitfalls_script",
    "reader_script",
    "safe_cell",
    "safe_csv",
    "selected_table",
    "towers_script",
    "vectors_table",
    "words_script",
    "worksheet",
]


def safe_cell(value: object) -> object:
    """A text that starts with = + - @, tab or return gets an apostrophe before it: no spreadsheet runs it (OWASP)."""
    return f"'{value}" if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"} else value


def safe_csv(table: pd.DataFrame) -> bytes:
    """A table as UTF-8 CSV, its cells and the names of its columns safe."""
    return (
        table.rename(columns=safe_cell)
        .map(safe_cell)
        .to_csv(index=False, lineterminator="\n")
        .encode("utf-8", "replace")
    )


def coordinates_table(made: MadeMap) -> pd.DataFrame:
    """Items with their coordinates and the share of true neighbors that the map keeps."""
    import pandas as pd

    projection = made.projection
    items = projection.space.items if projection.space is not None else tuple(map(str, range(len(projection.coords))))
    columns = {"item": items} | dict(zip("xyz", projection.coords.T, strict=False))
    return pd.DataFrame(columns | {"neighbors_kept": made.quality.point_recall})


def selected_table(space: Space, items: Sequence[str], made: MadeMap) -> pd.DataFrame:
    """Some items of a space with their columns, and with their coordinates where they are on the map."""
    import pandas as pd

    places = coordinates_table(made)
    own = {name: f"map_{name}" for name in places.columns[1:]}
    rows = pd.Index(places["item"]).get_indexer(list(items))
    found = places.drop(columns="item").rename(columns=own).reindex(rows).reset_index(drop=True)
    meta = space.meta.iloc[[space.row(item) for item in items]].reset_index(drop=True)
    return pd.concat([pd.DataFrame({"item": list(items)}), meta, found.set_index(meta.index)], axis=1)


def neighbors_table(space: Space, items: Sequence[str], k: int, metric: Metric) -> pd.DataFrame:
    """The k nearest of each item, the nearest first, with their columns; "of" says whose neighbor each is."""
    import pandas as pd

    from embedkit.neighbors import search

    at_once = max(1, 20_000_000 // space.n)  # scores: 80 MB
    rows, found = [], []
    for start in range(0, len(items), at_once):
        part = list(items[start : start + at_once])
        for item, near in zip(part, search(space, part, min(k, space.n), metric), strict=True):
            for rank, each in enumerate((each for each in near if not each.asked), start=1):
                rows.append(each.row)
                found.append((item, rank, each.item, each.score))
    table = pd.DataFrame(found, columns=["of", "rank", "item", metric])
    return pd.concat([table, space.meta.iloc[rows].reset_index(drop=True)], axis=1)


def vectors_table(space: Space, labels: Sequence[str] = ()) -> pd.DataFrame:
    """Items, labels if there are any, and a column for each number of their vectors."""
    import pandas as pd

    columns: dict[str, object] = {"item": space.items}
    if labels:
        columns["label"] = tuple(labels)
    return pd.DataFrame(columns | {f"z{i + 1}": space.vectors[:, i] for i in range(space.d)})


def parquet(space: Space) -> bytes:
    """The one Parquet file of a space, as bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "space.parquet"
        space.to_parquet(path)
        return path.read_bytes()


def pictures_lines(key: str, limit: int = 0, folder: str = "") -> str:
    """Python that opens a set of pictures; a person's own, with the key "own", from a folder to be filled in."""
    if key == "own":
        return (
            "from pathlib import Path\n\nfrom embedkit.sources.pictures import from_files\n\n"
            'pictures = from_files([(file.name, file.read_bytes()) for file in Path("my pictures").iterdir()])\n'
        )
    more = "".join(f", {name}={value!r}" for name, value in (("limit", limit), ("folder", folder)) if value)
    return f"from embedkit.sources.picture_sets import load_pictures\n\npictures = load_pictures({key!r}{more})\n"


def autoencoder_script(pictures: str, recipe: Mapping[str, object]) -> str:
    """Python that trains the same autoencoder, step by step, on what the lines of `pictures_lines` open."""
    given = ", ".join(f"{name}={value!r}" for name, value in recipe.items())
    return (
        "from embedkit.images import Autoencoder, Recipe, figures_of, train\n"
        f"{pictures}"
        f"recipe = Recipe({given})\n"
        "train_rows, held_rows = pictures.split()\n"
        "for step in train(pictures.pixels, recipe, train_rows=train_rows, held_rows=held_rows):\n"
        "    print(step.epoch, round(step.train_loss, 4), round(step.held_loss, 4))\n\n"
        "model = Autoencoder(recipe, pictures.pixels.shape[1:], step.weights)\n"
        "for figures in figures_of(pictures, model):\n"
        "    print(figures)\n"
    )


def compare_script(pictures: str, column: str, size: int, seed: int) -> str:
    """Python that makes the five vectors of the same pictures and measures them on each label."""
    learned = (
        f"for kind in ('cnn', 'vit'):\n    recipe = ClassifierRecipe(kind, seed={seed})\n"
        f"    (*_, step) = trained(pictures, {column!r}, recipe)\n"
        f"    classes = len(set(label_columns(pictures)[{column!r}]))\n"
        "    model = Classifier(recipe, pictures.pixels.shape[1:], classes, step.weights)\n"
        "    vectors[kind] = model.encode(pictures.pixels)\n\n"
    )
    return (
        "from embedkit.images import Autoencoder, Recipe, fit_pca, label_columns, train\n"
        "from embedkit.images.classifiers import Classifier, ClassifierRecipe\n"
        "from embedkit.images.compare import accuracies, trained\n"
        f"{pictures}"
        "train_rows, held_rows = pictures.split()\n"
        f"pca = fit_pca(pictures.pixels[train_rows], {size})\n"
        f"recipe = Recipe(latent={size}, seed={seed})\n"
        "(*_, step) = train(pictures.pixels, recipe, train_rows=train_rows, held_rows=held_rows)\n"
        "model = Autoencoder(recipe, pictures.pixels.shape[1:], step.weights)\n"
        "vectors = {\n    'pixels': pictures.flat,\n    'PCA': pca.encode(pictures.pixels),\n"
        "    'autoencoder': model.encode(pictures.pixels),\n}\n"
        + (learned if column else "")
        + "for name, found in accuracies(pictures, vectors, label_columns(pictures)).items():\n"
        "    print(name, found)\n"
    )


def towers_script(watched: Mapping[str, object], recipe: Mapping[str, object]) -> str:
    """Python that trains the same two towers and measures them; an own table without its key is read from its file."""
    given, changed = (", ".join(f"{name}={value!r}" for name, value in each.items()) for each in (watched, recipe))
    own = watched.get("key") == "own" and not watched.get("own")
    path_line, own_line = "from pathlib import Path\n\n", "from embedkit.sources.interactions import own_table\n"
    source = 'own_table("mine.csv", Path("mine.csv").read_bytes())' if own else f"load_watched(Watched({given}))"
    return (
        f"{path_line * own}import numpy as np\n\n"
        "from embedkit.interactions.data import Watched, features_of, load_watched, parts_of\n"
        "from embedkit.interactions.evaluation import evaluate\n"
        "from embedkit.interactions.towers import TowerRecipe, Towers, train_towers\n"
        f"{own_line * own}\n"
        f"table = {source}\n"
        "parts, features, recipe = parts_of(table), features_of(table), "
        f"TowerRecipe({changed})\n"
        "for step in train_towers(parts.seen, features, recipe):\n"
        "    print(step.epoch, round(step.loss, 4))\n\n"
        "towers = Towers(recipe, features, parts.seen.shape, step.weights)\n"
        "scores = towers.users(parts.seen, np.arange(table.n_users)) @ towers.items().T\n"
        "print(evaluate(scores, parts.seen, parts.held))\n"
    )


def words_script(text: str, method: str, changed: Mapping[str, object], word: str) -> str:
    """Python that learns the same vectors of words and tests them; an own text, "own", is read from its file."""
    given = "".join(f", {name}={value!r}" for name, value in changed.items() if name != "method")
    own = text == "own"
    opened = 'read_corpus(Path("mine.txt"))' if own else f"load_text(Text({text!r}))"
    home = "from embedkit.sources.corpora import read_corpus\n" if own else ""
    names = "recipe_of" if own else "Text, load_text, recipe_of"
    return (
        f"{'from pathlib import Path' * own}{chr(10) * 2 * own}import embedkit\n{home}"
        "from embedkit.words.learning import learn\n"
        "from embedkit.words.scores import word_scores\n"
        f"from embedkit.words.word_training import {names}\n\n"
        f"corpus = {opened}\n"
        f"for step in learn(corpus, recipe_of({method!r}{given})):\n"
        "    print(step.epoch, round(step.loss, 4))\n\n"
        "words = corpus.words[: len(step.vectors)]\n"
        'space = embedkit.Space("mine", "Learned words", words, step.vectors)\n'
        f"for neighbor in embedkit.search(space, {word!r}, k=10):\n"
        "    print(neighbor.rank, neighbor.item, round(neighbor.score, 4))\n\n"
        "for test, score in word_scores(words, step.vectors).items():\n"
        "    print(test, score)\n"
    )


def methods_script(text: str, changed: Mapping[str, object], word: str, unseen: str) -> str:
    """Python that learns a text by all methods and asks each for neighbors; an own text, "own", is read from a file."""
    given = "".join(f", {name}={value!r}" for name, value in changed.items())
    head, home, opened = "", "Text", f"text = Text({text!r})\n"
    if text == "own":
        head = (
            "from pathlib import Path\n\nfrom embedkit.sources.corpora import read_corpus\n"
            "from embedkit.store import default_store\n"
        )
        home, opened = "keep_text", 'text = keep_text(read_corpus(Path("mine.txt")), default_store())\n'
    return (
        f"{head}"
        "from embedkit.words.four_methods import Contest, compare_methods\n"
        f"from embedkit.words.word_training import {home}\n\n"
        f"{opened}found = compare_methods(Contest(text{given}))\n"
        "for row in found.rows:\n"
        "    scores = {name: (score.value, score.asked) for name, score in row.scores.items()}\n"
        "    print(row.method, scores, row.seconds)\n\n"
        f"for method, near in found.neighbors({word!r}).items():\n"
        "    print(method, [each.item for each in near])\n\n"
        f"if answer := found.unseen({unseen!r}):\n"
        "    print(answer.word, [each.item for each in answer.near], answer.pieces[:5])\n"
    )


def pitfalls_script(name: str, text: str, seed: int, word: str = "") -> str:
    """Python that measures the same experiment on learned words; an own text, "own", is read from its file."""
    own = text == "own"
    opened = 'keep_text(read_corpus(Path("mine.txt")), default_store())' if own else f"Text({text!r})"
    home = "from embedkit.sources.corpora import read_corpus\nfrom embedkit.store import default_store\n" * own
    lists = (
        "for key in entry.arrays:\n"
        "    if key.startswith('near.'):\n"
        f"        print(key, *neighbors_in(entry, key.removeprefix('near.'), {word!r}))\n"
    ) * bool(word)
    return (
        f"{'from pathlib import Path' * own}{chr(10) * 2 * own}{home}"
        f"from embedkit.words.training_pitfalls import kept_experiment, {'neighbors_in, ' * bool(word)}results_in\n"
        f"from embedkit.words.word_training import {'keep_text' if own else 'Text'}\n\n"
        f"entry = kept_experiment({name!r}, {opened}, seed={seed})  # a minute or two; then it is kept\n"
        f"for row in results_in({name!r}, entry):\n"
        "    print(row)\n"
        f"{lists}"
    )


def reader_script(words: str, part: str, read: Sequence[str], ranking: str, seed: int) -> str:
    """Python that ranks the same unread titles for the same reader, by a rule and by a network."""
    listed = "".join(f"    {name!r},\n" for name in read)
    return (
        "import numpy as np\n\nimport embedkit\n"
        "from embedkit.words.reader import draw_readers, score, titles_of, train_network\n\n"
        f"titles = titles_of(embedkit.load({words!r}), {part!r}, split={seed})\n"
        f"read = titles.rows([\n{listed}])\n"
        "unread = np.flatnonzero(~titles.readable)\n"
        f"others = draw_readers(titles, 1_000, None, tested=False, split={seed})\n"
        f"network = train_network(titles, others, {seed})\n"
        f"for ranking in ({ranking!r}, 'network'):\n"
        "    scores = score(ranking, titles, read, unread, network)\n"
        "    for row in np.argsort(-scores, kind='stable')[:10]:\n"
        "        print(ranking, titles.names[unread[row]], round(float(scores[row]), 4))\n"
    )


def by_hand_script(text: str, recipe: Mapping[str, object], counts: Mapping[str, int], word: str) -> str:
    """Python that trains CBOW and skip-gram on the same sentences as far as `counts` says, and asks what is near."""
    shared = "".join(f", {name}={value!r}" for name, value in recipe.items() if name != "method")
    listed = "".join(f"    (HandRecipe({method!r}{shared}), {count}),\n" for method, count in counts.items())
    return (
        "import embedkit\nfrom embedkit.words.by_hand import HandRecipe, hand_space, parse_sentences, state_at\n\n"
        f"text = parse_sentences({text!r})\n"
        f"for recipe, examples in (\n{listed}):\n"
        "    weights = state_at(text, recipe, examples)\n"
        "    space = hand_space(text, weights, recipe)\n"
        f"    for neighbor in embedkit.search(space, {word!r}, k=5):\n"
        "        print(recipe.method, neighbor.rank, neighbor.item, round(neighbor.score, 3))\n"
    )


def map_script(key: str, word: str, items: Sequence[str], settings: Settings) -> str:
    """Python that lists the neighbors of a word and makes the same map of the same items."""
    params = "".join(f", {name}={value:g}" for name, value in settings.params)
    listed = ", ".join(map(repr, items))
    chosen = f"space.take([{listed}])" if len(items) <= 2_500 else "space"
    return (
        "import embedkit\n\n"
        f"space = embedkit.load({key!r})\n"
        f"for neighbor in embedkit.search(space, {word!r}, k=10):\n"
        "    print(neighbor.rank, neighbor.item, round(neighbor.score, 4))\n\n"
        f"shown = {chosen}\n"
        f"projection = embedkit.project(\n"
        f"    shown, method={settings.method!r}, dims={settings.dims}, seed={settings.seed}{params}\n)\n"
        "print(projection.coords[:3], embedkit.measure(shown, projection).recall)\n"
    )


def explorer_script(
    method: str,
    settings: Settings,
    pick: str,
    k: int,
    sample: tuple[int, str, int] | None,
    files: Sequence[str] = (),
    uploaded: bool = False,
) -> str:
    """Python that opens the same vectors, answers the pick and makes the same map.

    The vectors are those of a method by its key, else of `files`, within the limits of an upload where they were
    `uploaded`, else of the Parquet file that the page gives. `sample`: size, column or "", seed.
    """
    params = "".join(f", {name}={value:.12g}" for name, value in settings.params)
    metric = f", metric={settings.metric!r}"
    params += f", axes={list(settings.axes)!r}" if settings.axes else ""
    size, by, seed = sample or (0, "", 0)
    lines = ["import embedkit"]
    if sample is not None:
        lines += [f"from embedkit.explore import {'columns, ' * bool(by)}sample_rows"]
    if method:
        lines += ["", f"space = embedkit.load({method!r})"]
    elif files:
        limits = ", limits=UPLOAD" * uploaded
        lines += [f"from embedkit.files import {'UPLOAD, ' * uploaded}open_files", ""]
        lines += ["# Run it in the folder that holds the files." if len(files) > 1 else "# Run it beside the file."]
        lines += [f"opened = open_files({list(files)!r}{limits})", "print(*opened.said, sep='\\n')"]
        lines += ["space = opened.space"]
    else:
        lines += [
            "",
            "# These vectors came from another page: save them with All vectors (Parquet), and run it beside.",
        ]
        lines += ["space = embedkit.Space.from_parquet('space.parquet')"]
    if pick:
        lines += [f"for neighbor in embedkit.search(space, {pick!r}, k={k}{metric}):"]
        lines += ["    print(neighbor.rank, neighbor.item, round(neighbor.score, 4))"]
    if sample is not None:
        column = f", by=columns(space)[{by!r}]" if by else ""
        lines += [f"rows = sample_rows(space, {size}, seed={seed}{column})"]
        lines += ["space = space.take([space.items[row] for row in rows])"]
    lines += [
        "projection = embedkit.project(",
        f"    space, method={settings.method!r}, dims={settings.dims}, seed={settings.seed}{metric}{params}",
        ")",
        f"print(projection.coords[:3], embedkit.measure(space, projection{metric}).recall)",
    ]
    return "\n".join(lines) + "\n"


def layers_script(pairs: Sequence[tuple[str, str]], word: str, layer: int, model: str, folder: str) -> str:
    """Python that reads the same sentences (sense, sentence) with the same model."""
    listed = "".join(f"    ({sense!r}, {sentence!r}),\n" for sense, sentence in dict.fromkeys(pairs))
    return (
        "import embedkit\nfrom embedkit.contexts import figures_by_layer, find_occurrences, read_layers\n"
        "from embedkit.encoders.transformer import load_transformer\n\n"
        f"pairs = [\n{listed}]\n"
        f"found = find_occurrences({word!r}, [sentence for _, sentence in pairs], [sense for sense, _ in pairs])\n"
        f"layers = read_layers(found, load_transformer({model!r}, {folder or None!r}))\n"
        f"space = layers.space({layer})\n"
        "print(embedkit.search(space, space.items[0], k=5))\n"
        f"print(figures_by_layer(layers)[{layer}])\n"
    )


def worksheet(title: str, tasks: Sequence[tuple[str, str]]) -> str:
    """A sheet for a class in Markdown: tasks with room to write, and the answers of today's state on a last page."""
    lines = [f"# {title}", "", "Name: ______________________    Date: ______________", ""]
    for number, (task, _) in enumerate(tasks, start=1):
        lines += [f"{number}. {task}", "", "   " + "_" * 70, ""]
    lines += ["---", "", "## For the teacher: answers", ""]
    lines += [f"{number}. {answer}" for number, (_, answer) in enumerate(tasks, start=1)]
    return "\n".join(lines) + "\n"
