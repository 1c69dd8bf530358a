"""Einstein sums against onnxruntime's own, and as the products that they are."""

import numpy as np
import pytest
from canonical_models import assert_computes, assert_settled, labels, macs, model_of, raw, through
from onnx_models import Dims

from onnx_bench.canonical import einsum, fuse
from onnx_bench.graph import ComputationGraph
from onnx_bench.onnx_import import from_onnx, import_onnx

SIZES = {"b": 5, "h": 2, "i": 3, "j": 4, "k": 6, "d": 7, "c": 3, "e": 5, "t": 4, "v": 2}
RNG = np.random.default_rng(11)


def _dims(term: str) -> tuple[int, ...]:
    return tuple(SIZES[letter] for letter in term)


def _of_values(equation: str) -> tuple[ComputationGraph, object]:
    """The graph and the model of an einsum of inputs only."""
    terms = equation.split("->")[0].split(",")
    inputs: dict[str, Dims] = {
        name: ("batch", *_dims(term[1:])) for name, term in zip("xz", terms, strict=False)
    }
    model = model_of([("Einsum", " ".join(inputs), "y", {"equation": equation})], inputs)
    return from_onnx(model), model


PRODUCTS = {
    "bij,bjk->bik": "one matrix by the other",
    "bij,bkj->bik": "the other turned around",
    "bji,bkj->bki": "both turned, and the result",
    "bhid,bhjd->bhij": "scores of attention, heads in front",
    "bhij,bhjd->bhid": "values of attention",
    "bihd,bjhd->bhij": "scores, heads behind the tokens",
    "bhij,bjhd->bihd": "values, heads behind the tokens",
    "bid,bjd->bij": "scores of one head",
    "bid,bjd->bji": "the same, turned around",
    "bijk,bkd->bijd": "every row of an image",
    "bhi,bhi->bh": "sum of products",
    "bik,bjk->b": "sums of both on top",
    "bij,bj->bi": "matrix by vector",
}
OUTER = {
    "bi,bj->bij": "outer product",
    "bi,bj->bji": "the same, turned around",
    "bhi,bj->bhij": "of a matrix and a vector",
    "bij,bi->bij": "scaled rows",
    "bij,bij->bij": "entry by entry",
    "bij,bjk->bijk": "without a sum",
}
SINGLE = {
    "bij->bji": ["transpose"],
    "bijk->bkij": ["transpose"],
    "bij->bi": ["reduce_sum"],
    "bij->b": ["reduce_sum"],
    "bijk->bk": ["reduce_sum"],
    "bijk->bkj": ["reduce_sum", "transpose"],
    "bij->bij": [],
}


@pytest.mark.parametrize("equation", PRODUCTS)
def test_sums_over_two_values_are_matrix_products(equation: str) -> None:
    graph, model = _of_values(equation)
    found = labels(graph)
    assert found.count("matmul") == 1
    assert set(found) <= {"matmul", "transpose", "reshape", "reduce_sum"}
    assert_computes(graph, model)  # type: ignore[arg-type]


@pytest.mark.parametrize("equation", OUTER)
def test_products_without_a_sum_are_no_matrix_products(equation: str) -> None:
    graph, model = _of_values(equation)
    found = labels(graph)
    assert found.count("mul") == 1
    assert set(found) <= {"mul", "transpose", "reshape"}
    assert_computes(graph, model)  # type: ignore[arg-type]


@pytest.mark.parametrize("equation", SINGLE)
def test_sums_of_one_value_move_and_reduce(equation: str) -> None:
    graph, model = _of_values(equation)
    assert labels(graph) == SINGLE[equation]
    assert_computes(graph, model)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("equation", "transposed"),
    [
        ("btc,cd->btd", "dc"),
        ("btc,dc->btd", "dc"),
        ("btc,cd->bdt", "dc"),
        ("btc,chv->bhtv", "hvc"),
        ("bhtv,hvd->btd", "dhv"),
        ("bcij,ce->beij", "ec"),
        ("btc,c->bt", "c"),
    ],
)
@pytest.mark.parametrize("first", ["value", "weight"])
def test_a_sum_with_a_weight_is_a_linear_map(equation: str, transposed: str, first: str) -> None:
    left, out = equation.split("->")
    term, weight = left.split(",")
    array = RNG.normal(size=_dims(weight))
    written = f"{term},{weight}" if first == "value" else f"{weight},{term}"
    names = "x w" if first == "value" else "w x"
    lines = [("Einsum", names, "y", {"equation": f"{written}->{out}"})]
    model = model_of(lines, {"x": ("batch", *_dims(term[1:]))}, {"w": array})
    graph = from_onnx(model)
    found = labels(graph)
    assert found.count("linear") == 1
    assert graph.parameters == array.size
    inner = sum(1 for letter in weight if letter in term)
    turned = np.einsum(f"{weight}->{transposed}", array)
    rows = turned.size // int(np.prod([SIZES[c] for c in weight if c in term]))
    assert inner
    assert_computes(graph, model, {"weight": turned.reshape(rows, -1)})


def test_a_weight_that_a_batch_letter_runs_over_is_no_linear_map() -> None:
    inputs: dict[str, Dims] = {"x": (1, 2, 4, 3)}
    weight = RNG.normal(size=(2, 3, 6))
    lines = [("Einsum", "x w", "y", {"equation": "bhtc,hck->bhtk"})]
    graph = from_onnx(model_of(lines, inputs, {"w": weight}))
    assert labels(graph).count("matmul") == 1
    assert "linear" not in labels(graph)
    assert graph.parameters == weight.size


def test_a_trace_and_three_factors_are_unknown() -> None:
    inputs: dict[str, Dims] = {"x": (1, 4, 4)}
    for equation, names in (("bii->bi", "x"), ("bij,bjk,bkl->bil", "x x x")):
        lines = [("Einsum", names, "y", {"equation": equation})]
        assert import_onnx(model_of(lines, inputs)).unknown == {"Einsum": 1}


@pytest.mark.parametrize(
    ("equation", "expected"),
    [
        ("bhid,bhjd->bhij", 2 * 3 * 4 * 7),
        ("bihd,bjhd->bhij", 2 * 3 * 4 * 7),
        ("bij,bjk->bik", 3 * 4 * 6),
        ("bij,bjk->bijk", 0),
    ],
)
def test_macs_are_those_of_the_product(equation: str, expected: int) -> None:
    graph, _ = _of_values(equation)
    assert macs(graph) == macs(fuse(graph)) == expected


def test_swapped_operands_give_the_same_result() -> None:
    one = model_of(
        [("Einsum", "x z", "y", {"equation": "bij,bjk->bik"})],
        {"x": ("batch", 3, 4), "z": ("batch", 4, 6)},
    )
    other = model_of(
        [("Einsum", "z x", "y", {"equation": "bjk,bij->bik"})],
        {"x": ("batch", 3, 4), "z": ("batch", 4, 6)},
    )
    assert_computes(from_onnx(other), one)


@pytest.mark.parametrize("equation", [*PRODUCTS, *OUTER, *SINGLE])
def test_no_equation_is_left(equation: str) -> None:
    _, model = _of_values(equation)
    trace = through(raw(model), einsum.expand)  # type: ignore[arg-type]
    assert not [step for step in trace.steps if "equation" in step.attributes]
    assert_settled(einsum.expand, trace)
