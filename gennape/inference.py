"""Predictor: a trained model with a scikit-learn face. Nothing of Lightning is imported here."""

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gennape.assessment import Assessment, assess, predicted
from gennape.batch import EncodedGraphs
from gennape.checkpoint import Checkpoint, Form, load
from gennape.conformal import COVERAGE
from gennape.finetuning import checked_labels, distinct, fine_tuned, resolved
from gennape.scoring import BATCH, embedded
from gennape.tuning import Progress, TuneSettings
from onnx_bench.canonical import fuse
from onnx_bench.collections import GraphCollection
from onnx_bench.doors import open_network
from onnx_bench.errors import GennapeError
from onnx_bench.graph import ComputationGraph

if TYPE_CHECKING:
    from gennape.acquisition import Goal, Suggestion
    from gennape.explanation import Explanation

Network = ComputationGraph | str | Path
Networks = Network | Iterable[Network] | GraphCollection | EncodedGraphs
Scores = npt.NDArray[np.float64]


class Predictor:
    """Scores networks, and learns from a few labels of a new family.

    Networks are computation graphs, paths of ONNX files, or texts `FAMILY:SPECIFICATION`.

    Example:
        >>> predictor = Predictor.from_pretrained("gennape-universal")  # doctest: +SKIP
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

        Where a lower label is better, as of latencies, scores are the negative of what `assess`
        says. On a family that it has not seen only their order means anything.

        Raises:
            GennapeError: a network cannot be read; nothing is predicted then.
        """
        return predicted(self.checkpoint, self._encode(networks), batch_size=batch_size)[0]

    def assess(self, networks: Networks, coverage: float = COVERAGE) -> Assessment:
        """Scores with their intervals, and how familiar the networks are; see `Assessment`.

        Intervals hold the label with a probability of `coverage`, of networks like those that they
        were calibrated on, and not of strange ones.

        Raises:
            GennapeError: a network cannot be read, or the coverage is not between 0 and 1.
        """
        return assess(self.checkpoint, self._encode(networks), coverage)

    def suggest(
        self,
        pool: Networks,
        count: int,
        labelled: Networks | None = None,
        goal: "Goal" = "explore",
        seed: int = 0,
    ) -> "Suggestion":
        """Networks of a pool that are worth a label next; see `gennape.acquisition.suggest`.

        Raises:
            GennapeError: a network cannot be read, or the pool has not so many that are left.
        """
        from gennape.acquisition import suggest  # what scoring does without

        form = self.checkpoint.form
        known = None if labelled is None else encode(labelled, form)
        return suggest(self.checkpoint, encode(pool, form), count, known, goal, seed)

    def explain(self, network: Network, **options: Any) -> "Explanation":
        """Why a network has its score; the options are those of `gennape.explanation.explain`.

        Raises:
            GennapeError: the network cannot be read, or an option is out of its range.
        """
        from gennape.explanation import explain

        named = network.name if isinstance(network, ComputationGraph) else str(network)
        return explain(self.checkpoint, self._encode([network]), named, **options)

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
        progress: Progress | None = None,
        lower_is_better: bool = False,
    ) -> "Predictor":
        """Fine-tunes on labelled networks of a new family, in place, and returns itself.

        The scale of the target is taken from the new labels. The same seed gives the same weights.

        A learner beside the model leaves out labels in turn, from 5 on, to calibrate the intervals
        of `assess`. Where a network learns, a share of validation (`TuneSettings`) chooses the
        epoch and calibrates them, so that they come out a little narrow; without one there are
        none. A network that is given several times counts once then, with the mean of its labels.

        Args:
            labels: shape (N,), finite, in any unit; higher is better, unless `lower_is_better`.
            settings: how long, how fast, of what; `TuneSettings()` by default.
            progress: called with (epochs done, mean loss) after each epoch.

        Raises:
            LabelError: labels are not finite, or not one for each network, or all the same, among
                those learnt from or those held out.
        """
        settings, form = settings or TuneSettings(), self.checkpoint.form
        graphs = encode(networks, form)
        values = checked_labels(labels, len(graphs))
        settings = resolved(settings, self.checkpoint)
        if settings.validation or settings.learner == "numbers":
            graphs, values = distinct(graphs, values, form)
        self.checkpoint = fine_tuned(
            self.checkpoint, graphs, values, settings, progress, lower_is_better
        )
        return self

    def save(self, folder: Path | str, also: Mapping[str, bytes] | None = None) -> None:
        """Writes the predictor as a checkpoint folder that `from_pretrained` reads.

        Args:
            also: further files of the folder by their names, such as a report.
        """
        self.checkpoint.save(folder, also)


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
    graph = open_network(source).graph
    if graph.coverage < 1:
        warnings.warn(
            f"{source}: only {graph.coverage:.0%} of its operators are in the vocabulary; the "
            "others count as unknown, and its score is less certain",
            stacklevel=2,
        )
    return graph
