"""A character-level RNN in plain NumPy: perplexity over several seeds, and time beside a loop.

    python examples/recipes/char_rnn.py
    python examples/recipes/char_rnn.py --text FILE --hidden 128

Without a text it learns to write the numbers below a thousand in words. The page
docs/recipes/char-rnn.md tells the story. The lineage: A. Karpathy, "min-char-rnn.py" (2015).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import chainrule as cr

Array = np.ndarray[Any, Any]
Parameters = dict[str, Array]

WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen "
    "twenty thirty forty fifty sixty seventy eighty ninety"
)
LOW, TENS = WORDS.split()[:20], WORDS.split()[20:]


def in_words(n: int) -> str:
    """Return a number below a thousand in words."""
    if n < 20:
        return LOW[n]
    if n < 100:
        return TENS[n // 10 - 2] + (f"-{LOW[n % 10]}" if n % 10 else "")
    return f"{LOW[n // 100]} hundred" + (f" and {in_words(n % 100)}" if n % 100 else "")


def numbers(seed: int) -> tuple[str, str]:
    """Return 900 numbers in words, one a line, and the other hundred, in random order."""
    lines = [in_words(n) + "\n" for n in np.random.default_rng(seed).permutation(1000)]
    return "".join(lines[:900]), "".join(lines[900:])


class Streams(NamedTuple):
    """A text cut into streams that are read side by side, some characters at a time.

    A batch has one row a stream, the next of it in the next batch: so `fit`, which goes through
    the rows in order, carries the hidden state of each stream on to where it belongs.
    """

    read: Array  # shape (steps · streams, length)
    wanted: Array  # one character further on


def streams(codes: Array, count: int, length: int) -> Streams:
    """Cut a text, as integers, into streams."""
    steps = (len(codes) - 1) // (count * length)
    if not steps:
        raise ValueError(f"the text is too short for {count} streams of {length} characters")
    each = steps * length

    def rows(first: int) -> Array:
        cut = codes[first : first + count * each].reshape(count, steps, length)
        return cut.transpose(1, 0, 2).reshape(-1, length)

    return Streams(rows(0), rows(1))


def beginning(letters: int, hidden: int, rng: np.random.Generator) -> Parameters:
    """Return small random weights and no biases."""

    def small(*shape: int) -> Array:
        return rng.normal(0.0, 0.1, shape).astype(np.float32)

    return {
        "in": small(letters, hidden),
        "on": small(hidden, hidden),
        "b": np.zeros(hidden, np.float32),
        "out": small(hidden, letters),
        "c": np.zeros(letters, np.float32),
    }


def cost(p: Any, h: Any, read: Any, wanted: Any) -> tuple[Any, Any]:
    """Return the mean -log of the next character's probability, and the hidden state."""
    letters, length = p["c"].shape[0], read.shape[1]
    total = 0.0
    for t in range(length):
        h = np.tanh(p["in"][read[:, t]] + h @ p["on"] + p["b"])
        log_shares = cr.log_softmax(h @ p["out"] + p["c"])
        right = cr.one_hot(wanted[:, t], letters, dtype="float32")
        total = total - np.mean(np.sum(right * log_shares, axis=1))
    return total / length, h


def by_hand(p: Parameters, h: Array, read: Array, wanted: Array) -> tuple[float, Array, Parameters]:
    """Return cost, hidden state and gradients, as min-char-rnn works them out."""
    n, length = read.shape
    rows = np.arange(n)
    states, shares, total = [h], [], 0.0
    for t in range(length):
        h = np.tanh(p["in"][read[:, t]] + h @ p["on"] + p["b"])
        z = h @ p["out"] + p["c"]
        e = np.exp(z - z.max(axis=1, keepdims=True))
        share = e / e.sum(axis=1, keepdims=True)
        total -= float(np.log(share[rows, wanted[:, t]]).mean())
        states.append(h)
        shares.append(share)
    d = {name: np.zeros_like(value) for name, value in p.items()}
    dh = np.zeros_like(h)
    for t in reversed(range(length)):
        dz = shares[t]
        dz[rows, wanted[:, t]] -= 1.0
        dz /= n * length
        d["out"] += states[t + 1].T @ dz
        d["c"] += dz.sum(axis=0)
        da = (dh + dz @ p["out"].T) * (1.0 - states[t + 1] ** 2)
        d["on"] += states[t].T @ da
        d["b"] += da.sum(axis=0)
        np.add.at(d["in"], read[:, t], da)
        dh = da @ p["on"].T
    return total / length, h, d


def loop(p: Parameters, data: Streams, count: int, epochs: int, rate: float) -> cr.History:
    """Train in a Python loop with Adam and clipping; return cost and seconds of each epoch."""
    p = dict(p)
    h = np.zeros((count, len(p["b"])), np.float32)
    m = {name: np.zeros_like(value) for name, value in p.items()}
    v = {name: np.zeros_like(value) for name, value in p.items()}
    step, history = 0, cr.History()
    for _ in range(epochs):
        total, start = 0.0, time.perf_counter()
        for first in range(0, len(data.read), count):
            rows = slice(first, first + count)
            found, h, d = by_hand(p, h, data.read[rows], data.wanted[rows])
            total += found * count
            step += 1
            norm = sum(float(np.sum(g * g)) for g in d.values()) ** 0.5
            for name, g in d.items():
                g *= np.float32(1.0 / max(norm, 1.0))
                m[name] = 0.9 * m[name] + 0.1 * g
                v[name] = 0.999 * v[name] + 0.001 * g * g
                ahead = m[name] / (1.0 - 0.9**step)
                spread = np.sqrt(v[name] / (1.0 - 0.999**step)) + 1e-8
                p[name] = p[name] - np.float32(rate) * ahead / spread
        history.record(cost=total / len(data.read), seconds=time.perf_counter() - start)
    return history


def perplexity(p: Parameters, codes: Array) -> float:
    """Return exp of the mean -log of the probability of each character but the first."""
    h, total = np.zeros(len(p["b"])), 0.0
    for read, wanted in pairwise(codes):
        h = np.tanh(p["in"][read] + h @ p["on"] + p["b"])
        z = h @ p["out"] + p["c"]
        total += float(np.log(np.sum(np.exp(z))) - z[wanted])
    return float(np.exp(total / (len(codes) - 1)))


def bigrams(codes: Array, held_out: Array, letters: int) -> float:
    """Return the perplexity of counted pairs, each counted once more than it occurs."""
    counts = np.ones((letters, letters))
    np.add.at(counts, (codes[:-1], codes[1:]), 1)
    shares = counts / counts.sum(axis=1, keepdims=True)
    return float(np.exp(-np.mean(np.log(shares[held_out[:-1], held_out[1:]]))))


def main(arguments: Sequence[str] | None = None) -> None:
    """Train over several seeds and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--text", help="a file to learn; its last tenth is held out")
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--streams", type=int, default=16)
    parser.add_argument("--length", type=int, default=25, help="characters that a step looks back")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rate", type=float, default=0.01, help="the learning rate")
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args(arguments)
    if min(asked.seeds, asked.epochs, asked.hidden, asked.streams, asked.length) < 1:
        parser.error("--seeds, --epochs, --hidden, --streams and --length must be 1 or more")
    try:
        own = Path(asked.text).read_text(encoding="utf-8") if asked.text else ""
    except (OSError, ValueError) as error:  # ValueError: it is not UTF-8
        parser.exit(1, f"{asked.text} cannot be read: {error}\n")
    cut = len(own) * 9 // 10
    least = asked.streams * asked.length + 1
    if asked.text and cut < least:
        parser.exit(
            1,
            f"nine tenths of {asked.text} are {cut:,} characters, too few for {asked.streams} "
            f"streams of {asked.length}, which need {least:,}: lower --streams or --length\n",
        )

    print("| seed | pairs | RNN | s in all | ms an epoch | ms in the loop | same costs |")
    print("|---|---|---|---|---|---|---|")
    for seed in range(asked.seeds):
        text, held_out = (own[:cut], own[cut:]) if own else numbers(seed)
        letters = sorted({*text, *held_out})
        code = {letter: k for k, letter in enumerate(letters)}
        codes = np.array([code[letter] for letter in text])
        # The last character before it is where what is held out begins.
        ahead = np.array([code[letter] for letter in text[-1] + held_out])
        data = streams(codes, asked.streams, asked.length)
        p = beginning(len(letters), asked.hidden, np.random.default_rng(seed))
        options: dict[str, Any] = {
            "batch_size": asked.streams,
            "shuffle": False,
            "carry": np.zeros((asked.streams, asked.hidden), np.float32),
            "optimizer": cr.Clipped(cr.Adam(asked.rate), norm=1.0),
            "progress": False,
        }
        start = time.perf_counter()
        found = cr.fit(cost, p, tuple(data), epochs=asked.epochs, **options)
        seconds = time.perf_counter() - start
        looped = loop(p, data, asked.streams, min(5, asked.epochs), asked.rate)
        # Of the first steps: later, trainings whose sums are rounded otherwise drift apart.
        few = Streams(*(part[: 16 * asked.streams] for part in data))
        again = cr.fit(cost, p, tuple(few), epochs=1, **options)
        by_hand_too = loop(p, few, asked.streams, 1, asked.rate)
        same = np.isclose(again.history["cost"][0], by_hand_too["cost"][0], rtol=1e-5)
        each, by_loop = (1e3 * min(h["seconds"]) for h in (found.history, looped))
        print(
            f"| {seed} | {bigrams(codes, ahead, len(letters)):.2f} "
            f"| {perplexity(found.parameters, ahead):.3f} | {seconds:.1f} | {each:.0f} "
            f"| {by_loop:.0f} | {'yes' if same else 'NO'} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
