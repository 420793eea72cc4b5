"""The best k of many scores, compiled: one pass over a block of scores keeps what is nearer than the kth so far."""

from numba import njit

__all__ = ["keep_best"]


@njit("void(f4[:,::1],f4,i4[::1],i4[::1],i4[::1],f4[:,::1],i4[:,::1])", nogil=True, cache=True)
def keep_best(scores, ceiling, places, own, names, best, found):  # type: ignore
    """Merge `scores` (m, w) into the lists `best` and `found` (q, k): falling scores, of equals the lower row first.

    Line i is for list `places[i]` and of the row `own[i]`, which is left out; column j is of the row `names[j]`.
    Scores above `ceiling` count as it. Lists begin with -inf and the largest int32. The order of the blocks changes
    nothing.
    """
    last = best.shape[1] - 1
    for i in range(scores.shape[0]):
        list_scores, list_rows = best[places[i]], found[places[i]]
        least = list_scores[last]
        for j in range(scores.shape[1]):
            score = scores[i, j]
            if score < least:
                continue
            score = min(score, ceiling)
            row = names[j]
            if row == own[i] or (score == least and row > list_rows[last]):
                continue
            at = last
            while at > 0 and (
                list_scores[at - 1] < score or (list_scores[at - 1] == score and list_rows[at - 1] > row)
            ):
                list_scores[at], list_rows[at] = list_scores[at - 1], list_rows[at - 1]
                at -= 1
            list_scores[at], list_rows[at] = score, row
            least = list_scores[last]
