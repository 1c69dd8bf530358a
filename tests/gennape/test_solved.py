"""Heads that are solved at once: against scikit-learn and formulas, saved, damaged, and in use."""

import copy
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from torch import Tensor

from gennape.batch import EncodedGraphs
from gennape.checkpoint import WEIGHTS, Checkpoint, CheckpointError, load, seeded_model
from gennape.losses import mse
from gennape.metrics import spearman
from gennape.models.ensemble import Ensemble, EnsembleConfig, Member
from gennape.models.heads import HEADS
from gennape.models.performance import ModelConfig, PerformanceModel
from gennape.models.solved import GaussianProcessHead, RidgeHead, SolvedHead, TreesHead
from gennape.models.solved.head import Table
from gennape.models.solved.ridge import PENALTIES
from gennape.scoring import predictions, priors, represented, scores
from gennape.targets import TargetScale
from onnx_bench.canonical import fuse
from onnx_bench.errors import GennapeError
from onnx_bench.graph import ComputationGraph

Labels = npt.NDArray[np.float64]
Damage = Callable[[dict[str, Tensor]], object]

WIDTH = 7
NAMES = ("few-labels", "gaussian-process", "ridge", "trees")
QUICK: dict[str, dict[str, Any]] = {"few-labels": {"trees": 5, "crossed": False, "patterns": 2}}
every_head = pytest.mark.parametrize("name", NAMES)


def table(count: int = 60, seed: int = 0, width: int = WIDTH) -> tuple[Tensor, Tensor]:
    """What heads read, and targets that are no line in it."""
    rng = np.random.default_rng(seed)
    read = torch.from_numpy(rng.standard_normal((count, width)) * np.geomspace(3, 0.1, width))
    noise = 0.1 * torch.from_numpy(rng.standard_normal(count))
    return read, 2 + torch.sin(read[:, 0]) + read[:, -1] + noise


def made(name: str, width: int = WIDTH, **arguments: Any) -> SolvedHead:
    head = HEADS[name](width, **QUICK.get(name, {}) | arguments)
    assert isinstance(head, SolvedHead)
    return head


def solved(name: str, count: int = 60, seed: int = 0, **arguments: Any) -> SolvedHead:
    head = made(name, **arguments)
    head.solve(*table(count), seed=seed)
    return head


# against scikit-learn and formulas


@settings(max_examples=40)
@given(
    seed=st.integers(0, 1000),
    count=st.integers(2, 40),
    width=st.integers(1, 5),
    leaf=st.integers(1, 4),
    kind=st.sampled_from(["any", "few values", "neighbours"]),
)
def test_trees_say_what_scikit_learns_say(
    seed: int, count: int, width: int, leaf: int, kind: str
) -> None:
    rng = np.random.default_rng(seed)
    read_NR = rng.standard_normal((count, width)).astype(np.float32)
    if kind == "few values":
        read_NR = np.round(read_NR)
    if kind == "neighbours":  # no number of single precision lies between them
        read_NR = 1 + np.round(read_NR) * np.float32(2**-23)
    target_N = rng.standard_normal(count)
    head = made("trees", width, trees=7, leaf=leaf, share=0.5)
    head.solve(torch.from_numpy(read_NR), torch.from_numpy(target_N), seed)
    forest = ExtraTreesRegressor(7, min_samples_leaf=leaf, max_features=0.5, random_state=seed)
    forest.fit(*Table(read_NR.astype(np.float64), target_N).ordered())
    between_BR = (read_NR.astype(np.float64) + read_NR[::-1]) / 2
    for seen_BR in (read_NR, rng.standard_normal((50, width)).astype(np.float32), between_BR):
        found = head(torch.from_numpy(seen_BR)).numpy()
        np.testing.assert_allclose(found, forest.predict(seen_BR), rtol=0, atol=1e-6)


def test_trees_are_walked_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    head, read = solved("trees"), table(50, 1)[0].float()
    expected = head(read)
    monkeypatch.setattr("gennape.models.solved.trees.PART", 7)
    assert torch.equal(head(read), expected)
    assert head(read[:0]).shape == (0,)


@pytest.mark.parametrize("components", [3, 30])
def test_a_process_says_what_scikit_learns_says(components: int) -> None:
    (read, target), (other, _) = table(80), table(20, 1)
    head = made("gaussian-process", components=components)
    assert isinstance(head, GaussianProcessHead)
    head.solve(read, target)
    first = PCA(min(components, WIDTH)).fit(read)
    points, others = (first.transform(x) / first.transform(read)[:, 0].std() for x in (read, other))
    process = GaussianProcessRegressor(
        ConstantKernel(1.0, (1e-3, 1e3)) * RBF(1.0, (1e-2, 1e3)) + WhiteKernel(0.1, (1e-5, 10)),
        normalize_y=True,
        n_restarts_optimizer=4,
        random_state=1,
    ).fit(points, target)
    np.testing.assert_allclose(head.kernel_3, np.exp(process.kernel_.theta), rtol=1e-3)
    signal, length, noise = head.kernel_3.tolist()
    same = ConstantKernel(signal) * RBF(length) + WhiteKernel(noise)
    process = GaussianProcessRegressor(same, optimizer=None, normalize_y=True).fit(points, target)
    mean, deviation = process.predict(others, return_std=True)
    np.testing.assert_allclose(head(other), mean, rtol=1e-5)
    np.testing.assert_allclose(head.deviation(other), deviation, rtol=1e-5)


def test_a_process_is_sure_where_it_has_seen_networks() -> None:
    head, (read, target) = solved("gaussian-process"), table()
    assert isinstance(head, GaussianProcessHead)
    near, far = head.deviation(read), head.deviation(read + 100)
    assert near.max() < far.min()
    torch.testing.assert_close(far, far[:1].expand(len(far)))
    torch.testing.assert_close(head(read + 100), target.mean().expand(len(read)))
    fresh = made("gaussian-process")
    assert isinstance(fresh, GaussianProcessHead)
    assert fresh.deviation(read).tolist() == [1.0] * len(read)


def test_a_ridge_has_the_penalty_of_the_smallest_error_left_out() -> None:
    read, target = (each.numpy() for each in table(15))

    def line(rows: npt.NDArray[np.bool_], penalty: float) -> tuple[Labels, float]:
        x, y = read[rows] - read[rows].mean(axis=0), target[rows] - target[rows].mean()
        weight = np.linalg.solve(x.T @ x + penalty * np.eye(WIDTH), x.T @ y)
        return weight, target[rows].mean() - read[rows].mean(axis=0) @ weight

    def error(penalty: float) -> float:
        found = 0.0
        for out in range(15):
            weight, bias = line(np.arange(15) != out, penalty)
            found += (read[out] @ weight + bias - target[out]) ** 2
        return found

    weight, bias = line(np.full(15, True), min(PENALTIES, key=error))
    head = solved("ridge", 15)
    assert isinstance(head, RidgeHead)
    np.testing.assert_allclose(head.weight_R, weight, rtol=1e-6)
    assert head.bias.item() == pytest.approx(bias)
    other, _ = table(9, 1)
    np.testing.assert_allclose(head(other), other.numpy() @ weight + bias, rtol=1e-6)


# whatever is solved


@every_head
def test_a_head_that_is_not_solved_says_nothing(name: str) -> None:
    assert made(name)(table()[0]).tolist() == [0.0] * 60


@pytest.mark.parametrize("name", sorted({*NAMES} - {"few-labels"}))
def test_the_mean_is_learnt_where_there_is_nothing_else(name: str) -> None:
    (read, target), other = table(12), table(5, 1)[0]
    one, constant = (read[:1], target[:1]), (read, torch.full((12,), 91.3))
    alike, empty = (read[:1].expand(12, -1), target), (torch.zeros_like(read), target)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for rows, said in (one, constant, alike, empty):
            head = made(name)
            head.solve(rows, said)
            np.testing.assert_allclose(head(other), [said.mean()] * 5, rtol=1e-6)
        head.solve(read[:2], target[:2])
        assert head(other).isfinite().all()


def test_a_process_takes_rounding_for_no_difference() -> None:
    read, target = table()
    head = made("gaussian-process")
    alike = 0.1 + 1e-12 * read
    head.solve(alike, target)
    torch.testing.assert_close(head(alike), target.mean().expand(len(read)))


@every_head
def test_the_order_of_the_rows_makes_no_difference(name: str) -> None:
    read, target = table()
    read, target = torch.cat([read, torch.eye(WIDTH)]), torch.cat([target, torch.ones(WIDTH)])
    turned = torch.from_numpy(np.random.default_rng(0).permutation(len(read)))
    heads = [made(name), made(name)]
    heads[0].solve(read, target)
    heads[1].solve(read[turned].T.contiguous().T, target[turned])
    assert torch.equal(heads[0](read), heads[1](read))


@every_head
def test_a_seed_gives_one_head_whatever_was_learnt_before(name: str) -> None:
    head, other = solved(name), table(20, 1)[0]
    before = head(other)
    head.solve(*table(30, 2), seed=1)
    assert not torch.allclose(head(other), before)
    head.solve(*table(), seed=0)
    assert torch.equal(head(other), before)
    torch.manual_seed(5)
    assert torch.equal(solved(name)(other), before)
    draws = name in ("few-labels", "trees")
    assert draws != torch.allclose(solved(name, seed=1)(other), before, rtol=1e-3)


def test_no_more_rows_are_learnt_from_than_wanted() -> None:
    trees, process = solved("trees", leaf=1, trees=3, most=20), solved("gaussian-process", most=20)
    assert isinstance(trees, TreesHead)
    assert len(trees.root_T) == 3
    assert (trees.second_M == torch.arange(len(trees.second_M))).sum() == 3 * 20
    assert isinstance(process, GaussianProcessHead)
    assert process.point_NP.shape == (20, WIDTH)
    assert len(solved("trees", leaf=1, trees=3, most=None).number_M) > len(trees.number_M)


@pytest.fixture(scope="module")
def heads() -> list[SolvedHead]:
    """One of each, with steep slopes; only to be read."""
    (read, target), found = table(), [made(name) for name in NAMES]
    for head in found:
        head.solve(read / 100, target)
    return found


HUGE = sys.float_info.max
numbers = st.floats(-HUGE, HUGE) | st.floats(-10, 10)


@settings(max_examples=30)
@example(row=[HUGE] * WIDTH, single=True)
@example(row=[HUGE, -HUGE] * (WIDTH // 2) + [HUGE], single=False)
@given(row=st.lists(numbers, min_size=WIDTH, max_size=WIDTH), single=st.booleans())
def test_any_finite_input_gives_a_finite_score(
    row: list[float], single: bool, heads: list[SolvedHead]
) -> None:
    read = torch.tensor([row], dtype=torch.float64)
    if single:
        limit = torch.finfo(torch.float32).max
        read = read.clamp(-limit, limit).float()
    for head in heads:
        assert head(read).isfinite().all()
        assert head(read).dtype == read.dtype
        if isinstance(head, GaussianProcessHead):
            assert head.deviation(read).isfinite().all()


@every_head
@pytest.mark.parametrize("scale", [1e-20, 1e30, 1e200])
def test_numbers_of_any_size_are_learnt_from(name: str, scale: float) -> None:
    read, target = table()
    head = made(name)
    head.solve(read * scale, target)
    assert head(read * scale).isfinite().all()


@every_head
def test_nothing_is_left_to_gradients(name: str) -> None:
    head = made(name)
    assert not list(head.parameters())
    with pytest.raises(GennapeError, match="is solved, not trained by gradient: call its solve"):
        head.loss(*table(), mse)


@every_head
def test_predicting_needs_no_scikit_learn(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    head, (read, target) = solved(name), table()
    expected = head(read)
    for module in [each for each in sys.modules if each.split(".")[0] == "sklearn"]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError):
        made(name).solve(read, target)
    fresh = made(name)
    fresh.load_state_dict(head.state_dict())
    assert torch.equal(fresh(read), expected)


# bad input


@every_head
def test_tables_that_teach_nothing_are_refused(name: str) -> None:
    read, target = table(5)
    for bad in ((read[:0], target[:0]), (read[:4], target), (read[:, 1:], target), (read, read)):
        with pytest.raises(GennapeError, match=r"expected \(N, 7\) and \(N,\)"):
            made(name).solve(*bad)
    for broken in (read.index_fill(0, torch.tensor([2]), torch.nan), read * torch.inf):
        with pytest.raises(GennapeError, match="not finite"):
            made(name).solve(broken, target)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("trees", {"trees": 0}),
        ("trees", {"trees": None}),
        ("trees", {"leaf": 1.5}),
        ("trees", {"share": 0.0}),
        ("trees", {"share": 1.5}),
        ("trees", {"share": "sqrt"}),
        ("trees", {"most": 0}),
        ("gaussian-process", {"components": 0}),
        ("gaussian-process", {"most": None}),
        ("gaussian-process", {"most": 1}),
        ("ridge", {"penalty": 1.0}),
    ],
)
def test_arguments_that_make_no_sense_are_refused(name: str, arguments: dict[str, object]) -> None:
    with pytest.raises(GennapeError, match=next(iter(arguments))):
        PerformanceModel(ModelConfig("size", {}, name, arguments))


# in models and checkpoints


@pytest.fixture(scope="module")
def encoded(graphs: list[ComputationGraph]) -> EncodedGraphs:
    return EncodedGraphs([fuse(graph) for graph in graphs])


def learnt(
    name: str, encoded: EncodedGraphs, labels: Labels, encoder: str = "k-gnn"
) -> tuple[PerformanceModel, TargetScale]:
    """A small model whose head is solved for what the prior leaves of the labels."""
    arguments = {"hidden": 8, "layers": 2} if encoder == "k-gnn" else {}
    head_args = {"leaf": 1} if name == "trees" else QUICK.get(name, {})
    model = seeded_model(ModelConfig(encoder, arguments, name, head_args, {}), 0).eval()
    assert model.whole is not None
    assert isinstance(model.head, SolvedHead)
    model.whole.prepare(encoded.whole_GD)
    scale = TargetScale.of(labels, encoded.macs_G.numpy())
    whole_N = scale.standardise(labels, encoded.macs_G.numpy())
    residual_N = whole_N - priors(model, TargetScale(), encoded)[:, 0]
    model.head.solve(represented(model, encoded), torch.from_numpy(residual_N))
    return model, scale


@every_head
@pytest.mark.parametrize("encoder", ["k-gnn", "size"])
def test_a_model_learns_labels_and_comes_back_bit_for_bit(
    name: str, encoder: str, encoded: EncodedGraphs, labels: Labels, tmp_path: Path
) -> None:
    model, scale = learnt(name, encoded, labels, encoder)
    assert spearman(predictions(model, scale, encoded)[:, 0], labels) > 0.95
    Checkpoint(model, scale, form="fused").save(tmp_path / "saved")
    found = load(tmp_path / "saved").model
    assert isinstance(found, PerformanceModel)
    np.testing.assert_array_equal(scores(found, encoded), scores(model, encoded))
    if isinstance(found.head, GaussianProcessHead):
        read = represented(found, encoded)
        assert torch.equal(found.head.deviation(read), model.head.deviation(read))


@every_head
def test_members_of_both_kinds_stand_side_by_side(
    name: str, encoded: EncodedGraphs, labels: Labels, tmp_path: Path
) -> None:
    first, scale = learnt(name, encoded, labels)
    second = seeded_model(ModelConfig("k-gnn", {"hidden": 8, "layers": 2}, "mlp"), 0)
    models, scales = [first, second], [scale, TargetScale(90, 2)]
    config = EnsembleConfig(
        tuple(Member(str(i), models[i].config, scales[i]) for i in range(len(models)))
    )
    Checkpoint(Ensemble.of(config, models), form="fused").save(tmp_path / "saved")
    found = load(tmp_path / "saved").model
    own = [predictions(models[i], scales[i], encoded)[:, 0] for i in range(len(models))]
    np.testing.assert_allclose(predictions(found, TargetScale(), encoded), np.stack(own, axis=1))
    np.testing.assert_allclose(scores(copy.deepcopy(found), encoded), np.mean(own, axis=0))


def put(name: str, place: int, value: float) -> Damage:
    """Writes over one value of a buffer; an index of -1 is that of the last."""
    return lambda weights: weights[name].view(-1).__setitem__(place, value)


def cut(name: str) -> Damage:
    """Leaves out the last row of a buffer."""
    return lambda weights: weights.update({name: weights[name][:-1].clone()})


def kind(name: str, dtype: torch.dtype) -> Damage:
    return lambda weights: weights.update({name: weights[name].to(dtype)})


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("trees", put("second_M", 0, 10**6)),
        ("trees", put("second_M", 1, -1)),
        ("trees", put("second_M", -1, 0)),  # a leaf that leads back to where the walk began
        ("trees", put("root_T", 0, 10**6)),
        ("trees", put("root_T", 0, -1)),
        ("trees", put("feature_M", 0, 1000)),
        ("trees", put("feature_M", 0, -2)),
        ("trees", put("number_M", 0, float("nan"))),
        ("trees", kind("feature_M", torch.float32)),
        *[("trees", cut(each)) for each in ("feature_M", "number_M", "second_M")],
        ("trees", lambda weights: weights.update(root_T=torch.zeros(0, dtype=torch.int32))),
        ("trees", lambda weights: weights.update(root_T=weights["root_T"][:, None])),
        ("trees", lambda weights: weights.update({k: v[:0] for k, v in weights.items()})),
        ("trees", lambda weights: weights.pop("number_M")),
        ("ridge", put("weight_R", 3, float("nan"))),
        ("ridge", cut("weight_R")),
        ("gaussian-process", put("kernel_3", 1, 0.0)),
        ("gaussian-process", put("kernel_3", 2, -1.0)),
        ("gaussian-process", put("target_2", 1, float("nan"))),
        ("gaussian-process", put("factor_NN", 0, 0.0)),
        *[
            ("gaussian-process", cut(each))
            for each in ("centre_R", "axes_RP", "point_NP", "alpha_N", "factor_NN", "kernel_3")
        ],
        ("few-labels", put("score_2", 1, 0.0)),
        ("few-labels", put("label_K", 0, 1e9)),
        ("few-labels", put("seen_K", -1, -1e9)),
        ("few-labels", put("process.factor_NN", 0, 0.0)),
        ("few-labels", put("process.line_3", 1, -1.0)),
        ("few-labels", put("process.deviation_P", 0, 0.0)),
        *[("few-labels", cut(each)) for each in ("label_K", "seen_K", "share_W")],
        *[
            ("few-labels", cut(f"process.{each}"))
            for each in (
                "axes_RP",
                "point_NP",
                "score_N",
                "alpha_N",
                "factor_NN",
                "kernel_8",
                "pattern_NH",
                "pattern_centre_H",
            )
        ],
    ],
)
def test_damaged_buffers_are_refused(
    name: str, damage: Damage, encoded: EncodedGraphs, labels: Labels, tmp_path: Path
) -> None:
    model, scale = learnt(name, encoded, labels)
    Checkpoint(model, scale, form="fused").save(tmp_path / "saved")
    weights = load_file(tmp_path / "saved" / WEIGHTS)
    own = {k.removeprefix("head."): weights.pop(k) for k in list(weights) if k.startswith("head.")}
    damage(own)
    save_file(weights | {f"head.{k}": v for k, v in own.items()}, tmp_path / "saved" / WEIGHTS)
    with pytest.raises(CheckpointError, match="does not hold this model's weights") as caught:
        load(tmp_path / "saved")
    assert "\n" not in str(caught.value)
    assert any(word in str(caught.value) for word in ("Head", "ScoreProcess", "state_dict"))
