"""`gennape predict` from a cold process imports little, and prints what `rank` returns."""

import gc
import json
import math
import runpy
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gennape.cli import DEFAULT_MODEL, _for_good
from gennape.ranking import as_csv, as_json, rank, ranked
from onnx_bench.families import family
from onnx_bench.graph import ComputationGraph
from onnx_bench.onnx_export import save_onnx

HEAVY = {
    *("pandas", "pyarrow", "sklearn", "skfuzzy", "networkx", "torch_geometric", "lightning"),
    *("matplotlib", "tensorboard", "onnxruntime", "jsonargparse", "scipy"),
}
"""Packages that scoring a network does without."""
UNUSED = {"torch._dynamo", "torch._inductor", "torch.onnx", "onnx.reference"}
"""Parts of packages that it needs."""
PREDICT = """
import contextlib, sys
from gennape.cli import main
for form in ([], ["--json"], ["--csv"]):
    with contextlib.suppress(SystemExit):
        main(["predict", *sys.argv[1:], *form])
print(*sys.modules)
"""


@pytest.fixture
def file(tmp_path: Path, graphs: list[ComputationGraph]) -> Path:
    """The ONNX file of a network."""
    save_onnx(graphs[0], tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


def test_predicting_onnx_files_imports_what_it_needs_alone(file: Path) -> None:
    transformer = file.with_name("tokens.onnx")
    save_onnx(family("digits-tokens").graph(family("digits-tokens").example), transformer)
    command = [sys.executable, "-c", PREDICT, "-m", DEFAULT_MODEL, str(file), str(transformer)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    *printed, imported = shown.splitlines()
    assert sum(str(file) in line for line in printed) >= 2, "in --json and --csv"
    modules = set(imported.split())
    assert {"torch", "onnx"} <= modules
    assert not {name.partition(".")[0] for name in modules} & HEAVY
    assert not modules & UNUSED


def test_what_was_imported_is_no_more_looked_for_garbage() -> None:
    with _for_good():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 10_000
    gc.unfreeze()
    with pytest.raises(ImportError), _for_good():
        raise ImportError
    assert gc.isenabled()


def rows(**changes: Any) -> list[dict[str, Any]]:
    """Two rows of a ranking, one of which knows nothing but its score."""
    known = {"network": 'a, "b"/c.onnx', "score": 93.25, "macs": 10**12, "familiar": True}
    known |= {
        "assumed": "x=1,3,224,224",
        "low": 1e-7,
        "high": 95.0,
        "nearest": "é",
        "strange": False,
    }
    nothing = dict.fromkeys(("low", "high"), math.nan) | {"nearest": "", "strange": None}
    return [known, known | nothing | changes]


@pytest.mark.parametrize("changes", [{}, {"high": math.inf, "low": -math.inf}])
def test_csv_is_that_of_pandas(changes: dict[str, float]) -> None:
    found = rows(**changes)
    assert as_csv(found) == pd.DataFrame(found).to_csv(index=False, lineterminator="\n")


@pytest.mark.parametrize("changes", [{}, {"high": math.inf, "low": -math.inf}])
def test_json_says_what_that_of_pandas_says(changes: dict[str, float]) -> None:
    found = rows(**changes)
    expected = pd.DataFrame(found).to_json(orient="records", double_precision=15)
    assert json.loads(as_json(found)) == json.loads(expected)


def test_the_table_holds_the_rows(checkpoint: Path, networks: tuple[str, ...]) -> None:
    found, table = ranked(networks[:6], str(checkpoint)), rank(networks[:6], str(checkpoint))
    assert [*table.columns] == [*found[0]]
    assert as_csv(found) == table.to_csv(index=False, lineterminator="\n")
    assert table["rank"].tolist() == [1, 2, 3, 4, 5, 6]
    assert table["score"].is_monotonic_decreasing


def test_equal_scores_keep_their_order(checkpoint: Path, networks: tuple[str, ...]) -> None:
    again = [networks[0], networks[1], networks[0], networks[1]]
    found = ranked(again, str(checkpoint))
    assert [row["network"] for row in found] in (
        [again[i] for i in order] for order in ((0, 2, 1, 3), (1, 3, 0, 2))
    )
    assert found[0]["score"] == found[1]["score"]


SPEED = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "predict_speed.py"), run_name="")


def test_networks_that_are_timed_are_of_all_families_and_repeat() -> None:
    first, again = (list(islice(SPEED["networks"](3), 50)) for _ in range(2))
    assert [g.hash for g in first] == [g.hash for g in again]
    assert len({g.hash for g in first}) > 40
    assert max(g.parameters for g in first) <= SPEED["LARGEST"]
    other = next(SPEED["networks"](4))
    assert other.hash != first[0].hash


def test_parts_of_a_prediction_are_timed(file: Path, checkpoint: Path) -> None:
    found = SPEED["parts"](str(checkpoint), [str(file)])
    assert list(found) == SPEED["STEPS"]
    assert all(np.array(times).min() >= 0 for times in found.values())
    wall, cpu = found["imports"]
    assert wall > 0.1
    assert cpu > 0.1
