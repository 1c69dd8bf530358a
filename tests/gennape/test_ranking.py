"""Ranking networks of any origin, and what is said of those that are read with a guess."""

from pathlib import Path

import pytest
from torch import nn

from gennape.inference import Predictor
from gennape.ranking import as_table, rank
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


def test_a_recorded_module_is_scored_as_its_file_is(files: list[str]) -> None:
    predictor = Predictor.from_pretrained("kgnn-nb101")
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
    graph = from_torch(module, (1, 3, 224, 224))
    assert predictor.predict(graph) == pytest.approx(predictor.predict(files[0]))
