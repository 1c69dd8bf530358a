"""Ranking networks of any origin, and what is said of those that are read with a guess."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from gennape.conformal import Calibration
from gennape.inference import Predictor, encode
from gennape.ranked_set import smoothed
from gennape.ranking import as_table, rank
from onnx_bench.benchmarks import read
from onnx_bench.graph import ComputationGraph
from onnx_bench.onnx_export import save_onnx
from onnx_bench.torch_import import from_torch


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """One network twice, once with open axes."""
    import onnx

    graph = from_torch(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()), (1, 3, 224, 224))
    closed, open_ = tmp_path / "closed.onnx", tmp_path / "open.onnx"
    save_onnx(graph, closed)
    model = onnx.load(closed)
    for axis in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = f"size{axis}"
    onnx.save(model, open_)
    return [str(closed), str(open_)]


def test_open_axes_are_said(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    ranked = rank(files, "kgnn-nb101").set_index("network")
    assert ranked.loc[files[0], "assumed"] == ""
    assert ranked.loc[files[1], "assumed"] == "input=1,3,224,224"
    assert ranked["score"].max() == pytest.approx(ranked["score"].min())
    as_table(ranked.reset_index(), "kgnn-nb101")
    notes = [line for line in capsys.readouterr().out.splitlines() if "open axes" in line]
    assert notes == [f"{files[1]}: open axes are taken as input=1,3,224,224"]


def test_best_is_first_whichever_way_labels_go(
    tmp_path: Path, predictor: Predictor, networks: tuple[str, ...]
) -> None:
    higher = rank(networks, save(predictor, tmp_path / "higher"))
    lower = rank(networks, save(predictor, tmp_path / "lower", lower_is_better=True))
    assert higher["score"].is_monotonic_decreasing
    assert lower["score"].is_monotonic_increasing
    assert lower["network"].tolist() == higher["network"].tolist()
    assert lower["score"].tolist() == pytest.approx([-score for score in higher["score"]])


def test_columns_are_those_of_the_assessment(
    tmp_path: Path, predictor: Predictor, networks: tuple[str, ...]
) -> None:
    calibration = Calibration((1.0, 2.0, 3.0))
    model = save(predictor, tmp_path / "mine", calibration=calibration)
    ranked = rank(networks, model, coverage=0.5).set_index("network").loc[[*networks]]
    said = Predictor.from_pretrained(model).assess(networks, 0.5)
    for name, values in {
        "score": said.score_N,
        "low": said.low_N,
        "high": said.high_N,
        "nearest": said.family_N,
        "distance": said.distance_N,
        "strange": said.strange_N,
    }.items():
        assert ranked[name].tolist() == values.tolist()


def test_a_familiar_file_is_not_called_of_an_unseen_family(
    tmp_path: Path,
    predictor: Predictor,
    graphs: list[ComputationGraph],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A file names no family; what it is, its embedding says."""
    names = [tmp_path / f"{i}.onnx" for i in range(3)]
    for graph, name in zip(graphs, names, strict=False):
        save_onnx(replace(graph, name=""), name)
    ranked = rank([*map(str, names)], save(predictor, tmp_path / "mine"))
    assert not ranked["familiar"].any()
    as_table(ranked, "mine")
    shown = capsys.readouterr().out
    assert "digits-" in shown
    assert "do not rely" not in shown


def save(predictor: Predictor, folder: Path, **changes: Any) -> str:
    Predictor(replace(predictor.checkpoint, **changes)).save(folder)
    return str(folder)


def test_a_recorded_module_is_scored_as_its_file_is(files: list[str]) -> None:
    predictor = Predictor.from_pretrained("kgnn-nb101")
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
    graph = from_torch(module, (1, 3, 224, 224))
    assert predictor.predict(graph) == pytest.approx(predictor.predict(files[0]))


def test_a_set_is_ranked_by_what_it_has_in_common(monkeypatch: pytest.MonkeyPatch) -> None:
    """With sets of any size taken as large, neighbours are heard; scores stay as they are."""
    networks = list(read("digits").networks[:60])
    alone = rank(networks, "gennape-universal")
    assert (alone["mode"] == "single").all()
    monkeypatch.setattr("gennape.ranked_set.SHARE", 10)
    together = rank(networks, "gennape-universal", ranked_set=True)
    assert (together["mode"] == "ranked set").all()
    by_name = [table.set_index("network")["score"] for table in (alone, together)]
    assert by_name[0].to_dict() == by_name[1].to_dict()
    whole = encode(networks, "fused").whole_GD.numpy()
    expected = smoothed(by_name[0][networks].to_numpy(), whole)
    found = together.set_index("network")["rank"][networks].to_numpy()
    assert (np.argsort(found) == np.argsort(-expected, kind="stable")).all()
    assert together["network"].tolist() != alone["network"].tolist()
