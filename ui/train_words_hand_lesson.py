"""What one run of the view By hand shows: the text, both recipes, the step, and where both methods stand."""

from __future__ import annotations

from embedkit.words.by_hand import Example, HandRecipe, HandText, Stand, moment, multiplications, stand
from ui import cache_train_words

PAIRS = 20_000  # as far as the steps go
LAST = 4 * PAIRS


class Lesson:
    """What one run of the page shows: the text, both recipes, the step, and where both methods stand."""

    def __init__(self, typed: str, recipes: dict[str, HandRecipe]) -> None:
        self.typed, self.recipes, self.text = typed, recipes, cache_train_words.hand_text(typed)
        window = recipes["CBOW"].window
        self.orders = {name: cache_train_words.hand_examples(typed, name, window) for name in recipes}
        self.pairs = self.orders["skip-gram"]

    def at(self, step: int) -> tuple[dict[str, Stand], dict[str, tuple[float, ...]]]:
        """Both methods after this many small steps, and the loss of each of their examples so far."""
        stands, losses = {}, {}
        for name, at in moment(self.pairs, step).items():
            weights, found = cache_train_words.hand_run(self.typed, self.recipes[name], at.done)
            stands[name] = here = stand(self.text, self.recipes[name], self.orders[name], weights, at)
            losses[name] = found + ((here.found.loss,) if at.phase == 4 else ())
        return stands, losses


def in_words(text: HandText, example: Example) -> str:
    """An example in words: "eat → apples", "{we, apples} → eat"."""
    names = [text.words[row] for row in example.inputs]
    read = names[0] if example.other >= 0 else "{" + ", ".join(names) + "}"
    return f"{read} → {text.words[example.target]}"


def cost(recipe: HandRecipe, text: HandText) -> int:
    """Multiplications of one example."""
    return multiplications(recipe.output, len(text.words), dims=recipe.dims, negatives=recipe.negatives)
