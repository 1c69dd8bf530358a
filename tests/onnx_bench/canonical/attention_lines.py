"""Attention as files spell it, for the tests of it."""

from typing import Any

import numpy as np
from canonical_models import model_of
from onnx_models import Dims, Line

from onnx_bench.graph import ComputationGraph
from onnx_bench.onnx_import import from_onnx

RNG = np.random.default_rng(17)
TOKENS, HEADS, DEPTH = 4, 2, 3
WIDTH = HEADS * DEPTH
X: dict[str, Dims] = {"x": (1, TOKENS, WIDTH)}
CAUSAL = np.triu(np.ones((TOKENS, TOKENS), bool), 1)
CONSTANTS: dict[str, Any] = {
    **{f"w{name}": RNG.normal(size=(WIDTH, WIDTH)) for name in "qkvo"},
    "wk1": RNG.normal(size=(WIDTH, DEPTH)),
    "wv1": RNG.normal(size=(WIDTH, DEPTH)),
    "heads": [1, TOKENS, HEADS, DEPTH],
    "one_head": [1, TOKENS, 1, DEPTH],
    "many": [1, HEADS, TOKENS, DEPTH],
    "wide": [1, TOKENS, WIDTH],
    "merged": [TOKENS, HEADS, DEPTH],
    "apart": [1, HEADS, TOKENS, TOKENS],
    "together": [HEADS, TOKENS, TOKENS],
    "root": DEPTH**0.5,
    "scale": DEPTH**-0.5,
    "fourth": DEPTH**-0.25,
    "low": -1e9,
    "nought": 0.0,
    "half": 0.5,
    "bias": RNG.normal(size=(HEADS, TOKENS, TOKENS)),
    "mask": np.where(CAUSAL, -1e9, 0.0),
    "causal": CAUSAL.astype(int),
    "allowed": (~CAUSAL).astype(int),
    "i0": 0,
}
PROJECTED: list[Line] = [("MatMul", f"x w{name}", f"{name}0") for name in "qkv"]
SPLIT: list[Line] = [("Reshape", f"{name}0 heads", f"{name}1") for name in "qkv"]
FORWARD = {"perm": [0, 2, 1, 3]}
TURNED: list[Line] = [("Transpose", f"{name}1", name, FORWARD) for name in "qkv"]
KEYS: list[Line] = [("Transpose", "k", "kt", {"perm": [0, 1, 3, 2]})]
SCORES: list[Line] = [*PROJECTED, *SPLIT, *TURNED, *KEYS, ("MatMul", "q kt", "s0")]
WEIGHTED: list[Line] = [("Softmax", "s", "p", {"axis": -1})]
VALUES: list[Line] = [("MatMul", "p v", "o")]
BACK: list[Line] = [("Transpose", "o", "o1", FORWARD), ("Reshape", "o1 wide", "o2")]
LAST: list[Line] = [("MatMul", "o2 wo", "y")]
TAIL = [*WEIGHTED, *VALUES, *BACK, *LAST]


def _with(scaling: list[Line], keys: list[Line] = KEYS) -> list[Line]:
    return [*PROJECTED, *SPLIT, *TURNED, *keys, *scaling, *TAIL]


SPELLINGS: dict[str, list[Line]] = {
    "no scale": _with([("MatMul", "q kt", "s")]),
    "divided after": [*SCORES, ("Div", "s0 root", "s"), *TAIL],
    "multiplied after": [*SCORES, ("Mul", "scale s0", "s"), *TAIL],
    "queries divided": _with([("Div", "q root", "qs"), ("MatMul", "qs kt", "s")]),
    "keys multiplied": _with([("Mul", "kt scale", "ks"), ("MatMul", "q ks", "s")]),
    "half on each": _with(
        [("Mul", "q fourth", "qs"), ("Mul", "kt fourth", "ks"), ("MatMul", "qs ks", "s")]
    ),
    "keys turned at once": _with(
        [("MatMul", "q kt", "s")], keys=[("Transpose", "k1", "kt", {"perm": [0, 2, 3, 1]})]
    ),
    "mask added": [*SCORES, ("Div", "s0 root", "s1"), ("Add", "s1 mask", "s"), *TAIL],
    "mask added in front": [*SCORES, ("Add", "mask s0", "s"), *TAIL],
    "bias of positions and mask": [
        *SCORES,
        ("Add", "s0 bias", "s1"),
        ("Add", "s1 mask", "s"),
        *TAIL,
    ],
    "mask by a choice": [
        *SCORES,
        ("Cast", "causal", "c", {"to": 9}),
        ("Where", "c low s0", "s"),
        *TAIL,
    ],
    "mask by the other choice": [
        *SCORES,
        ("Cast", "allowed", "c", {"to": 9}),
        ("Where", "c s0 low", "s"),
        *TAIL,
    ],
    "guarded weights": [
        *SCORES,
        ("Softmax", "s0", "p0"),
        ("IsNaN", "p0", "n"),
        ("Where", "n nought p0", "p"),
        *VALUES,
        *BACK,
        *LAST,
    ],
    "weights that are dropped out": [
        *SCORES,
        ("Softmax", "s0", "p0"),
        ("Dropout", "p0", "p"),
        *VALUES,
        *BACK,
        *LAST,
    ],
    "sums of Einstein": [
        *PROJECTED,
        *SPLIT,
        ("Einsum", "q1 k1", "s0", {"equation": "bihd,bjhd->bhij"}),
        ("Div", "s0 root", "s"),
        *WEIGHTED,
        ("Einsum", "p v1", "o1", {"equation": "bhij,bjhd->bihd"}),
        *BACK[1:],
        *LAST,
    ],
    "heads laid over the batch": [
        *PROJECTED,
        *[("Reshape", f"{name}0 merged", f"{name}1") for name in "qkv"],
        *[("Transpose", f"{name}1", name, {"perm": [1, 0, 2]}) for name in "qkv"],
        ("Transpose", "k", "kt", {"perm": [0, 2, 1]}),
        ("MatMul", "q kt", "s0"),
        ("Mul", "s0 scale", "s"),
        *WEIGHTED,
        *VALUES,
        ("Transpose", "o", "o1", {"perm": [1, 0, 2]}),
        *BACK[1:],
        *LAST,
    ],
    "mask while heads lie apart": [
        *PROJECTED,
        *[("Reshape", f"{name}0 merged", f"{name}1") for name in "qkv"],
        *[("Transpose", f"{name}1", name, {"perm": [1, 0, 2]}) for name in "qkv"],
        ("Transpose", "k", "kt", {"perm": [0, 2, 1]}),
        ("MatMul", "q kt", "s0"),
        ("Reshape", "s0 apart", "s1"),
        ("Add", "s1 mask", "s2"),
        ("Reshape", "s2 together", "s"),
        *WEIGHTED,
        *VALUES,
        ("Transpose", "o", "o1", {"perm": [1, 0, 2]}),
        *BACK[1:],
        *LAST,
    ],
}


def read(lines: list[Line], inputs: dict[str, Dims] = X, **arguments: Any) -> ComputationGraph:
    """The graph of a model of these nodes."""
    return from_onnx(model_of(lines, inputs, CONSTANTS, **arguments))
