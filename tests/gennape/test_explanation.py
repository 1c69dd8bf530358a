"""What moves a score: contributions of features, for models of every kind."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch

from gennape.assessment import with_uncertainty
from gennape.batch import EncodedGraphs
from gennape.checkpoint import Checkpoint, seeded_model
from gennape.explanation import Explanation, explain
from gennape.explanation.groups import GROUPS
from gennape.explanation.reference import random_networks
from gennape.familiarity import Reference
from gennape.features.whole import COLUMN, FEATURES
from gennape.inference import Predictor
from gennape.models.ensemble import Ensemble, EnsembleConfig, Member
from gennape.models.heads import LinearHead
from gennape.models.performance import ModelConfig, PerformanceModel
from gennape.models.solved import TreesHead
from gennape.scoring import represented
from gennape.targets import TargetScale
from gennape.tuning import TuneSettings
from onnx_bench.canonical import fuse
from onnx_bench.errors import GennapeError
from onnx_bench.families import build_spec, family
from onnx_bench.graph import ComputationGraph

Labels = npt.NDArray[np.float64]
SCALE = TargetScale(70.0, 4.0)
FAMILIES = ("digits-chains", "digits-cells")


@pytest.fixture(scope="module")
def encoded(graphs: list[ComputationGraph]) -> EncodedGraphs:
    return EncodedGraphs(map(fuse, graphs))


@pytest.fixture(scope="module")
def one(encoded: EncodedGraphs) -> EncodedGraphs:
    return encoded.take(np.array([3]))


def made(
    encoded: EncodedGraphs, head: str = "mlp", encoder: str = "k-gnn", **whole: float
) -> PerformanceModel:
    """A small model that has looked at all networks; trees have learnt something."""
    arguments = {"hidden": 8, "layers": 2} if encoder == "k-gnn" else {}
    few = {"trees": 5} if head == "trees" else {}
    model = seeded_model(ModelConfig(encoder, arguments, head, few, dict(whole)), 0).eval()
    assert model.whole is not None
    model.whole.prepare(encoded.whole_GD)
    read = represented(model, encoded)
    model.head.prepare(read)
    if isinstance(model.head, TreesHead):
        target = encoded.whole_GD[:, 0] + encoded.whole_GD[:, 1] * encoded.whole_GD[:, 60]
        model.head.solve(read, target - target.mean())
    return model


def checkpoint_of(model: PerformanceModel | Ensemble, **more: object) -> Checkpoint:
    scale = TargetScale() if isinstance(model, Ensemble) else SCALE
    checkpoint = Checkpoint(model, scale, FAMILIES, form="fused")
    return replace(checkpoint, **more)  # type: ignore[arg-type]


def ensemble(encoded: EncodedGraphs, weights: Sequence[float] = (1.0, 2.0)) -> Ensemble:
    models = [made(encoded), made(encoded, "trees", "size")]
    names, scales = ("net", "trees"), (SCALE, TargetScale(60.0, 2.0, "divided"))
    members = (
        Member(name, model.config, scale, weight)
        for name, model, scale, weight in zip(names, models, scales, weights, strict=True)
    )
    return Ensemble.of(EnsembleConfig(tuple(members)), models)


def reference(encoded: EncodedGraphs, model: PerformanceModel | Ensemble) -> Reference | None:
    rows = np.arange(len(encoded))
    labels, kinds = rows.astype(float), ["digits"] * len(encoded)
    done = with_uncertainty(checkpoint_of(model), encoded, labels, rows, rows[:0], kinds)
    return done.reference


def adds_up(found: Explanation) -> None:
    """Groups are the whole, features the groups; the whole is what is predicted."""
    moved = found.score - found.reference
    assert sum(group.amount for group in found.groups) == pytest.approx(moved, abs=1e-4)
    for group in found.groups:
        features = [f for f in found.features if f.group == group.name]
        if features:
            for of in ("amount", "prior"):
                total = sum(getattr(f, of) for f in features)
                assert total == pytest.approx(getattr(group, of), abs=1e-6)


CASES = {
    "network": lambda encoded: checkpoint_of(made(encoded)),
    "trees": lambda encoded: checkpoint_of(made(encoded, "trees", "size")),
    "ensemble": lambda encoded: checkpoint_of(ensemble(encoded)),
    "latency": lambda encoded: checkpoint_of(made(encoded), lower_is_better=True),
    "no family": lambda encoded: replace(checkpoint_of(made(encoded)), families=("mine",)),
    "size only": lambda _: checkpoint_of(seeded_model(ModelConfig("size", {}, "linear"), 0).eval()),
    "over FLOPs": lambda encoded: checkpoint_of(
        made(encoded), scale=TargetScale(60.0, 2.0, "divided")
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_contributions_add_up_to_what_is_predicted(
    case: str, encoded: EncodedGraphs, one: EncodedGraphs
) -> None:
    checkpoint = CASES[case](encoded)
    found = explain(checkpoint, one, nodes=False)
    adds_up(found)
    said = Predictor(checkpoint).assess(one)
    assert found.score == said.score_N[0]
    assert abs(found.score - found.reference) > 1e-3
    largest = [abs(f.amount) for f in found.features]
    assert largest == sorted(largest, reverse=True)


def test_a_straight_line_gives_weight_times_distance_from_the_mean(
    encoded: EncodedGraphs, one: EncodedGraphs
) -> None:
    model = made(encoded, "linear", "size", prior=0.0)
    assert isinstance(model.head, LinearHead)
    assert model.whole is not None
    with torch.no_grad():
        model.head.linear.weight[:, 0] = 0  # of the encoder, which counts MACs once more
    found = explain(checkpoint_of(model), one, nodes=False)
    weight_D = model.head.linear.weight[0, 1:].detach().numpy()
    (read_D,) = model.whole.standardised(one.whole_GD).numpy()
    expected = dict(zip(COLUMN, (SCALE.std * weight_D * read_D).tolist(), strict=False))
    assert len(found.features) > 50
    for feature in found.features:
        assert feature.amount == pytest.approx(expected.pop(feature.name), abs=1e-4)
        assert feature.error < 1e-4
    assert all(abs(rest) < 1e-6 for rest in expected.values())
    assert found.reference == pytest.approx(
        SCALE.restore(np.array([model.head.linear.bias.item()]), np.zeros(1))[0], abs=1e-4
    )


def test_the_prior_is_told_apart_exactly(encoded: EncodedGraphs, one: EncodedGraphs) -> None:
    model = made(encoded)
    assert model.whole is not None
    found = explain(checkpoint_of(model), one, nodes=False)
    by_name = {f.name: f.prior for f in found.features}
    _, std_S = model.whole.prior_2S
    for place, name in enumerate(("macs", "parameters", "mean_activation")):
        value, mean = (
            float(values[COLUMN[name]]) for values in (one.whole_GD[0], model.whole.mean_D)
        )
        if name == "mean_activation":
            value, mean = math.log10(1 + value), math.log10(1 + mean)
        moved = 0.7 / 3 * (value - mean) / float(std_S[place]) * SCALE.std
        assert by_name.pop(name) == pytest.approx(moved, abs=1e-5)
    assert all(abs(rest) < 1e-6 for rest in by_name.values())
    assert found.has_prior
    assert not explain(checkpoint_of(made(encoded, prior=0.0)), one, nodes=False).has_prior


def test_features_that_heads_do_not_read_are_left_out(
    encoded: EncodedGraphs, one: EncodedGraphs
) -> None:
    model = made(encoded, "trees", "size", prior=0.0)
    assert model.whole is not None
    model.whole.scale_D[COLUMN["macs"] + 1 :] = 0.0
    found = explain(checkpoint_of(model), one, nodes=False)
    assert [f.name for f in found.features] == ["macs"]
    assert [g.name for g in found.groups] == ["size"]
    assert found.groups[0].amount == found.features[0].amount != 0


def test_members_say_each_its_own(encoded: EncodedGraphs, one: EncodedGraphs) -> None:
    whole = ensemble(encoded)
    found = explain(checkpoint_of(whole), one, nodes=False)
    for name, model, member in zip(
        ("net", "trees"), whole.models, whole.config.members, strict=True
    ):
        alone = explain(checkpoint_of(model, scale=member.scale), one, nodes=False)
        ours = {group.name: group.members[name] for group in found.groups}
        moved = alone.score - alone.reference
        assert sum(ours.values()) == pytest.approx(moved, abs=1e-4)
        for group in alone.groups:
            assert ours[group.name] == pytest.approx(group.amount, abs=1e-4)
    for group in found.groups:
        mean = (group.members["net"] + 2 * group.members["trees"]) / 3
        assert group.amount == pytest.approx(mean)


def test_less_is_better_turns_signs_around(encoded: EncodedGraphs, one: EncodedGraphs) -> None:
    model = made(encoded)
    up, down = (
        explain(checkpoint_of(model, lower_is_better=turned), one, nodes=False)
        for turned in (False, True)
    )
    assert down.score == -up.score
    assert down.reference == pytest.approx(-up.reference)
    for one_way, other in zip(up.groups, down.groups, strict=True):
        assert other.amount == pytest.approx(-one_way.amount)
        assert down.is_better(other.amount) == up.is_better(one_way.amount)


def test_of_strange_networks_less_counts(encoded: EncodedGraphs) -> None:
    model = made(encoded)
    known = reference(encoded, model)
    strange = EncodedGraphs([fuse(build_spec("nasbench201:" + family("nasbench201").example))])
    half = checkpoint_of(model, trust=0.5, reference=known)
    found, full = (explain(c, strange, nodes=False) for c in (half, replace(half, trust=1.0)))
    assert found.strange
    adds_up(found)
    assert found.score == pytest.approx(Predictor(half).predict(strange)[0], abs=1e-4)
    for less, more in zip(
        sorted(found.groups, key=lambda g: g.name),
        sorted(full.groups, key=lambda g: g.name),
        strict=True,
    ):
        assert less.prior == pytest.approx(more.prior, abs=1e-5)
        assert less.amount - less.prior == pytest.approx((more.amount - more.prior) / 2, abs=1e-4)
    assert any("50%" in note for note in found.notes)


def test_a_learner_of_few_labels_is_explained_through_to_what_it_reads(
    encoded: EncodedGraphs, one: EncodedGraphs, labels: Labels
) -> None:
    predictor = Predictor(checkpoint_of(made(encoded)))
    few = np.arange(10)
    predictor.fit(encoded.take(few), labels[few], TuneSettings(learner="numbers"))
    found = explain(predictor.checkpoint, one, nodes=False)
    adds_up(found)
    assert "graph" in {group.name for group in found.groups}
    assert len(found.features) > 50


def test_a_model_of_embeddings_alone(trained: Predictor, networks: tuple[str, ...]) -> None:
    found = trained.explain(networks[0], nodes=False)
    assert found.features == ()
    assert [group.name for group in found.groups] == ["graph"]
    adds_up(found)
    assert found.network == networks[0]
    assert any("no numbers of the whole graph" in note for note in found.notes)


def test_without_networks_to_compare_with_the_embedding_is_not_weighed(
    encoded: EncodedGraphs, one: EncodedGraphs
) -> None:
    checkpoint = replace(checkpoint_of(made(encoded)), families=("mine",))
    found = explain(checkpoint, one, nodes=False)
    assert "graph" not in {group.name for group in found.groups}
    assert any("can be drawn" in note for note in found.notes)


def test_the_reference_is_what_the_mean_numbers_and_embedding_score(
    encoded: EncodedGraphs, one: EncodedGraphs
) -> None:
    model = made(encoded, prior=0.0)
    checkpoint = checkpoint_of(model)
    drawn = random_networks(checkpoint)
    assert drawn is not None
    assert model.whole is not None
    mean_F = represented(model, drawn)[:, :8].mean(dim=0)
    with torch.no_grad():
        score = model.head(torch.cat([mean_F, torch.zeros(model.whole.out_features)])[None])
    expected = SCALE.restore(score.double(), score).item()
    assert explain(checkpoint, one, nodes=False).reference == pytest.approx(expected, abs=1e-4)


def test_nothing_is_left_to_chance_under_a_seed(encoded: EncodedGraphs, one: EncodedGraphs) -> None:
    checkpoint = checkpoint_of(made(encoded))
    first, same, other = (
        explain(checkpoint, one, nodes=False, seed=seed).to_dict() for seed in (0, 0, 1)
    )
    assert first == same
    assert first != other
    for one_way, another in zip(first["groups"], other["groups"], strict=True):
        assert one_way["amount"] == pytest.approx(another["amount"], abs=1e-6)


def test_the_model_stays_as_it_is(encoded: EncodedGraphs, one: EncodedGraphs) -> None:
    checkpoint = checkpoint_of(ensemble(encoded))
    before = {k: v.clone() for k, v in checkpoint.model.state_dict().items()}
    (score,) = Predictor(checkpoint).predict(one)
    explain(checkpoint, one)
    after = checkpoint.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert Predictor(checkpoint).predict(one)[0] == score


def test_every_feature_is_in_one_group() -> None:
    names = [feature.name for group in GROUPS for feature in group.features]
    assert sorted(names) == sorted(feature.name for feature in FEATURES)


def test_signals_are_those_of_the_graph(encoded: EncodedGraphs, one: EncodedGraphs) -> None:
    found = explain(checkpoint_of(made(encoded)), one)
    assert found.nodes is not None
    assert found.nodes.variance_N[0] == 1
    assert found.nodes.gradient_N[-1] == 1
    assert found.nodes.correlation_N[-1] == pytest.approx(
        float(one.whole_GD[0, COLUMN["correlation_output_0.5"]]), abs=1e-3
    )


@pytest.mark.parametrize("count", [0, 2])
def test_one_network_at_a_time(encoded: EncodedGraphs, count: int) -> None:
    some = encoded.take(np.arange(count))
    with pytest.raises(GennapeError, match=f"got {count} networks"):
        explain(checkpoint_of(made(encoded)), some)


def test_rounds_and_coverage_are_checked(trained: Predictor, networks: tuple[str, ...]) -> None:
    with pytest.raises(GennapeError, match="0 rounds"):
        trained.explain(networks[0], rounds=0)
    with pytest.raises(GennapeError, match="coverage"):
        trained.explain(networks[0], coverage=1.5)


def test_json_has_no_numbers_that_are_none(trained: Predictor, networks: tuple[str, ...]) -> None:
    found = trained.explain(networks[0])
    plain = found.to_dict()
    text = json.dumps(plain, allow_nan=False)
    assert json.loads(text) == plain
    assert plain["distance"] is None or plain["distance"] > 0
    inputs = [node for node in plain["nodes"] if node["operator"] == "input"]
    assert [node["effect"] for node in inputs] == [None]
    assert len(plain["nodes"]) == len(found.graph)
    assert all(node["variance"] is None for node in plain["nodes"])  # of atomic graphs not known
