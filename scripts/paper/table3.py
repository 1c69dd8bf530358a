"""Table 3: how well each part of GENNAPE predicts inside NAS-Bench-101, and what each part adds.

The paper's labels are test accuracies, ours `cifar10-val-108`, the mean of three runs; its networks
are those of 80 per cent and more. Pretraining sees all networks of the source, without labels.
`spearman_all` is measured on the test rows and as large a share of the networks below the floor, so
that failed networks are as frequent as in the benchmark; no model has learnt from such.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from gennape.batch import EncodedGraphs
from gennape.inference import Predictor
from gennape.metrics import METRICS
from gennape.training.data import LabelData
from gennape.training.recipe import RESULT
from onnx_bench.benchmarks import LabelTable, read
from onnx_bench.collections.cache import graphs_of

from .display import mean, number, show, text
from .figures import dots, draw
from .published import NAMES, TABLE3
from .rows import Row, Rows, means, write_csv
from .sources import EXTRAS, Values, measured, predictions, predictors, runs, train
from .study import Study
from .units import Unit, finished

VALUES = (*METRICS, "spearman_all", "partition")
GAINS = (("cl", "cl_fcm"), ("cl", "cl_t"), ("cl_t", "cl_fcm_t"))
NOTE = "ours: {label}, the mean of its runs, {floor} or more; paper: test accuracy"


def make(study: Study) -> None:
    """Trains and measures what is missing; writes, prints and draws the table."""
    rows = Rows(study.csv("table3_rows"), ("model", "seed"))
    todo = [seed for seed in study.seeds if not rows.has(seed=seed)]
    if todo:
        train(study, todo, EXTRAS)
    units = [Unit(f"seed {seed}", measure, (study, seed)) for seed in todo]
    for new in finished(units, study.processes, "Table 3", study.failures):
        rows.add(new)
    found = rows.frame[rows.frame["seed"].isin(list(study.seeds))]
    if not found.empty:
        _report(study, found)


def measure(study: Study, seed: int) -> list[Row]:
    """A row for each model of a seed."""
    models = predictors(study, seed, EXTRAS)
    data = next(run for run in runs(study, seed).values() if not run.pretrain).data()
    data.setup("test")
    rows, failed = data.split.test, _failed(data)
    true = data.values.double().numpy()[rows]
    inside = predictions(models, data.graphs, rows)
    below = _of_failures(models, data, failed)
    all_true = np.concatenate([true, failed.values])
    common: Row = {"seed": seed, "networks": len(rows), "networks_all": len(all_true)}
    common |= {"label": data.labels.label if data.labels else "", "floor": data.floor}
    partitions = _partitions(models)
    found = []
    for name, said in inside.items():
        whole = measured(np.concatenate([said, below.get(name, [])]), all_true)
        own = {"model": name, "spearman_all": whole["spearman"], "partition": partitions.get(name)}
        found.append(common | own | measured(said, true))
    return found


def _failed(data: LabelData) -> LabelTable:
    """Networks below the floor, as large a share of them as the test rows are of the others."""
    table = read(data.benchmark, data.data_root, data.label, data.subset)
    low = np.flatnonzero(table.values < (data.floor if data.floor is not None else -np.inf))
    count = round(len(low) * len(data.split.test) / (len(table) - len(low)))
    drawn = np.random.default_rng(data.seed).permutation(low)[:count]
    return table.take(np.sort(drawn))


def _of_failures(
    models: dict[str, Predictor], data: LabelData, failed: LabelTable
) -> dict[str, Values]:
    graphs = EncodedGraphs(graphs_of(failed.networks, data.fused, source=failed.source))
    return predictions(models, graphs, np.arange(len(graphs)))


def _partitions(models: dict[str, Predictor]) -> dict[str, float]:
    """The fuzzy partition coefficient of each model that has one."""
    found = {
        name: predictor.checkpoint.metrics["partition"]
        for name, predictor in models.items()
        if "partition" in predictor.checkpoint.metrics
    }
    figures = models[RESULT].checkpoint.metrics
    ending = "_partition"
    return found | {
        name.removesuffix(ending): value for name, value in figures.items() if name.endswith(ending)
    }


def _report(study: Study, rows: pd.DataFrame) -> None:
    table = means(rows, ["model", "networks", "networks_all"], VALUES)
    paper = pd.DataFrame(TABLE3, index=["paper_mae", "paper_spearman"]).T
    table = table.merge(paper, "outer", left_on="model", right_index=True)
    order = [*(name for name in TABLE3 if name not in NAMES), *NAMES]
    table = table.sort_values("model", key=lambda names: names.map(order.index), ignore_index=True)
    table["label"], table["floor"] = rows["label"].iloc[0], rows["floor"].iloc[0]
    gains = pd.DataFrame(_gains(rows))
    write_csv(study.csv("table3"), table)
    write_csv(study.csv("table3_gains"), gains)
    _show(table, gains)
    shown = table["model"].map(_shown)
    spearman = dots(table, "spearman", "Spearman, test rows", shown, paper="paper_spearman")
    mae = dots(table, "mae", "mean absolute error, %", shown, paper="paper_mae")
    draw(study.figure("table3"), pd.concat([spearman, mae]))


def _gains(rows: pd.DataFrame) -> Iterator[Row]:
    """What a part adds: the difference of two models of the same seed, over seeds."""
    for without, having in GAINS:
        row: Row = {"from": without, "to": having}
        for place, metric in enumerate(("mae", "spearman")):
            by_seed = rows.pivot(index="seed", columns="model", values=metric)
            gain = (by_seed[having] - by_seed[without]).dropna()
            row |= {"seeds": len(gain), metric: gain.mean(), f"{metric}_std": gain.std(ddof=1)}
            row[f"paper_{metric}"] = TABLE3[having][place] - TABLE3[without][place]
        yield row


def _shown(name: str) -> str:
    return NAMES.get(name, name)


def _show(table: pd.DataFrame, gains: pd.DataFrame) -> None:
    columns = {
        "model": text("model"),
        "MAE": mean("mae", 2),
        "paper": number("paper_mae", 2),
        "Spearman": mean("spearman"),
        "paper ": number("paper_spearman"),
        "failed too": mean("spearman_all"),
        "Kendall": mean("kendall"),
        "NDCG@10": mean("ndcg10"),
        "partition": number("partition", 2),
    }
    shown = table.assign(model=table["model"].map(_shown))
    note = NOTE.format(label=table["label"].iloc[0], floor=table["floor"].iloc[0])
    show("Table 3: inside the source", shown, columns, note)
    names = gains["from"].map(_shown) + " to " + gains["to"].map(_shown)
    parts = {"gain": text("name"), "MAE": mean("mae", 2), "paper": number("paper_mae", 2)}
    parts |= {"Spearman": mean("spearman"), "paper ": number("paper_spearman")}
    show("What each part adds, seed by seed", gains.assign(name=names), parts)
