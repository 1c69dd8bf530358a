"""What labels of suggested networks are worth beside those of random ones.

    python scripts/suggest_curves.py                       # half an hour on one core
    python scripts/suggest_curves.py --model gennape-nb101 # results/suggest_curves.csv
    python scripts/suggest_curves.py --model runs/mine --families darts metaqnn --seeds 2

At most 1,500 networks of each benchmark are drawn, each once, however spelt. With every seed half
of them are set aside, which no way to choose may touch. From the other half each way chooses 16,
32, 50 and 128, and the model learns from their labels as `Predictor.fit` does, from numbers and
patterns of the graph. `spearman` is of the half set aside, the same one for all ways; `gain` is
what is gained over random choice with the same seed. `better` is of the search: how many of the
half to choose from, in per cent, are better than the best chosen one. `explore, find-best` spends
half of its labels to explore, learns from them, and then searches.

Writes OUT_seeds.csv, a row for each benchmark, seed, way and number of labels, from which an
interrupted run goes on (other settings want another --out); OUT.csv, means and deviations over
seeds; and OUT.svg. Needs the public label tables in the folder that GENNAPE_DATA names; a benchmark
without its table is left out, and a line says what is missing.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from gennape.acquisition.suggestion import numbers, standard
from gennape.assessment import predicted
from gennape.batch import EncodedGraphs
from gennape.checkpoint import Checkpoint, load
from gennape.finetuning import distinct
from gennape.learning import tune
from gennape.metrics import ConstantPredictionError, spearman
from gennape.models.performance import PerformanceModel
from gennape.models.solved import FewLabelsHead
from gennape.scoring import represented
from gennape.tuning import TuneSettings
from onnx_bench.benchmarks import LabelTable, read
from onnx_bench.collections.cache import graphs_of
from onnx_bench.errors import GennapeError, LabelError
from onnx_bench.terminal import errors_in_one_line, progress

sys.path.insert(0, str(Path(__file__).parent))
from paper.display import mean, number, show, text
from paper.rows import Row, Rows, means, write_csv
from suggest.figure import draw
from suggest.ways import BOTH, RANDOM, WAYS, Places, Pool, Rng, Values, by_bound, by_herding

FAMILIES = (
    "nasbench201",
    "nats-sss",
    "nasbench-macro",
    "transnas-micro",
    "transnas-macro",
    "darts",
    "metaqnn",
    "ofa-mbv3",
)
EVERY = (*WAYS, BOTH)
KEYS = ("model", "benchmark", "seed", "way", "labels")
FIGURES = ("spearman", "gain", "better")
ALL = "mean of families"
FEW = 8
"""Labels that any learner can start from, to see what it reads."""
SPLITS = 1
"""Those numbered 0 set the length of herding, so that these have not been seen before."""


@dataclass(frozen=True)
class Networks:
    """N networks of a benchmark, what the model knows of them, and their labels."""

    whole_ND: Tensor
    read_NE: Tensor
    """What else is learnt from: the scores of the model, and the patterns of the graphs."""
    merit_N: Values
    """What is predicted."""
    label_N: Values

    def take(self, rows: Places) -> "Networks":
        """Those in these places."""
        whole_ND, read_NE = self.whole_ND[rows], self.read_NE[rows]
        return Networks(whole_ND, read_NE, self.merit_N[rows], self.label_N[rows])


def main() -> None:
    args = parse()
    with errors_in_one_line():
        rows = Rows(args.out.with_name(f"{args.out.stem}_seeds.csv"), KEYS)
        measure(rows, args)
        summary = summarised(rows.frame[rows.frame["model"] == args.model])
        write_csv(args.out, summary)
        draw(args.out.with_suffix(".svg"), summary)
    columns = {"way": text("way"), "labels": number("labels", 0)}
    columns |= {name: mean(name, 1 if name == "better" else 3) for name in FIGURES}
    show(ALL, summary[summary["benchmark"] == ALL], columns)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="gennape-universal", help="name or folder")
    parser.add_argument("--families", nargs="+", default=FAMILIES, help="NAME or NAME:SUBSET")
    parser.add_argument("--ways", nargs="+", choices=EVERY, default=EVERY)
    parser.add_argument("--labels", nargs="+", type=int, default=(16, 32, 50, 128))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--networks", type=int, default=1500, help="of a benchmark, at most")
    parser.add_argument("--out", type=Path, default=Path("results/suggest_curves.csv"))
    return parser.parse_args()


def measure(rows: Rows, args: argparse.Namespace) -> None:
    """Fills in what is missing, a benchmark and seed at a time."""
    model, tables = load(args.model), dict(there(args.families))
    if model.form != "fused":
        raise GennapeError(f"{args.model}: expected a checkpoint of fused graphs")
    with progress() as display:
        bar = display.add_task("benchmarks and seeds", total=len(tables) * args.seeds)
        for name, table in tables.items():
            todo = {seed: missing(rows, args, name, seed) for seed in range(args.seeds)}
            networks = known(model, table, args.networks) if any(todo.values()) else None
            for seed, pairs in todo.items():
                keys = {"model": args.model, "benchmark": name, "seed": seed}
                if networks:
                    rows.add(keys | found for found in compared(networks, seed, pairs))
                display.advance(bar)


def there(names: Sequence[str]) -> Iterator[tuple[str, LabelTable]]:
    """Benchmarks whose labels are there.

    Raises:
        LabelError: none are.
    """
    lacking = []
    for name in names:
        base, _, subset = name.partition(":")
        try:
            yield name, read(base, subset=subset or None)
        except LabelError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
            lacking.append(name)
    if len(lacking) == len(names):
        raise LabelError("no labels are there; GENNAPE_DATA has to name the folder of the tables")


def missing(rows: Rows, args: argparse.Namespace, name: str, seed: int) -> list[tuple[str, int]]:
    """Ways and numbers of labels that no earlier run has measured."""
    return [
        (way, count)
        for way in dict.fromkeys((RANDOM, *args.ways))
        for count in args.labels
        if not rows.has(model=args.model, benchmark=name, seed=seed, way=way, labels=count)
    ]


def known(model: Checkpoint, table: LabelTable, most: int) -> Networks:
    """Some networks of a benchmark, the same ones each time."""
    table = table.take(np.sort(np.random.default_rng(0).permutation(len(table))[:most]))
    every = EncodedGraphs(graphs_of(table.networks, fused=True, source=table.source))
    graphs, label_N = distinct(every, table.values, "fused")
    few = np.arange(min(FEW, len(graphs)))
    settings = TuneSettings(learner="numbers")
    fitted, _ = tune(model.model, model.scale, graphs.take(few), label_N[few], settings)
    learner = cast(PerformanceModel, fitted)
    read_NE = represented(learner, graphs)[:, : learner.encoder.out_features]
    return Networks(graphs.whole_GD, read_NE, predicted(model, graphs)[0], label_N)


def compared(networks: Networks, seed: int, pairs: Sequence[tuple[str, int]]) -> Iterator[Row]:
    """A row for each way and number of labels, but for more labels than there are networks."""
    order = np.random.default_rng([seed, SPLITS]).permutation(len(networks.label_N))
    half = len(order) // 2
    own, aside = networks.take(order[:half]), networks.take(order[half:])
    pool = Pool.of(own.whole_ND, own.merit_N)
    for way, count in pairs:
        if count > half:
            continue
        rng = np.random.default_rng([seed, count])
        chosen = in_two(own, pool, count, seed) if way == BOTH else WAYS[way](pool, count, rng)
        said_N = learnt(own.take(chosen), aside, seed)
        yield {
            "way": way,
            "labels": count,
            "networks": len(said_N),
            "spearman": ranked(said_N, aside.label_N),
            "better": 100 * float((own.label_N > own.label_N[chosen].max()).mean()),
        }


def in_two(own: Networks, pool: Pool, count: int, seed: int) -> Places:
    """Half of the labels to explore; what was learnt of them leads the others."""
    rng: Rng = np.random.default_rng(seed)
    first = by_herding(pool, count // 2, rng)
    after = Pool.of(own.whole_ND, learnt(own.take(first), own, seed))
    second = by_bound(after, count - len(first), rng, first.tolist())
    return np.concatenate([first, second])


def learnt(seen: Networks, asked: Networks, seed: int) -> Values:
    """What `Predictor.fit` on some networks makes of others, in deviations of the labels.

    What takes longest, all but the numbers, is computed once for all.
    """
    seen_NR, asked_NR = (
        torch.cat([some.read_NE, numbers(some.whole_ND, seen.whole_ND)], dim=1)
        for some in (seen, asked)
    )
    patterns = seen.read_NE.shape[1] - 1
    head = FewLabelsHead(seen_NR.shape[1], patterns=patterns).eval()
    head.solve(seen_NR, torch.from_numpy(standard(seen.label_N)), seed)
    with torch.no_grad():
        said_N: Values = head(asked_NR).double().numpy()
    return said_N


def ranked(said_N: Values, label_N: Values) -> float:
    """Spearman; 0 of what ranks nothing."""
    try:
        return spearman(said_N, label_N)
    except ConstantPredictionError:
        return 0.0


def summarised(rows: pd.DataFrame) -> pd.DataFrame:
    """Means and deviations over seeds, of all benchmarks together and of each."""
    keys = ["model", "benchmark", "seed", "labels"]
    base = rows[rows["way"] == RANDOM].set_index(keys)["spearman"].rename("base")
    rows = rows.join(base, on=keys)
    rows["gain"] = rows["spearman"] - rows["base"]
    # Only numbers of labels that every benchmark has networks for make a mean of all.
    every = rows.groupby("labels")["benchmark"].transform("nunique") == rows["benchmark"].nunique()
    each = ["model", "labels", "way", "seed"]
    joined = rows[every].groupby(each)[[*FIGURES]].mean().reset_index().assign(benchmark=ALL)
    found = means(pd.concat([joined, rows]), ["model", "benchmark", "labels", "way"], FIGURES)
    names = {name: place for place, name in enumerate((ALL, *FAMILIES, *EVERY))}
    return found.sort_values(
        ["benchmark", "labels", "way"],
        key=lambda column: column if column.name == "labels" else column.map(names),
        kind="stable",
        ignore_index=True,
    )


if __name__ == "__main__":
    main()
