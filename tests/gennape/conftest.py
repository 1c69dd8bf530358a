"""Small labelled networks, and a predictor trained on them, for the tests of gennape."""

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from gennape.inference import Predictor
from gennape.models.performance import ModelConfig, PerformanceModel
from onnx_bench.cost import cost
from onnx_bench.families import build_spec, family
from onnx_bench.graph import ComputationGraph
from tests.gennape.in_process import InProcess

KINDS = ("digits-chains", "digits-cells")
EACH = 20

Labels = npt.NDArray[np.float64]


@pytest.fixture(scope="session")
def networks() -> tuple[str, ...]:
    """Specifications of forty networks of two families, none like another, families in turn."""
    rng, found = np.random.default_rng(0), []
    for kind in KINDS:
        space, specs = family(kind), dict[str, str]()
        while len(specs) < EACH:
            spec = space.sample(rng)
            specs[space.build(spec).hash] = f"{kind}:{space.format(spec)}"
        found.append(specs.values())
    return tuple(spec for pair in zip(*found, strict=True) for spec in pair)


@pytest.fixture(scope="session")
def graphs(networks: tuple[str, ...]) -> list[ComputationGraph]:
    """The networks themselves."""
    return [build_spec(spec) for spec in networks]


@pytest.fixture(scope="session")
def labels(graphs: list[ComputationGraph]) -> Labels:
    """An artificial accuracy of each network: work, depth and some luck. No two are equal."""
    luck = np.random.default_rng(1).normal(0, 0.3, len(graphs))
    merit = [8 * np.log10(1 + cost(g).macs) + 0.05 * len(g) + 40 for g in graphs]
    return np.array(merit) + luck


@pytest.fixture(scope="session")
def make_model() -> Callable[..., PerformanceModel]:
    """Makes a small fresh model: `make_model("k-gnn", seed=1)`."""

    def make(encoder: str = "k-gnn", seed: int = 0, **encoder_args: int) -> PerformanceModel:
        from gennape.checkpoint import seeded_model

        return seeded_model(ModelConfig(encoder, encoder_args), seed).eval()

    return make


@pytest.fixture(scope="session")
def trained(graphs: list[ComputationGraph], labels: Labels) -> Predictor:
    """A predictor trained on the networks; shared, so never to be changed."""
    from gennape.checkpoint import Checkpoint, seeded_model
    from gennape.tuning import TuneSettings

    model = seeded_model(ModelConfig("k-gnn", {"hidden": 16, "layers": 3}), seed=0).eval()
    fresh = Predictor(Checkpoint(model, source="conftest", metrics={"val_spearman": 0.5}))
    return fresh.fit(graphs, labels, TuneSettings(epochs=40, learning_rate=5e-3))


@pytest.fixture
def predictor(trained: Predictor) -> Predictor:
    """The trained predictor, one's own copy."""
    return Predictor(copy.deepcopy(trained.checkpoint))


@pytest.fixture(scope="session")
def checkpoint(trained: Predictor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the trained predictor; shared, so only to be read."""
    folder = tmp_path_factory.mktemp("checkpoints") / "trained"
    trained.save(folder)
    return folder


@pytest.fixture
def table(tmp_path: Path, networks: tuple[str, ...], labels: Labels) -> Path:
    """A CSV of the networks with their labels in the column `accuracy`."""
    path = tmp_path / "labels.csv"
    pd.DataFrame({"network": networks, "accuracy": labels}).to_csv(path, index=False)
    return path


@pytest.fixture
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of a transfer protocol stay in this process."""
    monkeypatch.setattr("gennape.transfer.run.ProcessPoolExecutor", InProcess)


@pytest.fixture(scope="session")
def rows(
    tmp_path_factory: pytest.TempPathFactory, networks: tuple[str, ...], labels: Labels
) -> Path:
    """A table as the fixture `table`, that is never changed."""
    path = tmp_path_factory.mktemp("tables") / "labels.csv"
    pd.DataFrame({"network": networks, "accuracy": labels}).to_csv(path, index=False)
    return path
