"""Train word vectors: CBOW and skip-gram by hand, step by step."""

from ui import train_words_hand
from ui.controls import choice
from ui.frame import page

VIEWS = {"By hand": train_words_hand.view}  # what stands in the link: the function that draws it

with page(
    "Train word vectors",
    "A word becomes a vector by guessing its neighbors. Do it by hand, one small step at a time, forward and back.",
):
    choice("What to do", VIEWS, key="tw", help="Ways to train vectors of words and to question them.")()
