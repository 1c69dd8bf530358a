"""The embedding while it is learnt, as a picture: networks as points, fuzzy clusters as crosses."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import lightning as L
import numpy as np
import numpy.typing as npt
from lightning.pytorch.callbacks import Callback
from sklearn.decomposition import PCA

from gennape.models.membership import Membership
from gennape.models.performance import PerformanceModel
from gennape.scoring import embedded
from gennape.training.data import LabelData
from gennape.training.graphs import GraphData
from onnx_bench.collections.figure import COLOURS, FORMATS, GREY, INK
from onnx_bench.errors import GennapeError
from onnx_bench.files import atomic_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = "o^sDv"
"""Where there are more families than colours, the colours come again with the next marker."""
TAIL = 5
"""Per cent of the numbers at either end that share the first and the last colour."""
TINY = 1e-12
_STYLE: Any = {"font.family": "DejaVu Sans", "font.size": 9, "svg.hashsalt": "gennape"}
_DATE = {".svg": "Date", ".pdf": "CreationDate"}
_BESIDE: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1.01, 0.5), "frameon": False}

Values = npt.NDArray[np.float64]
Colours = npt.NDArray[Any]


class Clusters(NamedTuple):
    """C fuzzy clusters: their centres (C, F) in the embedding, the shares (N, C) of N networks."""

    centre_CF: Values
    share_NC: Values

    @property
    def partition(self) -> float:
        """The partition coefficient: 1 / C where all is fuzzy, 1 where all is crisp."""
        return float(np.square(self.share_NC).sum(axis=1).mean())


class EmbeddingFigure(Callback):
    """Draws training networks in the encoder's space, into the folder of the run.

    Points have the colours of families; those of a single family have the colours of their labels,
    or of their numbers of nodes where there are no labels.

    Args:
        every: epochs from one picture to the next; the last epoch has one in any case. 0: none.
        most: how many networks are drawn, the same ones each time.
        keep: whether each picture stays, as `embedding/epoch-005.png`, beside the newest.
        name: the newest picture; a .png, .svg or .pdf file.

    Raises:
        GennapeError: `every` is negative, `most` below two, or the name has another ending.
    """

    def __init__(
        self, every: int = 10, most: int = 2000, keep: bool = False, name: str = "embedding.png"
    ) -> None:
        if every < 0 or most < 2:
            raise GennapeError(f"every is {every}, most {most}; expected 0 or more, and 2 or more")
        _checked_format(Path(name))
        self.every, self.most, self.keep, self.name = every, most, keep, name
        self._done = self._drawn = 0

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._done = trainer.current_epoch + 1
        if self.every and self._done % self.every == 0:
            self._draw(trainer, pl_module, self._done)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.every and self._drawn < self._done:
            self._draw(trainer, pl_module, self._done)

    def _draw(self, trainer: L.Trainer, module: L.LightningModule, epoch: int) -> None:
        self._drawn = epoch
        if not trainer.is_global_zero:
            return
        model: PerformanceModel = module.model  # type: ignore[assignment]
        data: LabelData | GraphData = trainer.datamodule  # type: ignore[attr-defined]
        rows = _training_rows(data)[: self.most]  # a random draw: splits are shuffled
        found = embedded(model, data.graphs, rows)
        embedding_NF = found.cpu().double().numpy()
        colour_N, meaning = _colours(data, rows)
        title = f"{len(rows):,} training networks, epoch {epoch}"
        try:
            figure = draw(embedding_NF, colour_N, meaning, clusters_of(model, embedding_NF), title)
        except GennapeError as error:  # no reason to lose the run
            warnings.warn(f"{self.name} is not drawn: {error}", stacklevel=2)
            return
        for path in self._paths(Path(trainer.default_root_dir) / self.name, epoch):
            save(figure, path)

    def _paths(self, newest: Path, epoch: int) -> Iterator[Path]:
        yield newest
        if self.keep:
            yield newest.with_suffix("") / f"epoch-{epoch:03d}{newest.suffix}"


def clusters_of(model: PerformanceModel, embedding_NF: Values) -> Clusters | None:
    """The fuzzy clusters of a model's head; None if its head has none."""
    membership = getattr(model.head, "membership", None)
    if not isinstance(membership, Membership):
        return None
    buffers = (membership.centre_CP, membership.axes_FP, membership.mean_F)
    centre_CP, axes_FP, mean_F = (buffer.cpu().double().numpy() for buffer in buffers)
    shares = membership(membership.mean_F.new_tensor(embedding_NF))
    return Clusters(centre_CP @ axes_FP.T + mean_F, shares.cpu().double().numpy())


def save(figure: "Figure", path: Path) -> None:
    """Writes a figure; the same figure is the same file.

    Raises:
        GennapeError: another kind of file than .svg, .png or .pdf is asked for.
    """
    import matplotlib as mpl

    _checked_format(path)
    metadata = {_DATE[path.suffix]: None} if path.suffix in _DATE else None
    with mpl.rc_context(_STYLE), atomic_file(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], dpi=160, metadata=metadata)


def draw(
    embedding_NF: npt.ArrayLike,
    colour_N: npt.ArrayLike,
    meaning: str = "",
    clusters: Clusters | None = None,
    title: str = "",
) -> "Figure":
    """Networks on the first two principal components of their embeddings; distances are to scale.

    Args:
        embedding_NF: N networks, two or more, in F dimensions.
        colour_N: what colours mean: names, or numbers.
        meaning: a word for that.
        clusters: drawn as crosses, each with its share of the networks.
        title: what is shown; the explained variance is written below it.

    Raises:
        GennapeError: the embedding is no table of finite numbers, or there is not a colour a row.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    points_NF, colours = _checked(embedding_NF, colour_N)
    with np.errstate(invalid="ignore"):  # of shares of no variance, which are not read
        plane = PCA(min(2, *points_NF.shape), svd_solver="full").fit(points_NF)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7.2, 5.2), layout="constrained")
        ax = figure.subplots()
        points_N2 = _flat(plane, points_NF)
        if colours.dtype.kind in "fiu":
            _by_number(figure, ax, points_N2, colours, meaning)
        else:
            _by_name(ax, points_N2, colours, meaning)
        if clusters is not None:
            _crosses(ax, _flat(plane, clusters.centre_CF), clusters.share_NC.mean(axis=0))
        _frame(ax, title, _facts(points_NF, plane, clusters))
    return figure


def _checked(embedding_NF: npt.ArrayLike, colour_N: npt.ArrayLike) -> tuple[Values, Colours]:
    points, colours = np.asarray(embedding_NF, np.float64), np.asarray(colour_N)
    if points.ndim != 2 or len(points) < 2 or len(points) != len(colours):
        raise GennapeError(
            f"got embeddings of shape {points.shape} and {len(colours)} colours; "
            "expected (N, F) and N, for two or more networks"
        )
    if not np.isfinite(points).all():
        raise GennapeError("embeddings are not finite; train with a lower learning rate")
    return points, colours


def _checked_format(path: Path) -> None:
    if path.suffix not in FORMATS:
        raise GennapeError(f"{path}: expected one of {', '.join(FORMATS)}")


def _training_rows(data: LabelData | GraphData) -> npt.NDArray[np.int64]:
    return data.split.train if isinstance(data, LabelData) else data.train_rows


def _colours(data: LabelData | GraphData, rows: npt.NDArray[np.int64]) -> tuple[Colours, str]:
    """What tells these networks apart best, and a word for it."""
    if isinstance(data, GraphData):
        names, sizes = np.array(data.families), np.diff(data.graphs.graphs.node_ptr)
        several = len(data.families) > 1
        return (names[data.family_G.numpy()[rows]], "") if several else (sizes[rows], "nodes")
    assert data.labels is not None
    if len(data.families) > 1:
        return np.array(data.labels.kinds)[rows], ""
    return data.labels.values[rows], data.labels.label


def _flat(plane: PCA, points_NF: Values) -> Values:
    """Coordinates in the plane, (N, 2); an embedding of one dimension lies on a line."""
    found = plane.transform(points_NF)
    return np.pad(found, ((0, 0), (0, 2 - found.shape[1])))


def _facts(points_NF: Values, plane: PCA, clusters: Clusters | None) -> str:
    total = points_NF.var(axis=0, ddof=1).sum()
    facts = ["all embeddings are the same"]
    if total > 0:
        share = plane.explained_variance_.sum() / total
        facts = [f"two principal components: {share:.0%} of the variance"]
    if clusters is not None:
        facts.append(f"partition coefficient {clusters.partition:.2f}")
    return "; ".join(facts)


def _dots(count: int) -> dict[str, Any]:
    """Points that are smaller, the more there are."""
    return {"s": float(np.clip(12_000 / count, 7, 40)), "alpha": 0.7, "linewidths": 0}


def _by_name(ax: "Axes", points_N2: Values, names: Colours, meaning: str) -> None:
    from matplotlib.lines import Line2D

    found, number_N, counts = np.unique(names, return_inverse=True, return_counts=True)
    palette, markers = np.array(COLOURS), []
    for turn in range(-(-len(found) // len(palette))):
        chosen = number_N // len(palette) == turn
        shades = palette[number_N[chosen] % len(palette)]
        markers.append(MARKERS[turn % len(MARKERS)])
        x, y = points_N2[chosen].T
        ax.scatter(x, y, c=shades, marker=markers[-1], **_dots(len(names)))
    signs = [
        Line2D([], [], ls="", marker=markers[i // len(palette)], color=palette[i % len(palette)])
        for i in range(len(found))
    ]
    texts = [f"{name}  {count:,}" for name, count in zip(found, counts, strict=True)]
    ax.legend(signs, texts, title=meaning or None, fontsize=8, labelcolor=INK, **_BESIDE)


def _by_number(
    figure: "Figure", ax: "Axes", points_N2: Values, numbers: Colours, meaning: str
) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    scale = ScalarMappable(Normalize(*np.percentile(numbers, (TAIL, 100 - TAIL))), "viridis")
    x, y = points_N2.T
    ax.scatter(x, y, c=scale.to_rgba(numbers), **_dots(len(numbers)))
    bar = figure.colorbar(scale, ax=ax, extend="both", shrink=0.6, aspect=25, pad=0.02)
    bar.set_label(meaning, color=INK)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=8, colors=INK)


def _crosses(ax: "Axes", centre_C2: Values, share_C: Values) -> None:
    """Crosses that stand out from any colour; shares are written away from the nearest cross."""
    from matplotlib.patheffects import withStroke

    for width, colour in ((4.5, "white"), (2.0, INK)):
        ax.plot(*centre_C2.T, "x", ms=9, mew=width, color=colour)
    gap_CC = np.linalg.norm(centre_C2[:, None] - centre_C2, axis=-1)
    np.fill_diagonal(gap_CC, np.inf)
    away_C2 = 16 * (centre_C2 - centre_C2[gap_CC.argmin(axis=1)])
    away_C2 /= np.maximum(gap_CC.min(axis=1, keepdims=True), TINY)
    halo = [withStroke(linewidth=2.5, foreground="white")]
    how: Any = {"textcoords": "offset points", "path_effects": halo, "ha": "center", "va": "center"}
    for place, away, share in zip(centre_C2, away_C2, share_C, strict=True):
        ax.annotate(f"{share:.0%}", tuple(place), tuple(away), color=INK, weight="bold", **how)


def _frame(ax: "Axes", title: str, facts: str) -> None:
    ax.set_title(f"{title}\n" if title else "", loc="left", color=INK, fontsize=11)
    ax.annotate(facts, (0, 1), (0, 6), "axes fraction", "offset points", color=GREY, fontsize=8.5)
    ax.set_aspect("equal", adjustable="datalim")
    ax.grid(color="#ECECEC", lw=0.8)
    ax.set_axisbelow(True)
    ax.tick_params(length=0, labelsize=7, colors=GREY)
    for side in ax.spines.values():
        side.set_visible(False)
