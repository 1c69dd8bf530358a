"""The GENNAPE paper's protocol: train on one benchmark, score another with 0 or few labels.

For each seed: train on the source (80/10/10, the epoch chosen by validation Spearman inside the
source), score every network of the target; then fine-tune on k random labels of the target and
score the rest. Nothing is chosen by looking at target labels.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gennape.batch import EncodedGraphs
from gennape.inference import Predictor
from gennape.metrics import evaluate
from gennape.models.performance import ModelConfig
from gennape.training.data import LabelData
from gennape.training.fit import fit
from gennape.training.module import PredictorModule
from gennape.tuning import TuneSettings
from onnx_bench.benchmarks import LabelTable, read

Report = Callable[[int], None]


@dataclass(frozen=True)
class Protocol:
    """One transfer experiment; the defaults are the paper's for its k-GNN.

    Args:
        source, target: benchmarks; `source_subset` and `target_subsets` say which of their rows.
        shots: numbers of target labels; 0 is zero-shot.
        epochs, batch_size, learning_rate: of the training on the source.
        tune_epochs, tune_batch_size, tune_learning_rate: of the fine-tuning on the target.
        limit: train on that many rows of the source (all by default).
    """

    source: str = "nasbench101"
    target: str = "nasbench201"
    source_subset: str | None = None
    target_subsets: tuple[str | None, ...] = (None,)
    shots: tuple[int, ...] = (0, 50)
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: str = "mse"
    epochs: int = 40
    batch_size: int = 32
    learning_rate: float = 1e-4
    tune_epochs: int = 100
    tune_batch_size: int = 1
    tune_learning_rate: float = 1e-4
    limit: int | None = None
    data_root: Path | None = None

    @property
    def key(self) -> str:
        """Names the source model and how it was trained; runs of equal keys share the model."""
        subset = f"-{self.source_subset}" if self.source_subset else ""
        limit = f"-{self.limit}" if self.limit else ""
        rate = f"{self.loss}-e{self.epochs}-b{self.batch_size}-lr{self.learning_rate:g}"
        return f"{self.source}{subset}{limit}-{self._model_key}-{rate}"

    @property
    def _model_key(self) -> str:
        """The encoder's name, and what else is not as by default."""
        parts = {**self.model.encoder_args, "head": self.model.head}
        parts |= {f"head_{name}": value for name, value in self.model.head_args.items()}
        own = [f"-{name}{value}" for name, value in sorted(parts.items()) if value != "mlp"]
        return self.model.encoder + "".join(own)


def run_seed(protocol: Protocol, seed: int, work: Path, report: Report) -> list[dict[str, Any]]:
    """Rows of results of one seed: one for each subset of the target and number of labels.

    Args:
        work: folder of the source models; one that is there is not trained again.
        report: called with 1 for each finished epoch on the source or fine-tuning on the target.
    """
    torch.set_num_threads(1)  # one thread in each of two processes beats two threads in one
    predictor = train_source(protocol, seed, work, report)
    rows = []
    for subset in protocol.target_subsets:
        labels = read(protocol.target, protocol.data_root, subset=subset)
        graphs = EncodedGraphs(labels.graphs())
        for shots in protocol.shots:
            scores = score(protocol, predictor, graphs, labels, shots, seed)
            rows.append(_row(protocol, labels, shots, seed) | scores)
            report(1)
    return rows


def steps(protocol: Protocol) -> int:
    """How often `run_seed` reports."""
    return protocol.epochs + len(protocol.target_subsets) * len(protocol.shots)


def train_source(protocol: Protocol, seed: int, work: Path, report: Report) -> Predictor:
    """The model of one seed, trained on the source."""
    data = LabelData(
        protocol.source,
        subset=protocol.source_subset,
        data_root=protocol.data_root,
        batch_size=protocol.batch_size,
        limit=protocol.limit,
        seed=seed,
    )
    make = partial(
        PredictorModule,
        protocol.model.encoder,
        protocol.model.encoder_args,
        protocol.model.head,
        protocol.model.head_args,
        protocol.loss,
        optimizer=partial(torch.optim.Adam, lr=protocol.learning_rate),
    )
    folder = work / protocol.key / f"seed{seed}"
    return fit(make, data, folder, protocol.epochs, seed, lambda _: report(1))


def score(
    protocol: Protocol,
    predictor: Predictor,
    graphs: EncodedGraphs,
    labels: LabelTable,
    shots: int,
    seed: int,
) -> dict[str, float]:
    """Metrics on the target: of all rows zero-shot, of the rest after `shots` labels."""
    order = np.random.default_rng(seed).permutation(len(labels))
    seen, rest = order[:shots], order[shots:]
    if shots:
        predictor = Predictor(copy.deepcopy(predictor.checkpoint)).fit(
            EncodedGraphs(graphs.graphs[int(i)] for i in seen),
            labels.values[seen],
            TuneSettings(
                epochs=protocol.tune_epochs,
                batch_size=protocol.tune_batch_size,
                learning_rate=protocol.tune_learning_rate,
                loss=protocol.loss,
                seed=seed,
            ),
        )
    predicted = predictor.predict(graphs)
    return evaluate(predicted[rest], labels.values[rest])


def _row(protocol: Protocol, labels: LabelTable, shots: int, seed: int) -> dict[str, Any]:
    return {
        "source": protocol.source,
        "target": protocol.target,
        "subset": labels.subset,
        "label": labels.label,
        "encoder": protocol.model.encoder,
        "source_model": protocol.key,
        "shots": shots,
        "seed": seed,
        "networks": len(labels) - shots,
    }
