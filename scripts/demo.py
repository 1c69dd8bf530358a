"""The whole way through on the embedded benchmark, in minutes and with no download.

Trains a predictor on all kinds of `digits` but one, ranks the kind that it has never seen,
fine-tunes on 50 of its labels, and ranks three ONNX files. Leaves a scatter plot, the predictor
and the files.

    python scripts/demo.py
    python scripts/demo.py --left-out digits-mbconv --encoder gated-gcn --out /tmp/demo
"""

import argparse
import copy
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from gennape.inference import Predictor, encode
from gennape.metrics import kendall, spearman
from gennape.ranking import as_table, rank
from gennape.training.data import LabelData
from gennape.training.fit import fit
from gennape.training.module import PredictorModule
from gennape.tuning import TuneSettings
from onnx_bench.benchmarks import digits, read
from onnx_bench.files import atomic_file
from onnx_bench.onnx_export import save_onnx
from onnx_bench.terminal import progress

console = Console()


def main() -> None:
    args = parse()
    torch.set_num_threads(1)  # such small batches gain nothing from a second thread
    console.print(f"1. training on every kind of digits but [bold]{args.left_out}[/bold]")
    predictor = train(args)

    target = read("digits", subset=args.left_out)
    graphs = encode(target.graphs())
    order = np.random.default_rng(args.seed).permutation(len(target))
    seen, rest = order[: args.labels], order[args.labels :]
    before = predictor.predict(graphs)

    console.print(f"2. fine-tuning on {len(seen)} labels of {args.left_out}")
    tuned = Predictor(copy.deepcopy(predictor.checkpoint)).fit(
        [graphs.graphs[int(i)] for i in seen],
        target.values[seen],
        TuneSettings(seed=args.seed),
    )
    after = tuned.predict(graphs)
    report(target.values[rest], before[rest], after[rest], len(seen))
    picture = args.out / "scatter.png"
    plot(
        picture, target.values[rest], {"before": before[rest], "after": after[rest]}, args.left_out
    )
    tuned.save(args.out / "predictor")

    console.print("3. ranking three ONNX files of that kind")
    files = []
    for place in np.argsort(target.values[rest])[[0, len(rest) // 2, -1]]:
        row = int(rest[place])
        files.append(str(args.out / f"accuracy_{target.values[row]:.1f}.onnx"))
        save_onnx(graphs.graphs[row], Path(files[-1]))
    as_table(rank(files, str(args.out / "predictor")), "the tuned predictor")
    console.print(f"\npicture: {picture}\npredictor: {args.out / 'predictor'}")
    console.print(f"try: gennape predict {args.out}/*.onnx -m {args.out / 'predictor'}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--left-out", choices=digits.KINDS, default="digits-chains")
    parser.add_argument("--labels", type=int, default=50, help="for the fine-tuning")
    parser.add_argument("--encoder", default="k-gnn", help="k-gnn or gated-gcn")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("demo"))
    return parser.parse_args()


def train(args: argparse.Namespace) -> Predictor:
    """The predictor of the other kinds; its best epoch by validation on those."""
    data = LabelData("digits", subset=f"not-{args.left_out}", seed=args.seed)
    name = f"{args.encoder}-not-{args.left_out}-{args.epochs}-{args.seed}"

    def module() -> PredictorModule:
        return PredictorModule(args.encoder, optimizer=lambda p: torch.optim.Adam(p, lr=3e-3))

    with progress() as display:
        task = display.add_task("epochs", total=args.epochs)
        return fit(
            module,
            data,
            args.out / "runs" / name,
            args.epochs,
            args.seed,
            lambda epoch: display.update(task, completed=epoch),
        )


def report(true: np.ndarray, before: np.ndarray, after: np.ndarray, labels: int) -> None:
    """Ranks on the networks whose labels were never shown, before and after."""
    table = Table(title=f"on the {len(true)} networks whose labels were never shown")
    table.add_column("")
    table.add_column("Spearman", justify="right")
    table.add_column("Kendall", justify="right")
    for name, predicted in (("zero-shot", before), (f"after {labels} labels", after)):
        table.add_row(name, f"{spearman(predicted, true):.3f}", f"{kendall(predicted, true):.3f}")
    console.print(table)


def plot(path: Path, true: np.ndarray, predicted: dict[str, np.ndarray], kind: str) -> None:
    """Predicted over true accuracy, before and after fine-tuning."""
    mpl.use("Agg")
    titles = {"before": "zero-shot", "after": "after fine-tuning"}
    figure, axes = plt.subplots(1, 2, figsize=(9, 4.2), sharex=True, layout="constrained")
    for axis, (when, values) in zip(axes, predicted.items(), strict=True):
        axis.scatter(true, values, s=14, alpha=0.6, linewidths=0)
        axis.set_title(f"{titles[when]}: Spearman {spearman(values, true):.3f}")
        axis.set_xlabel("true accuracy, %")
        axis.set_ylabel("predicted accuracy, %")
        axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{kind}: a family that the predictor was not trained on")
    with atomic_file(path) as temporary:
        figure.savefig(temporary, dpi=150, format="png")
    plt.close(figure)


if __name__ == "__main__":
    main()
