"""Words: one vector a word, whatever the sentence. A map, analogies, axes of your own, odd one out, strips."""

from ui import cache, words_map, words_more
from ui.controls import choice
from ui.frame import page
from ui.spaces import static_space

VIEWS = {
    "Map": words_map.view,
    "Analogy": words_more.analogies,
    "Axes": words_more.axes,
    "Odd one out": words_more.odd,
    "Strips": words_more.strip_view,
}

with page(
    "Words as points",
    "Every word has one vector, the same in every sentence. Near in meaning should mean near in space: check it.",
):
    name = choice("What to do", list(VIEWS), key="view", help="Five ways to question the same vectors.")
    VIEWS[name](cache.space(static_space()))
