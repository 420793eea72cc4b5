"""Train word vectors: by hand, a small step at a time, and for real, on a text."""

from ui import (
    train_words_hand,
    train_words_methods,
    train_words_pitfalls,
    train_words_reader,
    train_words_train,
)
from ui.controls import choice
from ui.frame import page

VIEWS = {  # what stands in the link: the function that draws it
    "By hand": train_words_hand.view,
    "Train": train_words_train.view,
    "Four methods": train_words_methods.view,
    "Pitfalls": train_words_pitfalls.view,
    "Reader": train_words_reader.view,
}

with page(
    "Train word vectors",
    "A word becomes a vector by guessing its neighbors. Do it by hand, step by step, or watch a whole text learned.",
):
    choice("What to do", VIEWS, key="tw", help="Ways to train vectors of words and to question them.")()
