"""Predictor: a trained model with a scikit-learn face. Nothing of Lightning is imported here."""

import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gennape.batch import EncodedGraphs
from gennape.checkpoint import Checkpoint, Form, load
from gennape.tuning import BATCH, TuneSettings, embedded, scores, tune
from onnx_bench.benchmarks.labels import network
from onnx_bench.canonical import fuse
from onnx_bench.collections import GraphCollection
from onnx_bench.errors import GennapeError, LabelError
from onnx_bench.families import family_of, is_spec
from onnx_bench.graph import ComputationGraph

Network = ComputationGraph | str | Path
Networks = Network | Iterable[Network] | GraphCollection | EncodedGraphs
Scores = npt.NDArray[np.float64]


class Predictor:
    """Scores networks, and learns from a few labels of a new family.

    Networks are computation graphs, paths of ONNX files, or texts `FAMILY:SPECIFICATION`.

    Example:
        >>> predictor = Predictor.from_pretrained("kgnn-nb101")  # doctest: +SKIP
        >>> predictor.predict(["net.onnx", "nasbench201:|...|"])  # doctest: +SKIP
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        checkpoint.model.eval()

    @classmethod
    def from_pretrained(cls, name: str | Path) -> "Predictor":
        """The checkpoint of that name (shipped with the package) or in that folder.

        Raises:
            CheckpointError: it is missing, damaged, or of another version.
        """
        return cls(load(name))

    @property
    def families(self) -> tuple[str, ...]:
        """The families it was trained on."""
        return self.checkpoint.families

    def predict(self, networks: Networks, batch_size: int = BATCH) -> Scores:
        """Scores, shape (N,), in the units of the labels it was trained on; higher is better.

        On a family that it has not seen only their order means anything.

        Raises:
            GennapeError: a network cannot be read; nothing is predicted then.
        """
        graphs = self._encode(networks)
        found = scores(self.checkpoint.model, graphs, batch_size=batch_size)
        return self.checkpoint.scale.restore(found, graphs.macs_G.numpy())

    def embed(self, networks: Networks) -> Scores:
        """The encoder's embeddings, shape (N, features)."""
        return embedded(self.checkpoint.model, self._encode(networks)).double().numpy()

    def _encode(self, networks: Networks) -> EncodedGraphs:
        graphs = encode(networks, self.checkpoint.form)
        if len(graphs) == 0:
            raise GennapeError("no networks to predict")
        return graphs

    def fit(
        self,
        networks: Networks,
        labels: npt.ArrayLike,
        settings: TuneSettings | None = None,
        progress: Callable[[int, float], None] | None = None,
    ) -> "Predictor":
        """Fine-tunes on labelled networks of a new family, in place, and returns itself.

        The scale of the target is taken from the new labels. The same seed gives the same weights.

        Args:
            labels: shape (N,), finite, higher is better, in any unit.
            settings: how long, how fast, of what; `TuneSettings()` by default.
            progress: called with (epochs done, mean loss) after each epoch.

        Raises:
            LabelError: labels are not finite, or not one for each network, or all the same.
        """
        graphs = encode(networks, self.checkpoint.form)
        values = _checked_labels(labels, len(graphs))
        old = self.checkpoint
        model, scale = tune(
            old.model, old.scale, graphs, values, settings or TuneSettings(), progress
        )
        families = tuple(dict.fromkeys([*self.families, *_families(graphs)]))
        self.checkpoint = replace(old, model=model, scale=scale, families=families)
        return self

    def save(self, folder: Path | str) -> None:
        """Writes the predictor as a checkpoint folder that `from_pretrained` reads."""
        self.checkpoint.save(folder)


def encode(networks: Networks, form: Form = "atomic") -> EncodedGraphs:
    """Networks of any kind with their node features, ready to be batched.

    Args:
        form: that a model was trained on; collections are in it already.
    """
    if isinstance(networks, EncodedGraphs):
        return networks
    if isinstance(networks, GraphCollection):
        return EncodedGraphs(networks)
    if isinstance(networks, ComputationGraph | str | Path):
        networks = [networks]
    graphs = (_read(source) for source in networks)
    return EncodedGraphs(map(fuse, graphs) if form == "fused" else graphs)


def _read(source: Network) -> ComputationGraph:
    if isinstance(source, ComputationGraph):
        return source
    graph = network(source)
    if graph.coverage < 1:
        warnings.warn(
            f"{source}: only {graph.coverage:.0%} of its operators are in the vocabulary; the "
            "others count as unknown, and its score is less certain",
            stacklevel=2,
        )
    return graph


def _families(graphs: EncodedGraphs) -> list[str]:
    names = (family_of(name) for name in graphs.graphs.names if is_spec(name))
    return list(dict.fromkeys(names))


def _checked_labels(labels: npt.ArrayLike, count: int) -> Scores:
    values = np.asarray(labels, np.float64).ravel()
    if len(values) != count:
        raise LabelError(f"{len(values)} labels for {count} networks; expected one for each")
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise LabelError(f"label {bad[0] + 1} of {count} is {values[bad[0]]}, no finite number")
    if count < 2 or (values == values[0]).all():
        raise LabelError(f"{count} labels without a difference between them teach no order")
    return values
