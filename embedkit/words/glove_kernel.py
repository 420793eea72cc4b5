"""The inner loops of GloVe, compiled: pairs laid out in a random order, and one pass of AdaGrad over some of them.

fastmath without its promise that no number is nan or infinite: sums over a vector may be taken in another order, which
lets the processor add 16 numbers at once, and a training that runs away can still be seen.
"""

import numpy as np
from numba import njit

__all__ = ["descend", "lay_out", "shuffle"]

F4 = np.float32
QUICK = {"reassoc", "contract", "nsz", "arcp", "afn"}


@njit("u8(u8)", inline="always")
def _next(random):  # type: ignore
    """The next number of xorshift."""
    random ^= random << np.uint64(13)
    random ^= random >> np.uint64(7)
    random ^= random << np.uint64(17)
    return random


@njit("void(i8[::1],i4[::1],f4[::1],i8[::1],i4[::1],i4[::1],f4[::1])", nogil=True, cache=True, error_model="numpy")
def lay_out(starts, cols, values, following, left, right, logs):  # type: ignore
    """Write all pairs with the logarithm of their counts: even words, odd words, then mixed with the even one left.

    following[k] is where part k begins, and moves on while it is filled.
    """
    for i in range(len(starts) - 1):
        for entry in range(starts[i], starts[i + 1]):
            j = cols[entry]
            mixed = (i ^ j) & 1
            place = following[2 if mixed else i & 1]
            following[2 if mixed else i & 1] += 1
            left[place] = j if mixed and i & 1 else i
            right[place] = i if mixed and i & 1 else j
            logs[place] = np.log(values[entry])


@njit("void(i4[::1],i4[::1],f4[::1],i8,i8,i8,u8[::1])", nogil=True, cache=True, error_model="numpy")
def shuffle(left, right, logs, low, first, last, state):  # type: ignore
    """Exchange each pair from `first` to `last` with one drawn from `low` up to itself (Fisher and Yates)."""
    random = state[0]
    for k in range(first, last):
        random = _next(random)
        other = low + np.int64((random >> np.uint64(32)) * np.uint64(k - low + 1) >> np.uint64(32))
        left[k], left[other] = left[other], left[k]
        right[k], right[other] = right[other], right[k]
        logs[k], logs[other] = logs[other], logs[k]
    state[0] = random


@njit("f8(f4[:,:,::1],f4[:,::1],i8,i8,f4,f4,f4)", fastmath=QUICK, nogil=True, error_model="numpy", inline="always")
def _pull(vectors, biases, i, j, log, weight, rate):  # type: ignore
    """Move word i and context j towards w_i . c_j + b_i + b_j = log X_ij; the weighted squared error before it."""
    dims = vectors.shape[2]
    dot = F4(0)
    for c in range(dims):
        dot += vectors[i, 0, c] * vectors[j, 1, c]
    error = dot + biases[i, 0] + biases[j, 1] - log
    step = rate * weight * error
    for c in range(dims):
        word, context = vectors[i, 0, c], vectors[j, 1, c]
        one, other = step * context, step * word
        vectors[i, 0, c] = word - one / np.sqrt(vectors[i, 2, c])
        vectors[j, 1, c] = context - other / np.sqrt(vectors[j, 3, c])
        vectors[i, 2, c] += one * one
        vectors[j, 3, c] += other * other
    biases[i, 0] -= step / np.sqrt(biases[i, 2])
    biases[j, 1] -= step / np.sqrt(biases[j, 3])
    biases[i, 2] += step * step
    biases[j, 3] += step * step
    return np.float64(weight) * np.float64(error) * np.float64(error)


@njit(
    "f8(f4[:,:,::1],f4[:,::1],i4[::1],i4[::1],f4[::1],i8,i8,i8[::1],u8[::1],i8,b1,b1,f4,f4,f4)",
    fastmath=QUICK,
    nogil=True,
    cache=True,
    error_model="numpy",
)
def descend(  # type: ignore
    vectors, biases, left, right, logs, low, high, blocks, seeds, length, forward, backward, alpha, log_max, rate
):
    """Learn from some blocks of pairs, each in an order of its own; give the sum of weighted squared errors.

    vectors[i] holds of word i its vector, its vector as context, and below them the sums of their squared steps;
    biases[i] likewise. Block k is pairs low + k * length and on, up to `high`. `forward` learns the cell (left, right)
    of the table, `backward` (right, left). A pair of equal words is one cell.
    """
    order = np.empty(length, np.int64)
    loss = 0.0
    for block in blocks:
        start = low + block * length
        count = min(length, high - start)
        random = seeds[block]
        for k in range(count):  # Fisher and Yates again, from the inside out
            random = _next(random)
            other = np.int64((random >> np.uint64(32)) * np.uint64(k + 1) >> np.uint64(32))
            order[k] = order[other]
            order[other] = start + k
        for k in range(count):
            i, j, log = left[order[k]], right[order[k]], logs[order[k]]
            weight = np.exp(alpha * min(log - log_max, F4(0)))
            if forward:
                loss += _pull(vectors, biases, i, j, log, weight, rate)
            if backward and i != j:
                loss += _pull(vectors, biases, j, i, log, weight, rate)
    return loss
