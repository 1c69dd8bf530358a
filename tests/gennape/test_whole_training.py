"""Training with numbers of the whole graph, from the labels to the checkpoint."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from gennape.metrics import evaluate
from gennape.models.performance import PerformanceModel
from gennape.training.data import LabelData
from gennape.training.fit import fit
from gennape.training.module import PredictorModule
from onnx_bench.errors import GennapeError

Labels = npt.NDArray[np.float64]


def data_of(rows: Path, fused: bool = True) -> LabelData:
    return LabelData(table=rows, label="accuracy", fractions=(0.2, 0.2), batch_size=8, fused=fused)


def module(**more: Any) -> PredictorModule:
    small = {"hidden": 8, "layers": 2}
    rate = partial(torch.optim.Adam, lr=1e-2)
    return PredictorModule(encoder_args=small, optimizer=rate, whole={}, **more)


@pytest.mark.parametrize(("freeze", "head"), [(True, "mlp"), (False, "mlp"), (True, "pairwise")])
def test_a_run_leaves_the_predictor_that_it_measured(
    freeze: bool, head: str, rows: Path, tmp_path: Path
) -> None:
    data = data_of(rows)
    found = fit(partial(module, freeze=freeze, head=head), data, tmp_path, epochs=10)
    checkpoint, held_out = found.checkpoint, data.split.val
    assert isinstance(checkpoint.model, PerformanceModel)
    figures = evaluate(
        found.predict(data.graphs.take(held_out)), data.values.double().numpy()[held_out]
    )
    assert checkpoint.metrics["val_spearman"] == pytest.approx(figures["spearman"])
    assert checkpoint.metrics["val_mae"] == pytest.approx(figures["mae"], rel=1e-4)
    whole = checkpoint.model.whole
    assert whole is not None
    train = data.graphs.whole_GD[data.split.train][:, : whole.out_features]
    assert torch.allclose(whole.high_D.double(), torch.quantile(train.double(), 0.99, dim=0))


@pytest.mark.parametrize("head", ["trees", "ridge", "gaussian-process"])
def test_heads_that_are_solved_leave_the_predictor_that_was_measured(
    head: str, rows: Path, tmp_path: Path
) -> None:
    data, solved = data_of(rows), partial(module, freeze=True, head=head)
    found = fit(solved, data, tmp_path / "once", epochs=1)
    again = fit(solved, data_of(rows), tmp_path / "once", epochs=2)
    held_out = data.graphs.take(data.split.val)
    figures = evaluate(found.predict(held_out), data.values.double().numpy()[data.split.val])
    assert found.checkpoint.metrics["val_spearman"] == pytest.approx(figures["spearman"])
    np.testing.assert_allclose(again.predict(held_out), found.predict(held_out))
    learnt = evaluate(
        found.predict(data.graphs.take(data.split.train)),
        data.values.double().numpy()[data.split.train],
    )
    assert learnt["spearman"] > 0.8


def test_heads_that_are_solved_want_a_frozen_encoder() -> None:
    with pytest.raises(GennapeError, match=r"--model\.freeze true"):
        module(head="trees")


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(rows: Path, tmp_path: Path) -> None:
    make = partial(module, freeze=True)
    fit(make, data_of(rows), tmp_path / "stopped", epochs=2)
    stopped = fit(make, data_of(rows), tmp_path / "stopped", epochs=4)
    through = fit(make, data_of(rows), tmp_path / "through", epochs=4)
    data = data_of(rows)
    data.setup("fit")
    np.testing.assert_array_equal(stopped.predict(data.graphs), through.predict(data.graphs))


def test_numbers_of_graphs_that_are_not_fused_are_refused(rows: Path, tmp_path: Path) -> None:
    with pytest.raises(GennapeError, match=r"--data\.fused true"):
        fit(module, data_of(rows, fused=False), tmp_path, epochs=1)
