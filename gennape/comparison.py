"""A predictor before and after fine-tuning, on networks that what predicts has not learnt from.

These are the networks held out, or, where a learner of few labels leaves out labels in turn, all of
them. They also set the intervals and chose what the learner says, the epoch of a network or shares
of a few ways to learn. So figures after fine-tuning may be a little better than on new networks,
and that the intervals hold here is by construction; what they are worth elsewhere, only further
labels tell.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from rich.table import Table

from gennape.assessment import Assessment, assess, left_out
from gennape.batch import EncodedGraphs
from gennape.checkpoint import Checkpoint
from gennape.conformal import COVERAGE, checked_coverage
from gennape.finetuning import FROM, VALIDATION, fine_tuned
from gennape.metrics import Metric, kendall, mae, spearman
from gennape.models.solved import FewLabelsHead
from gennape.models.solved.few import LEAST
from gennape.scoring import learns_few
from gennape.tuning import Progress, TuneSettings
from onnx_bench.collections.figure import COLOURS, GREY, INK
from onnx_bench.errors import GennapeError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Values = npt.NDArray[np.float64]
NOTHING = "–"
HELD_OUT, LEFT_OUT = "held out", "each left out in turn"


@dataclass(frozen=True)
class Comparison:
    """What was predicted of N networks, before and after fine-tuning on others.

    Args:
        true_N: their labels.
        before, after: what the predictor said of them.
        turned: whether lower is better for one of the two predictors only.
        coverage: of the intervals.
        where: which networks these are.
    """

    true_N: Values
    before: Assessment
    after: Assessment
    turned: bool = False
    coverage: float = COVERAGE
    where: str = HELD_OUT

    @classmethod
    def of(
        cls,
        old: Checkpoint,
        new: Checkpoint,
        graphs: EncodedGraphs,
        labels: Values,
        coverage: float = COVERAGE,
        said: tuple[Values, Values] | None = None,
    ) -> "Comparison":
        """What both checkpoints say of these networks, and how their labels are.

        Args:
            said: what learners of the new one say that have not seen the label in question, if it
                has learnt from these networks.
        """
        before, after = assess(old, graphs, coverage), assess(new, graphs, coverage, said=said)
        turned = old.lower_is_better != new.lower_is_better
        return cls(labels, before, after, turned, coverage, LEFT_OUT if said else HELD_OUT)

    def figures(self) -> dict[str, dict[str, float]]:
        """What is measured, before and after; what cannot be said is nan.

        spearman and kendall, 1 for the right order; mae, the mean absolute error, which before
        means something only where labels are in the units that were trained on; width, the mean
        width of the intervals; covered, the share of labels that lie in them.
        """
        return {
            "before": self._figures(self.before, -1 if self.turned else 1),
            "after": self._figures(self.after, 1),
        }

    def _figures(self, found: Assessment, sign: int) -> dict[str, float]:
        width_N = found.high_N - found.low_N
        inside_N = (found.low_N <= self.true_N) & (self.true_N <= found.high_N)
        return {
            "networks": len(self.true_N),
            "spearman": _measured(spearman, sign * found.score_N, self.true_N),
            "kendall": _measured(kendall, sign * found.score_N, self.true_N),
            "mae": _measured(mae, found.score_N, self.true_N) if sign > 0 else np.nan,
            "width": float(width_N.mean()),
            "covered": float(np.where(np.isnan(width_N), np.nan, inside_N).mean()),
        }

    def metrics(self) -> dict[str, float]:
        """Figures of the fine-tuned predictor, for its checkpoint."""
        found = self.figures()["after"]
        names = ("spearman", "kendall", "mae")
        return {f"val_{name}": found[name] for name in names if np.isfinite(found[name])}

    def table(self) -> Table:
        """The figures for people."""
        table = Table(title=f"on {len(self.true_N)} networks {self.where}")
        table.add_column("")
        for name in ("Spearman", "Kendall", "mean error", f"{self.coverage:.0%} interval", "holds"):
            table.add_column(name, justify="right")
        for when, row in self.figures().items():
            shown = [_shown(row[name]) for name in ("spearman", "kendall", "mae")]
            half = f"± {row['width'] / 2:.3f}" if np.isfinite(row["width"]) else NOTHING
            table.add_row(when, *shown, half, _shown(row["covered"], ".0%"))
        return table

    def files(self) -> dict[str, bytes]:
        """The report as `report.csv` and `report.png`."""
        frame = pd.DataFrame(self.figures()).T.rename_axis("when")
        return {"report.csv": frame.to_csv().encode(), "report.png": self._picture()}

    def _picture(self) -> bytes:
        """Predicted over true labels, before and after, with the intervals."""
        import matplotlib as mpl
        from matplotlib.figure import Figure

        style: Any = {"font.family": "DejaVu Sans", "font.size": 9}
        with mpl.rc_context(style), io.BytesIO() as stream:
            figure = Figure(figsize=(9, 4.2), layout="constrained")
            titles = {"before": "before", "after": "after fine-tuning"}
            figures = self.figures()
            for ax, (when, title) in zip(figure.subplots(1, 2), titles.items(), strict=True):
                score = _shown(figures[when]["spearman"])
                _scatter(ax, self.true_N, getattr(self, when), f"{title}: Spearman {score}")
            figure.suptitle(f"{len(self.true_N)} networks {self.where}", color=INK)
            figure.savefig(stream, dpi=150, format="png")
            return stream.getvalue()


def learn_and_compare(
    old: Checkpoint,
    graphs: EncodedGraphs,
    labels: Values,
    settings: TuneSettings,
    progress: Progress | None = None,
    lower_is_better: bool = False,
    coverage: float = COVERAGE,
) -> tuple[Checkpoint, Comparison | None]:
    """The checkpoint after fine-tuning, and what came of it; None if all labels were seen.

    Args:
        graphs: each network once (`gennape.finetuning.distinct`); the rest is for `fine_tuned`.

    Raises:
        LabelError: as `fine_tuned`.
        GennapeError: the coverage is not between 0 and 1.
    """
    checked_coverage(coverage)
    new = fine_tuned(old, graphs, labels, settings, progress, lower_is_better)
    _, held_out = settings.split(len(labels))
    said = None
    if len(held_out):
        graphs, labels = EncodedGraphs(graphs.graphs.take(held_out)), labels[held_out]
    elif (said := left_out(new)) is None:
        return replace(new, metrics={}), None
    comparison = Comparison.of(old, new, graphs, labels, coverage, said)
    return replace(new, metrics=comparison.metrics()), comparison


def remarks(new: Checkpoint, settings: TuneSettings, count: int, coverage: float) -> Iterator[str]:
    """What a user should know of a fine-tuning on so many networks, a line each."""
    learnt, held_out = map(len, settings.split(count))
    yield f"learnt from {learnt} networks{_shares(new)}"
    if new.calibration is None:
        yield (
            "there is no report and no interval: these need labels that are left out, a fifth of "
            f"{FROM} or more (--validation {VALIDATION:g}), or {LEAST} or more in turn "
            "(--learner numbers)"
        )
        return
    if not held_out:
        yield "each of them, predicted without its label, set the intervals"
    elif settings.learner == "numbers":
        yield f"{held_out} others set the intervals"
    else:
        yield (
            f"{held_out} others chose the epoch and set the intervals, so that new networks may be "
            "predicted a little worse"
        )
    if new.calibration.highest < coverage:
        yield (
            f"{held_out or learnt} networks are too few for an interval that holds with "
            f"{coverage:g}; --coverage {new.calibration.highest:.2g} or less works, and so do more "
            "labels"
        )


def _shares(new: Checkpoint) -> str:
    """How much each way to learn counts, if there are several."""
    if not learns_few(new.model):
        return ""
    return f": {cast(FewLabelsHead, new.model.head).describe()} (inner cross-validation)"


def _measured(metric: Metric, predicted: Values, true: Values) -> float:
    """Nan where nothing can be measured: of a constant prediction, or of one network."""
    try:
        return metric(predicted, true)
    except GennapeError:
        return float("nan")


def _shown(value: float, form: str = ".3f") -> str:
    return format(value, form) if np.isfinite(value) else NOTHING


def _scatter(ax: "Axes", true_N: Values, found: Assessment, title: str) -> None:
    half_N = found.high_N - found.score_N
    if np.isfinite(half_N).all():
        ax.errorbar(true_N, found.score_N, half_N, fmt="none", ecolor=GREY, alpha=0.5, lw=0.8)
    ax.scatter(true_N, found.score_N, s=16, color=COLOURS[0], linewidths=0, zorder=3)
    ends = [true_N.min(), true_N.max()]
    ax.plot(ends, ends, color=GREY, lw=0.8, ls="--", scalex=False, scaley=False)
    ax.set_title(title, color=INK)
    ax.set_xlabel("true")
    ax.set_ylabel("predicted")
    ax.spines[["top", "right"]].set_visible(False)
