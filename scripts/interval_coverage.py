"""How often intervals hold, and which networks are strange, on benchmarks with known labels.

    python scripts/interval_coverage.py --model runs/gennape/ensemble --processes 2
    python scripts/interval_coverage.py --model gennape-nb101 --labels 10 50 --networks 400

For each benchmark and seed: 2,000 networks are assessed by the model as it is; then it is
fine-tuned on 50 labels of others, as `gennape finetune` does it, and assesses the 2,000 again.
Intervals are set by labels that a learner beside the model leaves out in turn, or, where the
network itself learns, by a fifth that is held out, which chooses the epoch, too. `inside` is
NAS-Bench-101 without fine-tuning: the rows that the model was tested on, with the intervals that it
came with.

Writes OUT_seeds.csv, a row for each benchmark and seed, from which an interrupted run goes on, and
OUT.csv, their means and deviations.
"""

import argparse
import multiprocessing as mp
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from rich import box
from rich.console import Console
from rich.table import Table

from gennape.assessment import Assessment
from gennape.batch import EncodedGraphs
from gennape.finetuning import default_validation, resolved
from gennape.inference import Predictor
from gennape.metrics import ConstantPredictionError, spearman
from gennape.training.data import LabelData
from gennape.tuning import TuneSettings
from onnx_bench.benchmarks import read
from onnx_bench.collections.cache import graphs_of
from onnx_bench.files import atomic_file
from onnx_bench.terminal import errors_in_one_line, progress

INSIDE = "inside"
FAMILIES = (
    "nasbench201:no-none",
    "nats-sss",
    "nasbench-macro",
    "transnas-micro",
    "transnas-macro",
    "darts",
    "metaqnn",
    "ofa-mbv3",
    INSIDE,
)
KEYS = ["model", "benchmark", "labels"]
FIGURES = ["spearman", "covered", "width", "strange", "distance"]
"""Spearman; share of labels inside their intervals; the intervals' mean width over the deviation of
the labels; share of strange networks; their median distance."""


@dataclass(frozen=True)
class Task:
    """One benchmark, `NAME` or `NAME:SUBSET`, with one seed."""

    benchmark: str
    seed: int
    model: str
    settings: TuneSettings
    labels: tuple[int, ...]
    networks: int
    coverage: float
    floor: float


def main() -> None:
    args = parse()
    seeds_csv = args.out.with_name(f"{args.out.stem}_seeds.csv")
    rows = pd.read_csv(seeds_csv) if seeds_csv.exists() else pd.DataFrame(columns=[*KEYS, "seed"])
    todo = [task for task in tasks(args) if not done(rows, task)]
    with errors_in_one_line(), progress() as display:
        bar = display.add_task("benchmarks and seeds", total=len(todo))
        for found in measured(todo, args.processes):
            rows = pd.DataFrame([*rows.to_dict("records"), *found])
            write(seeds_csv, rows.sort_values([*KEYS, "seed"], kind="stable"))
            display.advance(bar)
        summary = summarised(rows)
        write(args.out, summary)
    show(summary[summary["model"] == args.model])


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="kgnn-nb101", help="a shipped checkpoint, or a folder")
    parser.add_argument("--families", nargs="+", default=FAMILIES, help="NAME or NAME:SUBSET")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--labels", type=int, nargs="+", default=[50], help="one count or several")
    parser.add_argument("--networks", type=int, default=2000, help="to assess, at most")
    parser.add_argument("--coverage", type=float, default=0.9)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--freeze", choices=("none", "encoder"), default="encoder")
    parser.add_argument("--floor", type=float, default=80, help="of labels inside NAS-Bench-101")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("results/interval_coverage.csv"))
    return parser.parse_args()


def tasks(args: argparse.Namespace) -> Iterator[Task]:
    """Every benchmark with every seed; the split inside NAS-Bench-101 has but one."""
    for benchmark in args.families:
        for seed in range(1 if benchmark == INSIDE else args.seeds):
            settings = TuneSettings(
                args.freeze, args.epochs, learning_rate=args.learning_rate, seed=seed
            )
            size = (tuple(args.labels), args.networks, args.coverage, args.floor)
            yield Task(benchmark, seed, args.model, settings, *size)


def done(rows: pd.DataFrame, task: Task) -> bool:
    """Whether an earlier run has measured it; a change of settings wants another OUT."""
    same = (rows["model"] == task.model) & (rows["benchmark"] == task.benchmark)
    return bool((same & (rows["seed"] == task.seed)).any())


def measured(todo: list[Task], processes: int) -> Iterator[list[dict[str, Any]]]:
    """The rows of each task, as they come."""
    if processes == 1:
        yield from map(measure, todo)
        return
    context = mp.get_context("spawn")
    with ProcessPoolExecutor(processes, context, torch.set_num_threads, (1,)) as pool:
        for future in as_completed([pool.submit(measure, task) for task in todo]):
            yield future.result()


def measure(task: Task) -> list[dict[str, Any]]:
    """A row for the model as it is, and one after fine-tuning on each number of labels."""
    predictor = Predictor.from_pretrained(task.model)
    if task.benchmark == INSIDE:
        return [row(task, predictor, *inside(task, predictor), labels=0)]
    name, _, subset = task.benchmark.partition(":")
    table = read(name, subset=subset or None)
    fused = predictor.checkpoint.form == "fused"
    graphs = graphs_of(table.networks, fused=fused, source=table.source)
    order = np.random.default_rng(task.seed).permutation(len(table))
    rest = np.sort(order[max(task.labels) :][: task.networks])
    tested = EncodedGraphs(graphs.take(rest)), table.values[rest]
    found = [row(task, predictor, *tested, labels=0)]
    for count in task.labels:
        seen, tuned = order[:count], Predictor(predictor.checkpoint)
        settings = commanded(task.settings, predictor, count)
        tuned.fit(EncodedGraphs(graphs.take(seen)), table.values[seen], settings)
        found.append(row(task, tuned, *tested, labels=count))
    return found


def commanded(settings: TuneSettings, predictor: Predictor, labels: int) -> TuneSettings:
    """The settings as `gennape finetune` completes them."""
    settings = resolved(settings, predictor.checkpoint)
    return replace(settings, validation=default_validation(labels, settings.learner))


def inside(task: Task, predictor: Predictor) -> tuple[EncodedGraphs, np.ndarray]:
    """Rows of NAS-Bench-101 that neither trained the model nor chose anything: its test split."""
    fused = predictor.checkpoint.form == "fused"
    data = LabelData("nasbench101", subset="full", fused=fused, floor=task.floor)
    data.setup("test")
    rows = np.sort(data.split.test[: task.networks])
    return EncodedGraphs(data.graphs.graphs.take(rows)), data.values.numpy()[rows]


def row(
    task: Task, predictor: Predictor, graphs: EncodedGraphs, true_N: np.ndarray, labels: int
) -> dict[str, Any]:
    """What is measured of one predictor on one benchmark's networks."""
    found = predictor.assess(graphs, task.coverage)
    key = {"model": task.model, "benchmark": task.benchmark, "labels": labels, "seed": task.seed}
    return key | {"networks": len(true_N), **figures(found, true_N)}


def figures(found: Assessment, true_N: np.ndarray) -> dict[str, Any]:
    """`FIGURES`, and the family that is most often the nearest."""
    width_N = found.high_N - found.low_N
    inside_N = (found.low_N <= true_N) & (true_N <= found.high_N)
    known = not np.isnan(found.distance_N).all()
    names, counts = np.unique(found.family_N, return_counts=True)
    try:
        order = spearman(found.score_N, true_N)
    except ConstantPredictionError:
        order = np.nan
    return {
        "spearman": order,
        "covered": np.nan if np.isnan(width_N).any() else inside_N.mean(),
        "width": width_N.mean() / true_N.std(),
        "strange": found.strange_N.mean() if known else np.nan,
        "distance": np.median(found.distance_N),
        "nearest": names[counts.argmax()],
    }


def summarised(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean and deviation over seeds."""
    groups = rows.groupby(KEYS, sort=False)
    parts = [groups["networks"].min(), groups["seed"].count().rename("seeds")]
    for name in FIGURES:
        parts += [groups[name].mean(), groups[name].std().rename(f"{name}_std")]
    nearest = groups["nearest"].agg(lambda names: names.dropna().mode().get(0, ""))
    return pd.concat([*parts, nearest], axis=1).reset_index()


def write(path: Path, rows: pd.DataFrame) -> None:
    with atomic_file(path) as temporary:
        rows.to_csv(temporary, index=False, float_format="%.5f")


def show(summary: pd.DataFrame) -> None:
    """The summary for people."""
    table = Table("benchmark", box=box.SIMPLE)
    for name in ("labels", *FIGURES, "nearest"):
        table.add_column(name, justify="right", no_wrap=True)
    for found in summary.to_dict("records"):
        cells = (
            f"{found[name]:.2f}±{found[f'{name}_std']:.2f}" if pd.notna(found[name]) else "–"
            for name in FIGURES
        )
        shown = (cell.replace("±nan", "") for cell in cells)
        table.add_row(found["benchmark"], str(found["labels"]), *shown, str(found["nearest"]))
    Console(width=max(110, Console().width)).print(table)


if __name__ == "__main__":
    main()
