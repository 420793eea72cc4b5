"""What a setting does to learned words, one experiment at a time: window, dimension, negatives, another seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd
import streamlit as st

from embedkit.errors import UnknownItem
from embedkit.export import pitfalls_script, safe_csv, worksheet
from embedkit.figures import setting_lines
from embedkit.store import Entry
from embedkit.words.training_pitfalls import (
    BASE,
    LONG,
    NEAR,
    DimensionResult,
    SeedsResult,
    SettingResult,
    Spread,
    dimension_results,
    neighbors_in,
    request_experiment,
    results_in,
    seeds_results,
    setting_results,
    words_in,
)
from embedkit.words.word_training import Text
from ui import cache, train_words_setup
from ui.controls import choice, text, whole_number
from ui.frame import arithmetic, ask, chart, link_note, presenting, tries, why
from ui.work import result_of

WORDS = ("king", "war", "music", "water")  # one of them is asked for at first, if the text knows it
HELP = {
    "Window": "words to each side that count as neighbors, 2 against 10",
    "Dimension": "10 to 600 numbers a word, on text that was not learned from",
    "Negatives": "1 to 30 drawn words to be told apart from each neighbor",
    "Seeds": "how much of a list of neighbors another seed keeps",
}
SHARED = "●"
THREE = st.column_config.NumberColumn(format="%.3f")


def view() -> None:
    """Draw the controls and the chosen experiment, as soon as it is measured."""
    left, right = st.columns([1, 3], gap="medium")
    with left:
        name = choice(
            "Experiment", {title: title.lower() for title in HELP}, key="tp_what", help=_sentence(HELP.items())
        )
        found = train_words_setup.text()
        seed = whole_number(
            "Seed", 0, 9_999, 0, key="tp_seed", help="Of the experiment; the trainings in it take this seed and the two after. 0 to 9,999."
        )  # fmt: skip
        word = ""
        if name in ("window", "seeds"):
            word = text(
                "A word", "", key="tp_word", help="Its neighbors stand side by side.", max_chars=60, placeholder="king"
            ).lower()
    with right:
        if found is not None:
            _experiment(name, found, seed, word)


def _sentence(pairs: object) -> str:
    return " ".join(f"{title}: {said}." for title, said in pairs)  # type: ignore[attr-defined]


def _experiment(name: str, given: Text, seed: int, word: str) -> None:
    entry = result_of((f"tp_{name}", given, seed), lambda: request_experiment(name, given, cache.pool(), seed))
    if entry is None or not entry.meta["rows"]:
        return
    if name in ("window", "seeds"):
        known = words_in(entry)
        word = word or next((each for each in WORDS if each in known), known[min(100, len(known) - 1)])
    draw = {"window": _window, "dimension": _dimension, "negatives": _negatives, "seeds": _seeds}[name]
    draw(entry, word)
    _about_text(entry)
    why(_WHY[name])
    with arithmetic(f"tp_sums_{name}") as is_open:
        if is_open:
            {"window": _window_sums, "dimension": _dimension_sums, "negatives": _negatives_sums, "seeds": _seeds_sums}[
                name
            ](entry, word)
    tries(_TRY[name])
    _take_away(name, given, seed, word, entry)


def _about_text(entry: Entry) -> None:
    meta = entry.meta
    st.caption(
        f"{meta['title']}: {meta['tokens']:,} running words, {meta['n']:,} different ones that come {BASE.min_count} times or more. "
        f"Skip-gram, {BASE.dims} numbers a word, window {BASE.window}, {BASE.negatives} negatives, {BASE.epochs} epochs, where nothing else is said. "
        f"Tests: {', '.join(f'{asked} of {of} pairs of {test}' for test, (asked, of) in meta['asked'].items())} have both words in the text; other pairs would move the scores too. "
        "Of a text of more than 500,000 words, so many are drawn by the line."
    )


# Window


def _window(entry: Entry, word: str) -> None:
    found = setting_results(entry)
    names = [_window_name(each) for each in found]
    plain = {each.value: each for each in found if each.epochs == BASE.epochs}
    if len(plain) == 2:
        low, high = plain[2], plain[10]
        ask(
            "SimLex-999 asks for words that can stand for each other (cup and mug, not cup and coffee). Which window agrees better with people there, on this text?",
            ["Window 2", "Window 10", "No difference beyond chance"],
            _winner(low.simlex, high.simlex),
            f"Measured: {_said(low.simlex)} at 2, {_said(high.simlex)} at 10, mean over {low.runs} seeds with the lowest and the highest. {_control(found)}",
            key="tp_guess_window",
        )
    columns = {
        "WordSim-353": [_cell(each.wordsim) for each in found],
        "SimLex-999": [_cell(each.simlex) for each in found],
        "neighbors met in the text": [_cell(each.together, percent=True) for each in found],
        "by chance": [_cell(each.by_chance, percent=True) for each in found],
        "analogies, semantic": [_cell(each.semantic, percent=True) for each in found],
        "analogies, syntactic": [_cell(each.syntactic, percent=True) for each in found],
        "seconds": [_cell(each.seconds, digits=1) for each in found],
    }
    st.dataframe(
        pd.DataFrame(columns, index=names).T.rename_axis("measured"),
        key="tp_table_window",
        alt="Scores, shares of neighbors met in the text and seconds by window",
    )
    st.caption(
        f"Mean over {found[0].runs} {'seed' if found[0].runs == 1 else 'seeds'}, in brackets the lowest and the highest. "
        "WordSim-353 (related words) and SimLex-999 (words that can stand for each other): Spearman's correlation with people. "
        "Met in the text: share of a word's ten nearest that stand within ten words of it somewhere; by chance: the same for the list of another word. "
        "Seconds are the processor's."
    )
    lists = {_window_name(each): neighbors_in(entry, f"{each.value}.{each.epochs}", word) for each in found}
    if len(found) == 3:
        st.caption(_reading(plain[2], found[2], plain[10]))
    _lists(entry, word, lists, "tp_near_window", "most frequent words")


def _reading(few: SettingResult, many: SettingResult, wide: SettingResult) -> str:
    """What the three rows say of the rule of thumb, from their numbers alone."""
    said = []
    for name, of in (("WordSim-353", "wordsim"), ("SimLex-999", "simlex")):
        winner = _winner(getattr(many, of), getattr(wide, of))
        said.append(f"on {name} {'neither' if winner.startswith('No') else winner.lower()} is ahead")
    met = "more" if (wide.together.mean or 0) > (many.together.mean or 0) else "fewer"
    return (
        f"With as many pairs for both: {', '.join(said)}, and at window 10 {met} of the nearest were met near the word in the text. "
        f"At window 2 that share goes from {_cell(few.together, percent=True)} to {_cell(many.together, percent=True)} by the epochs alone, so it tells as much of the length of a training as of the window."
    )


def _control(found: Sequence[SettingResult]) -> str:
    longer = next((each for each in found if each.epochs != BASE.epochs), None)
    if longer is None:
        return ""
    return (
        f"Window 2 meets fewer pairs; with as many, after {longer.epochs} epochs, it comes to {_said(longer.simlex)}."
    )


def _window_name(each: SettingResult) -> str:
    plain = each.epochs == BASE.epochs
    return f"window {each.value}" if plain else f"window {each.value}, as many pairs ({each.epochs} epochs)"


def _winner(low: Spread, high: Spread) -> str:
    """Which of two is better; neither where the lowest of the better one is not above the highest of the other."""
    if low.mean is None or high.mean is None:
        return "No difference beyond chance"
    if low.low is not None and high.high is not None and low.low > high.high:
        return "Window 2"
    if high.low is not None and low.high is not None and high.low > low.high:
        return "Window 10"
    return "No difference beyond chance"


def _window_sums(entry: Entry, word: str) -> None:
    st.latex(r"\text{pairs a running word} = 2 \cdot \frac{1 + 2 + \dots + c}{c} = c + 1")
    st.latex(r"c = 2: \; 2 \cdot \frac{1 + 2}{2} = 3 \qquad c = 10: \; 2 \cdot \frac{1 + \dots + 10}{10} = 11")
    longer = next((each.epochs for each in setting_results(entry) if each.epochs != BASE.epochs), None)
    if longer:
        st.latex(
            rf"{BASE.epochs} \cdot \frac{{11}}{{3}} = {BASE.epochs * 11 / 3:.1f} \approx {longer} \text{{ epochs}}"
        )
    st.caption(
        "c is the window; word2vec draws the width from 1 to c anew for each word, so near words count more. Ends of lines take some pairs away."
    )
    lists = [set(neighbors_in(entry, f"{each.value}.{each.epochs}", word)) for each in setting_results(entry)[:2]]
    if len(lists) == 2 and all(lists):
        both = len(lists[0] & lists[1])
        st.latex(rf"\frac{{|A \cap B|}}{{{NEAR}}} = \frac{{{both}}}{{{NEAR}}} = {both / NEAR:.1f}")
        st.caption(f"A and B are the ten nearest of '{word}' at window 2 and at window 10.")


# Dimension


def _dimension(entry: Entry, word: str) -> None:
    found = dimension_results(entry)
    short = [each for each in found if each.epochs == BASE.epochs]
    longer = {each.dims: each for each in found if each.epochs == LONG}
    sizes = [each.dims for each in short]
    best = min(short, key=lambda each: each.held_loss)
    if longer:
        ask(
            f"Skip-gram learns nine tenths of the text for {BASE.epochs} epochs. At how many numbers a word is the loss on the other tenth lowest?",
            [str(size) for size in sizes],
            str(best.dims),
            f"Measured: {best.held_loss:.3f} at {best.dims}; {short[0].held_loss:.3f} at {short[0].dims}, {short[-1].held_loss:.3f} at {short[-1].dims}. {_over(short, longer)}",
            key="tp_guess_dimension",
        )
    left, right = st.columns(2, gap="medium")
    with left:
        lines = {
            f"learned from, {BASE.epochs} epochs": [each.train_loss for each in short],
            f"held out, {BASE.epochs} epochs": [each.held_loss for each in short],
        }
        if longer:
            lines |= {
                f"learned from, {LONG} epochs": [longer[size].train_loss if size in longer else None for size in sizes],
                f"held out, {LONG} epochs": [longer[size].held_loss if size in longer else None for size in sizes],
            }
        chart(
            _joined(setting_lines(sizes, lines, x_title="numbers a word", y_title="loss", floor=_floor(lines))),
            key="tp_loss",
            alt=f"Loss on text learned from and on held-out text by numbers a word, after {BASE.epochs} and {LONG} epochs",
        )
    with right:
        lines = {f"WordSim-353, {BASE.epochs} epochs": [each.wordsim for each in short]}
        if longer:
            lines[f"WordSim-353, {LONG} epochs"] = [longer[size].wordsim if size in longer else None for size in sizes]
        lines[f"SimLex-999, {BASE.epochs} epochs"] = [each.simlex for each in short]
        chart(
            _joined(setting_lines(sizes, lines, x_title="numbers a word", y_title="Spearman's ρ")),
            key="tp_scores",
            alt="WordSim-353 and SimLex-999 by numbers a word",
        )
    meta = entry.meta
    st.dataframe(
        _dimension_table(found),
        hide_index=True,
        key="tp_table_dimension",
        column_config=dict.fromkeys(("learned from", "held out", "gap", "WordSim-353", "SimLex-999"), THREE)
        | {"seconds": st.column_config.NumberColumn(format="%.1f")},
        alt="Losses, their gap, scores and seconds by numbers a word and epochs",
    )
    st.caption(
        f"Held out: {meta['held_lines']:,} of the lines, drawn ({meta['held_tokens']:,} running words); their articles have other lines among those learned from. "
        "Loss: the mean over the same places with the same negatives for all sizes; the axis does not begin at 0. One training each. Seconds are the processor's."
    )


def _over(short: Sequence[DimensionResult], longer: dict[int, DimensionResult]) -> str:
    worse = [each.dims for each in short if each.dims in longer and longer[each.dims].held_loss > each.held_loss]
    if not worse:
        return f"After {LONG} epochs the held-out loss is lower still."
    return f"After {LONG} epochs the held-out loss is higher at {', '.join(map(str, worse))}: too much is learned by heart."


def _floor(lines: dict[str, list[float | None]]) -> float:
    return float(np.floor(10 * min(value for line in lines.values() for value in line if value is not None)) / 10)


def _joined(figure):  # type: ignore[no-untyped-def]
    """Lines over what was not measured for every size."""
    return figure.update_traces(connectgaps=True)


def _dimension_table(found: Sequence[DimensionResult]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "numbers a word": [each.dims for each in found],
            "epochs": [each.epochs for each in found],
            "learned from": [each.train_loss for each in found],
            "held out": [each.held_loss for each in found],
            "gap": [each.held_loss - each.train_loss for each in found],
            "WordSim-353": [each.wordsim for each in found],
            "SimLex-999": [each.simlex for each in found],
            "seconds": [each.seconds for each in found],
        }
    )


def _dimension_sums(entry: Entry, word: str) -> None:
    k, meta = BASE.negatives, entry.meta
    st.latex(r"L = -\log\sigma(u \cdot v) - \sum_{i=1}^{k} \log\sigma(-u_i \cdot v)")
    st.latex(rf"\text{{untrained:}} \quad (1 + {k}) \ln 2 = {(1 + k) * np.log(2):.3f}")
    for each in dimension_results(entry):
        if each.dims in (10, 600) or each.epochs != BASE.epochs:
            st.latex(
                rf"d = {each.dims},\; {each.epochs} \text{{ epochs}}: \quad {each.held_loss:.3f} - {each.train_loss:.3f} = {each.held_loss - each.train_loss:.3f}"
            )
    many = dimension_results(entry)[-1 if len(dimension_results(entry)) < 7 else 6].dims
    st.latex(rf"2 \cdot n \cdot d = 2 \cdot {meta['n']:,} \cdot {many} = {2 * meta['n'] * many:,}".replace(",", r"{,}"))
    st.caption(
        f"Each word has an input and an output vector, so with {many} numbers a word so many numbers are learned, from {meta['tokens'] - meta['held_tokens']:,} running words."
    )


# Negatives


def _negatives(entry: Entry, word: str) -> None:
    found = setting_results(entry)
    values = [each.value for each in found]
    first, last = found[0], found[-1]
    if len(found) == 5 and first.seconds.mean and last.seconds.mean:
        times = last.seconds.mean / first.seconds.mean
        right = next(name for name, high in _TIMES.items() if times < high)
        ask(
            f"{last.value} negatives in place of {first.value}: how much longer does the training take?",
            list(_TIMES),
            right,
            f"Measured: {last.seconds.mean:.1f} s against {first.seconds.mean:.1f} s of the processor, {times:.1f} times. WordSim-353 goes from {_said(first.wordsim)} to {_said(last.wordsim)}; "
            f"the highest mean is at {max(found, key=lambda each: each.wordsim.mean or 0).value}.",
            key="tp_guess_negatives",
        )
    left, right_side = st.columns(2, gap="medium")
    with left:
        chart(
            setting_lines(values, {"seconds of the processor": [each.seconds.mean for each in found]}, x_title="negatives", y_title="seconds", log=False),
            key="tp_seconds",
            alt="Seconds of the processor by number of negatives",
        )  # fmt: skip
    with right_side:
        lines = {}
        for name, of in (("WordSim-353", "wordsim"), ("SimLex-999", "simlex")):
            lines[name] = [getattr(each, of).mean for each in found]
        chart(
            setting_lines(values, lines, x_title="negatives", y_title="Spearman's ρ"),
            key="tp_negative_scores",
            alt="WordSim-353 and SimLex-999 by number of negatives",
        )
    st.dataframe(
        pd.DataFrame(
            {
                "negatives": values,
                "seconds": [_cell(each.seconds, digits=1) for each in found],
                "WordSim-353": [_cell(each.wordsim) for each in found],
                "SimLex-999": [_cell(each.simlex) for each in found],
                "analogies, semantic": [_cell(each.semantic, percent=True) for each in found],
                "analogies, syntactic": [_cell(each.syntactic, percent=True) for each in found],
            }
        ),
        hide_index=True,
        key="tp_table_negatives",
        alt="Seconds and scores by number of negatives",
    )
    st.caption(
        f"Mean over {first.runs} {'seed' if first.runs == 1 else 'seeds'}, in brackets the lowest and the highest: what lies within them may be chance. Losses with different numbers of negatives cannot be compared, so none is shown."
    )


_TIMES = {"Under 3 times": 3.0, "3 to 8 times": 8.0, "8 to 20 times": 20.0, "Over 20 times": float("inf")}


def _negatives_sums(entry: Entry, word: str) -> None:
    found = setting_results(entry)
    st.latex(r"\text{multiplications a pair} = 3 \, d \, (1 + k)")
    for each in (found[0], found[-1]):
        st.latex(
            rf"k = {each.value}: \quad 3 \cdot {BASE.dims} \cdot {1 + each.value} = {3 * BASE.dims * (1 + each.value):,}".replace(",", r"{,}")
        )  # fmt: skip
    if found[0].seconds.mean and found[-1].seconds.mean:
        ratio = (1 + found[-1].value) / (1 + found[0].value)
        measured = found[-1].seconds.mean / found[0].seconds.mean
        st.latex(
            rf"\frac{{1 + {found[-1].value}}}{{1 + {found[0].value}}} = {ratio:.1f}, \qquad \frac{{{found[-1].seconds.mean:.2f}\,\text{{s}}}}{{{found[0].seconds.mean:.2f}\,\text{{s}}}} = {measured:.1f}"
        )
    st.caption(
        "A product for the score, one for the way back, one for the move, for the neighbor and for each negative. Reading the text and drawing words costs the same for all."
    )


# Seeds

CASES = {
    ("skip-gram", "seed"): "skip-gram, another seed",
    ("LSA", "seed"): "LSA, another seed",
    ("skip-gram", "text"): "skip-gram, lines drawn anew",
    ("LSA", "text"): "LSA, lines drawn anew",
}


def _seeds(entry: Entry, word: str) -> None:
    found = seeds_results(entry)
    whole = {(each.method, each.change): each for each in found if not each.least}
    if len(whole) == len(CASES):
        kept = whole["skip-gram", "seed"].kept
        ask(
            "Skip-gram on the same text with the same settings, only the seed is another. How many of a word's ten nearest are the same?",
            list(_KEPT),
            next(name for name, high in _KEPT.items() if kept < high),
            f"Measured: {10 * kept:.1f} of 10, over {whole['skip-gram', 'seed'].words:,} words. LSA, which has a seed only in how its SVD begins, keeps {10 * whole['LSA', 'seed'].kept:.1f}. "
            f"On lines drawn anew from the same text: {10 * whole['skip-gram', 'text'].kept:.1f} and {10 * whole['LSA', 'text'].kept:.1f}.",
            key="tp_guess_seeds",
        )
    bands = sorted({each.least for each in found if each.least})
    by = {(each.method, each.change, each.least): each for each in found}
    chart(
        setting_lines(
            bands,
            {
                name: [by[*case, least].kept if (*case, least) in by else None for least in bands]
                for case, name in CASES.items()
                if case in whole
            },
            x_title="occurrences in the text, from",
            y_title="share of the ten nearest kept",
        ).update_yaxes(range=[0, 1.03]),
        key="tp_kept",
        alt="Share of the ten nearest that a second training keeps, by how often a word occurs, for skip-gram and LSA",
    )
    st.dataframe(
        _seeds_table(found, bands),
        hide_index=True,
        key="tp_table_seeds",
        column_config={name: st.column_config.NumberColumn(format="percent") for name in CASES.values()}
        | {"words": st.column_config.NumberColumn(format="localized")},
        alt="Share of the ten nearest that a second training keeps, by frequency of the word, method and what changes",
    )
    tests = [f"{name}: {', '.join(_number(value) for value in whole[case].wordsim)}" for case, name in CASES.items() if case in whole]  # fmt: skip
    st.caption(
        f"Means over pairs of trainings. Lines drawn anew: as many as there are, with replacement, compared on the words that both draws have. WordSim-353 of each training: {'; '.join(tests)}."
    )
    lists = {
        f"{method}, {'first' if run == 0 else 'second'} seed": neighbors_in(entry, f"{method}.{run}", word)
        for method in ("skip-gram", "LSA")
        for run in (0, 1)
        if f"near.{method}.{run}" in entry.arrays
    }
    _lists(entry, word, lists, "tp_near_seeds", "most frequent words", pairs=True)


_KEPT = {"Under 3": 0.3, "3 to 6": 0.6, "6 to 9": 0.9, "Over 9": 1.01}


def _seeds_table(found: Sequence[SeedsResult], bands: Sequence[int]) -> pd.DataFrame:
    names = {0: "all"} | {
        low: f"{low:,} to {high - 1:,}" if high else f"{low:,} and more"
        for low, high in zip(bands, [*bands[1:], 0], strict=True)
    }
    by = {(each.method, each.change, each.least): each for each in found}
    rows = []
    for least, said in names.items():
        row: dict[str, object] = {"occurrences": said}
        if (first := by.get(("skip-gram", "seed", least))) is not None:
            row["words"] = first.words
        row |= {name: round(by[*case, least].kept, 3) for case, name in CASES.items() if (*case, least) in by}
        rows.append(row)
    return pd.DataFrame(rows)


def _seeds_sums(entry: Entry, word: str) -> None:
    st.latex(rf"\text{{kept}} = \frac{{1}}{{n}} \sum_w \frac{{|A_w \cap B_w|}}{{{NEAR}}}")
    for method in ("skip-gram", "LSA"):
        a, b = (neighbors_in(entry, f"{method}.{run}", word) for run in (0, 1))
        if a and b:
            both = [each for each in a if each in b]
            st.latex(
                rf"\text{{{method}, '{word}':}} \quad \frac{{|A \cap B|}}{{{NEAR}}} = \frac{{{len(both)}}}{{{NEAR}}} = {len(both) / NEAR:.1f}"
            )
            st.caption(f"In both: {', '.join(both) or 'none'}.")
    n = entry.meta["n"]
    st.latex(rf"\text{{by chance:}} \quad \frac{{{NEAR}}}{{n - 1}} = \frac{{{NEAR}}}{{{n - 1}}} = {NEAR / (n - 1):.4f}")


# What they share


def _lists(
    entry: Entry, word: str, lists: dict[str, tuple[str, ...]], key: str, among: str, *, pairs: bool = False
) -> None:
    """The lists of neighbors of a word side by side; what two of them share is marked."""
    st.markdown(f"**The ten nearest of *{word}***")
    if not any(lists.values()):
        known = words_in(entry)
        if word in known:
            st.info(
                f"'{word}' is not among the {len(_kept_lists(entry)[0]):,} {among}, whose lists are kept.",
                icon=":material/info:",
            )
        else:
            st.error(str(UnknownItem(word, known, "words of the text")), icon=":material/error:")
        return
    names = list(lists)
    columns = {}
    for number, name in enumerate(names):
        others = [each for each in names if each != name] if not pairs else names[number ^ 1 : (number ^ 1) + 1]
        shared = {each for other in others for each in lists[other]}
        columns[name] = [f"{SHARED} {each}" if each in shared else each for each in lists[name]]
    table = pd.DataFrame(columns, index=pd.RangeIndex(1, NEAR + 1, name="rank"))
    st.dataframe(table, key=key, alt=f"The ten nearest of {word} in each list; a dot marks what two lists share")
    where = "the list of the other seed of the same method" if pairs else "another of these lists"
    st.caption(f"{SHARED} stands in {where} as well. By cosine, among all words.")


def _kept_lists(entry: Entry) -> list[np.ndarray]:
    return [array for name, array in entry.arrays.items() if name.startswith("near.")]


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _cell(spread: Spread, *, percent: bool = False, digits: int = 3) -> str:
    if spread.mean is None:
        return "–"
    shown = [
        f"{value:.1%}" if percent else f"{value:.{digits}f}"
        for value in (spread.mean, spread.low, spread.high)
        if value is not None
    ]
    return shown[0] if shown[1] == shown[2] else f"{shown[0]} ({shown[1]}–{shown[2]})"


def _said(spread: Spread) -> str:
    return _cell(spread).replace("–", " to ") if spread.mean is not None else "nothing"


_WHY = {
    "window": "The rule of thumb: a narrow window gives words that can stand for each other, a wide one words of the same topic (Levy and Goldberg 2014). "
    "But a narrow window also meets fewer pairs, and on a small text words that were seen too seldom are noise, whatever the window. "
    "So the narrow one is learned a second time with as many pairs: only what is left between that and window 10 is the window's own doing. "
    "Read the table before you believe the rule; a rule found on billions of words need not hold on half a million.",
    "dimension": "A vector of few numbers cannot keep all differences, so its loss is high on both parts of the text. With more numbers and more epochs the loss falls on what is learned from, but on lines that were kept out it stops falling and then rises: that is learning by heart. "
    "Large vectors start with small numbers and move slowly, so after few epochs they have not yet learned by heart what they could. "
    "And the loss is not the goal: a test of word pairs may go on rising while the held-out loss gets worse.",
    "negatives": "Each pair is told apart from so many words drawn at random, and each of them costs as much as the pair itself; so the time grows in a straight line. "
    "More negatives say more about a pair that was seen once; the original paper takes 5 to 20 on small texts and 2 to 5 on large ones (Mikolov et al. 2013). "
    "What is gained beyond a few has to be larger than what another seed changes, and it has to be worth the time: see whether it is.",
    "seeds": "Training starts from random numbers and draws its negatives by chance. What the text says often comes out each time; where ten words are about equally near, chance orders them. So a list of neighbors is a draw, not a fact, while a score over hundreds of pairs hardly moves. "
    "LSA has one best answer; here its SVD begins at random and stops when it hardly changes, so a few places differ. "
    "That a method gives the same answer twice does not make the answer sure: take lines of the same text anew, and both change far more (Antoniak and Mimno 2018).",
}
_TRY = {
    "window": [
        ("Neighbors of 'red' by window", {"tp_word": "red"}),
        ("A text a seventh as long: the Lee corpus (a minute)", {"w_text": "Lee news"}),
        ("Does it hold with other seeds? (a minute or two)", {"tp_seed": 3.0}),
    ],
    "dimension": [
        ("A text a seventh as long: the Lee corpus (a minute)", {"w_text": "Lee news"}),
        ("Another tenth held out (two minutes)", {"tp_seed": 1.0}),
        ("Watch 600 numbers learn, epoch by epoch (a minute)", {"tw": "Train", "w_dims": 600.0, "w_go": True}),
    ],
    "negatives": [
        ("A text a seventh as long: the Lee corpus (a minute)", {"w_text": "Lee news"}),
        ("Does it hold with other seeds? (two to three minutes)", {"tp_seed": 3.0}),
        ("What a negative is, by hand", {"tw": "By hand", "hand_output": "Negative sampling"}),
    ],
    "seeds": [
        ("A frequent word: 'the'", {"tp_word": "the"}),
        ("A word of one topic: 'anarchism'", {"tp_word": "anarchism"}),
        ("A text a seventh as long: the Lee corpus (a minute)", {"w_text": "Lee news"}),
    ],
}  # fmt: skip


def _take_away(name: str, given: Text, seed: int, word: str, entry: Entry) -> None:
    """What was measured, a worksheet and the lines of Python."""
    if presenting():
        return
    st.subheader("Take away", anchor=False)
    with st.container(horizontal=True):
        st.download_button(
            "What was measured (CSV)",
            lambda: safe_csv(_flat(name, entry)),
            f"{name}.csv",
            "text/csv",
            key="tp_get_csv",
            on_click="ignore",
            icon=":material/table:",
        )
        st.download_button(
            "Worksheet (Markdown)",
            lambda: worksheet(f"Learned words: {name}", _tasks(name, entry)),
            f"worksheet-{name}.md",
            "text/markdown",
            key="tp_get_sheet",
            on_click="ignore",
            icon=":material/assignment:",
        )
    link_note()
    with st.expander("The same in Python", icon=":material/code:", key="tp_code", on_change="rerun") as box:
        if box.open:
            st.code(pitfalls_script(name, given.key, seed, word), language="python")


def _flat(name: str, entry: Entry) -> pd.DataFrame:
    """A row for each result; a spread as three columns."""
    return pd.json_normalize([asdict(each) for each in results_in(name, entry)], sep="_")


def _tasks(name: str, entry: Entry) -> list[tuple[str, str]]:
    if name == "window":
        found = setting_results(entry)
        met = ", ".join(f"{_window_name(each)}: {_said(each.together)}" for each in found)
        return [
            ("Before you look: which window will agree better with people on SimLex-999? Guess.", ", ".join(f"{_window_name(each)}: {_said(each.simlex)}" for each in found)),
            ("Which share of a word's ten nearest stands near it in the text, at either window?", met),
            ("Why does window 2 need more epochs to meet as many pairs?", "3 pairs a running word against 11"),
            ("Pick a word. Mark in both lists what could stand in its place in a sentence. Where is more?", "open"),
        ]  # fmt: skip
    if name == "dimension":
        found_dims = dimension_results(entry)
        best = min((each for each in found_dims if each.epochs == BASE.epochs), key=lambda each: each.held_loss)
        return [
            ("Before you look: at how many numbers a word is the held-out loss lowest? Guess.", f"{best.dims}: {best.held_loss:.3f}"),
            (f"Compare {BASE.epochs} and {LONG} epochs. What happens to the loss on either part of the text?", "it falls where the text is learned from; see the table for the rest"),
            ("Does the test of word pairs follow the held-out loss?", "see the table"),
            ("How many numbers are learned with 600 a word, and from how many running words?", f"{2 * entry.meta['n'] * 600:,} from {entry.meta['tokens'] - entry.meta['held_tokens']:,}"),
        ]  # fmt: skip
    if name == "negatives":
        found = setting_results(entry)
        return [
            ("Before you look: how much longer do 30 negatives take than one? Guess.", f"{_said(found[0].seconds)} s and {_said(found[-1].seconds)} s"),
            ("Count the multiplications a pair for 1 and for 30 negatives.", f"{6 * BASE.dims:,} and {93 * BASE.dims:,}"),
            ("At how many negatives is WordSim-353 highest, and is that more than chance?", "; ".join(f"{each.value}: {_said(each.wordsim)}" for each in found)),
        ]  # fmt: skip
    whole = {(each.method, each.change): each.kept for each in seeds_results(entry) if not each.least}
    return [
        ("Before you look: how many of ten neighbors does another seed keep? Guess.", "; ".join(f"{CASES[case]}: {10 * kept:.1f}" for case, kept in whole.items())),
        ("Which words keep more of their neighbors, rare or frequent ones?", "see the table by occurrences"),
        ("LSA keeps nearly all with another seed. Does that make its lists sure?", "no: lines drawn anew change them as well"),
        ("You find that one word is nearer to another than to a third. What do you do before you publish it?", "train with several seeds and on several draws of the text"),
    ]  # fmt: skip
