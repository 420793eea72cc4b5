"""Links to pages that the tests open: together they set every control there is."""

from __future__ import annotations

from typing import Any

VIEWS = ("Map", "Analogy", "Axes", "Odd one out", "Strips")
IMAGE_VIEWS = ("Train", "Walk", "Pitfalls", "Compare", "Search")
EXPLORER_VIEWS = ("Map", "Noise and settings", "Compare")
TRAIN_VIEWS = ("By hand", "Train", "Four methods", "Pitfalls", "Reader")
INTERACTION_VIEWS = ("Train", "You", "Pitfalls", "Retrieval", "Transfer", "Web pages")
LIST = "apple pear plum cherry bus train car tram king queen"

LINKS: dict[str, tuple[str, dict[str, Any]]] = {
    "map of topics by PCA": (
        "pages/words.py",
        {
            "topics": ["colors", "sports"],
            "word": "red",
            "method": "PCA",
            "dims": 3,
            "seed": 7,
            "k": 25,
            "hide": True,
            "present": True,
            "guess": "fruit",
        },
    ),
    "map around a word": (
        "pages/words.py",
        {"set": "Around a word", "many": 150, "center": "sea", "word": "river", "method": "PCA"},
    ),
    "own list by UMAP": (
        "pages/words.py",
        {"set": "Own list", "list": LIST, "n_neighbors": 7, "min_dist": 0.75, "seed": 3},
    ),
    "own list by t-SNE": (
        "pages/words.py",
        {"set": "Own list", "list": LIST, "method": "t-SNE", "perplexity": 4, "seed": 9_999},
    ),
    "own list by PaCMAP": (
        "pages/words.py",
        {
            "set": "Own list",
            "list": LIST,
            "method": "PaCMAP",
            "pacmap_n_neighbors": 3,
            "MN_ratio": 1.5,
            "FP_ratio": 3.5,
        },
    ),
    "frequent words": ("pages/words.py", {"set": "Frequent", "word": "king"}),
    "analogy": (
        "pages/words.py",
        {
            "view": "Analogy",
            "a": "paris",
            "b": "france",
            "c": "tokyo",
            "ahide": True,
            "cat": "capital-common-countries",
            "aguess": "woman",
        },
    ),
    "axes": ("pages/words.py", {"view": "Axes", "x": "poor-rich", "y": "small-large", "axlist": "cat, whale, ant"}),
    "odd one out": ("pages/words.py", {"view": "Odd one out", "odd": "red green blue heavy", "oddguess": "heavy"}),
    "strips": (
        "pages/words.py",
        {"view": "Strips", "strip": "river bank money", "frozen": "bank", "minus": "money", "cells": 128, "column": 3},
    ),
    "labelled sentences": (
        "pages/contexts.py",
        {"of": "bank", "layer": 2, "mine": "money | A bank lends.", "cguess": "Identical", "present": True},
    ),
    "pasted text": (
        "pages/contexts.py",
        {"from": "Pasted text", "cword": "plum", "pasted": "A plum fell down. The plum was ripe.", "layer": 6},
    ),
    "a fetched model": ("pages/contexts.py", {"model": "BERT base", "of": "mole"}),
    "a folder": ("pages/contexts.py", {"folder": "/nowhere/at/all"}),
    "a finished training": ("pages/images.py", {"back": -3, "tguess": "Under a third", "present": True}),
    "a training": (
        "pages/images.py",
        {"net": "Convolutional", "latent": 3, "noise": 0.3, "epochs": 1, "seed": 5, "pictures": "Handwritten digits"},
    ),
    "a set from a folder": ("pages/images.py", {"pictures": "MNIST", "files": "/nowhere/at/all", "many": 600}),
    "own pictures": ("pages/images.py", {"pictures": "Own"}),
    "a walk": (
        "pages/images.py",
        {"view": "Walk", "a": 5, "b": 3, "x": 0.5, "y": -0.25, "show": "Both", "number": 2, "wguess": "in PCA"},
    ),
    "pitfalls": ("pages/images.py", {"view": "Pitfalls", "sguess": "At no size"}),
    "a comparison": (
        "pages/images.py",
        {
            "view": "Compare",
            "p": 7,
            "learn": "even",
            "size": 16,
            "cseed": 0,
            "cmpguess": "Yes, it learned to see",
            "send_which": "PCA",
        },
    ),
    "a comparison with a large network": (
        "pages/images.py",
        {"view": "Compare", "maps": "PCA", "large": ["VGG16"], "weights": "/nowhere/at/all"},
    ),
    "a search": ("pages/images.py", {"view": "Search", "way": "Drop a file", "swap": "Swapped"}),
    "finished towers": ("pages/interactions.py", {"tback": -3, "iguess": "Popularity", "present": True}),
    "towers": (
        "pages/interactions.py",
        {
            "data": "Simulated cinema",
            "loss": "BPR",
            "neg": "hard",
            "reads": ["genres", "year"],
            "uid": True,
            "uhist": False,
            "tdims": 2,
            "temp": 0.5,
            "tepochs": 1,
            "tseed": 7,
        },
    ),
    "MovieLens from a folder": ("pages/interactions.py", {"data": "MovieLens small", "mlfolder": "/nowhere/at/all"}),
    "own table": ("pages/interactions.py", {"data": "Own table"}),
    "you": (
        "pages/interactions.py",
        {
            "do": "You",
            "liked": ["Alien (1979)", "Brazil (1985)"],
            "ntitle": "A Ship in a Bottle",
            "nyear": 1955,
            "ngenres": ["Drama"],
        },
    ),
    "pitfalls of towers": ("pages/interactions.py", {"do": "Pitfalls", "pguess": "full"}),
    "retrieval": (
        "pages/interactions.py",
        {"do": "Retrieval", "many_items": "100,000 items", "rseed": 3, "rguess": "A few times faster"},
    ),
    "transfer": ("pages/interactions.py", {"do": "Transfer", "xguess": "from scratch"}),
    "web pages": ("pages/interactions.py", {"do": "Web pages", "q": "a red planet", "wpguess": "BM25"}),
    "by hand": (
        "pages/train_words.py",
        {
            "hand_text": "A plum falls. The plum is ripe. Don't eat it!",
            "hand_output": "Negative sampling",
            "hand_window": 3,
            "hand_map": "Output vectors",
            "hand_dims": 4,
            "hand_negatives": 2,
            "hand_seed": 7,
            "hand_rate": 0.05,
            "hand_step": 4_003,
            "hand_word": "plum",
            "hand_many": "Skip-gram",
        },
    ),
    "by hand on the opening text": (
        "pages/train_words.py",
        {"tw": "By hand", "hand_guess": "Far apart", "present": True},
    ),
    "words learned from Wikipedia": (
        "pages/train_words.py",
        {"tw": "Train", "w_back": -3, "w_word": "war", "w_guess": "10 to 30 %", "present": True},
    ),
    "words learned by skip-gram": (
        "pages/train_words.py",
        {
            "tw": "Train",
            "w_text": "Lee news",
            "w_dims": 10,
            "w_window_sg": 2,
            "w_epochs_sg": 1,
            "w_least": 7,
            "w_negatives": 2,
            "w_sample_sg": 0.01,
            "w_rate_sg": 0.04,
            "w_seed": 3,
            "w_threads": True,
        },
    ),
    **{
        f"words learned by {method}": (
            "pages/train_words.py",
            {"tw": "Train", "w_text": "Lee news", "w_method": method, "w_dims": 4, **more},
        )
        for method, more in {
            "CBOW": {"w_window_cbow": 2, "w_epochs_cbow": 1, "w_sample_cbow": 0.01, "w_rate_cbow": 0.04},
            "fastText": {"w_window_ft": 2, "w_epochs_ft": 1, "w_sample_ft": 0.01, "w_rate_ft": 0.04},
            "GloVe": {"w_window_glove": 2, "w_epochs_glove": 1, "w_rate_glove": 0.04},
            "LSA": {"w_window_lsa": 3, "w_smoothing": 1.0, "w_power": 0.0},
        }.items()
    },
    "four methods": (
        "pages/train_words.py",
        {
            "tw": "Four methods",
            "f4_word": "music",
            "f4_unseen": "goverment",
            "f4_guess": "LSA",
            "f4_who": "Only fastText",
            "present": True,
        },
    ),
    "four methods with other settings": (
        "pages/train_words.py",
        {"tw": "Four methods", "w_text": "Lee news", "f4_dims": 4, "f4_window": 2, "f4_min_count": 40, "f4_seed": 3},
    ),
    "explorer": (
        "pages/explorer.py",
        {
            "ex_src": "Handwritten digits, autoencoder",
            "ex_method": "PCA",
            "ex_metric": "Euclidean",
            "ex_seed": 3,
            "ex_dims": 3,
            "ex_color": "neighbors kept",
            "ex_search": "7",
            "ex_pick": "7 (7)",
            "ex_k": 5,
            "ex_draw": "pictures",
            "ex_way": "Drop a file",
            "ex_swap": "Swapped",
            "ex_sum": "7 (7) + 1 (1)",
            "ex_guess": "About half",
            "present": False,
            "ex_format": "NumPy array",
        },
    ),
    "explorer by PaCMAP": (
        "pages/explorer.py",
        {
            "ex_src": "Handwritten digits, autoencoder",
            "ex_method": "PaCMAP",
            "ex_pacmap_n_neighbors": 20,
            "ex_MN_ratio": 1.0,
            "ex_FP_ratio": 1.0,
        },
    ),
    "points of one's own": (
        "pages/explorer.py",
        {
            "ex_src": "Words, trained on Wikipedia",
            "ex_method": "PCA",
            "ex_phrases": "king of france\nwar",
            "ex_sum": "king - man + woman",
        },
    ),
    "explorer on own axes": (
        "pages/explorer.py",
        {
            "ex_method": "Own axes",
            "ex_dims": 3,
            "ex_x": "two ends",
            "ex_x_from": "digit: 3",
            "ex_x_to": "digit: 8, digit: 0",
            "ex_y_from": "7 (7)",
            "ex_y_to": "",
            "ex_z": "digit",
        },
    ),
    "explorer on another third axis": (
        "pages/explorer.py",
        {"ex_method": "Own axes", "ex_dims": 3, "ex_y": "digit", "ex_z_from": "even: True", "ex_z_to": "even: False"},
    ),
    "own files": ("pages/explorer.py", {"ex_src": "Own files", "ex_open": ""}),
    "noise": (
        "pages/explorer.py",
        {"ex": "Noise and settings", "ex_method": "PCA", "ex_noise_guess": "how grouped it looks"},
    ),
    "spaces compared": (
        "pages/explorer.py",
        {
            "ex": "Compare",
            "ex_cmp": ["Handwritten digits, autoencoder", "Handwritten digits, pixels"],
            "ex_ck": 3,
            "ex_cmetric": "Euclidean",
            "ex_cone": "7 (7)",
            "ex_more": "",
            "ex_cguess": "over 80 %",
        },
    ),
    **{
        f"pitfalls of words: {name}": ("pages/train_words.py", {"tw": "Pitfalls", "tp_what": name, **more})
        for name, more in {
            "Window": {"tp_word": "war", "tp_seed": 0, "tp_guess_window": "Window 2", "w_text": "Wikipedia sample"},
            "Dimension": {"tp_guess_dimension": "100", "present": True},
            "Negatives": {"tp_guess_negatives": "Over 20 times"},
            "Seeds": {"tp_word": "river", "tp_guess_seeds": "Over 9"},
        }.items()
    },
    "titles for a reader": (
        "pages/train_words.py",
        {
            "tw": "Reader",
            "tr_words": "MiniLM's table",
            "tr_part": "Title and first sentence",
            "tr_rule": "cosine",
            "tr_seed": 0,
            "tr_guess": "The dot product",
            "tr_read": ["Amphibian", "Astronaut"],
        },
    ),
    "words learned from an own text": ("pages/train_words.py", {"tw": "Train", "w_text": "Own text"}),
}

# Controls that take whatever is typed. Files that a person uploads stand in no link, on purpose: they stay with the
# session that brought them, so a file uploader is not among `controls` at all.
FREE = {
    "pages/words.py": {"center", "word", "list", "a", "b", "c", "x", "y", "axlist", "odd", "strip"},
    "pages/contexts.py": {"cword", "pasted", "mine", "folder"},
    "pages/images.py": {"files", "weights", "x", "y", "back"},  # -1 is a place and a step; see test_images_page.py
    "pages/interactions.py": {"mlfolder", "ntitle", "q", "tback"},
    "pages/train_words.py": {
        "hand_text",
        "hand_word",
        "w_word",
        "w_back",
        "tp_word",
        "f4_word",
        "f4_unseen",
        "f4_other",
    },
    "pages/explorer.py": {"ex_pick", "ex_search", "ex_open", "ex_phrases", "ex_sum", "ex_cone", "ex_more"}
    | {f"ex_{axis}_{side}" for axis in "xyz" for side in ("from", "to")},
}

# What a person gives to learn from stays with the session that brought it, pasted as well as uploaded.
UNBOUND = {"w_paste"}
