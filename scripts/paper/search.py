"""Table 7: regularised evolution in a benchmark's space with a predictor as the fitness.

Of all networks that were predicted, the ten with the highest predictions are looked up. In
NAS-Bench-101 the search may visit networks without labels, as only 151,644 of its 423,624 cells
have some here: these count as predictions, and are passed over where the ten are chosen. There the
predictor has learnt from cells of the same space; in NAS-Bench-201 it is zero-shot. The latter is
searched as a whole, and, as in the paper, without the cells that have a `none` edge. The paper
trains what it finds, outside the benchmarks and by its own recipe: its accuracies are not
comparable.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from gennape.inference import Predictor
from gennape.targets import FLOPS_PER_MAC
from gennape.training.recipe import RESULT
from onnx_bench.benchmarks import benchmark
from onnx_bench.cost import cost
from onnx_bench.errors import GennapeError
from onnx_bench.families import build_spec, family, family_of

from .display import Cell, mean, number, show, text
from .evolution import Found, Member, anything, evolve
from .figures import dots, draw
from .published import NAMES, TABLE7
from .rows import Row, Rows, means, write_csv
from .sources import folder, runs, train
from .study import Study
from .units import Unit, finished

TOP = 10
FITNESS = ("cl_fcm_t", RESULT)
VALUES = ("best", "first", "random", "best_macs", "first_macs", "predictions", "labelled")
NOTE = "paper: networks outside the tables, trained by its own recipe; not comparable"


def same(text: str) -> str:
    """A key for texts that are one network only if they are equal."""
    return text


def without_none(text: str) -> bool:
    """Whether every edge of a NAS-Bench-201 cell carries something."""
    return "none" not in text


def module_hash(text: str) -> str:
    """The key of a NAS-Bench-101 cell: isomorphic cells have the same."""
    found: str = family("nasbench101").parse(text.partition(":")[2]).module_hash()
    return found


@dataclass(frozen=True)
class Space:
    """A benchmark whose networks are searched, and the label that is looked up.

    Args:
        key: the same for texts of the same network.
        subset: of the benchmark, all of one family.
        member: whether a text is in that subset; the search stays among those.
    """

    benchmark: str
    label: str
    key: Callable[[str], str] = same
    subset: str = "all"
    member: Member = anything

    @property
    def name(self) -> str:
        """The benchmark, and what is searched of it."""
        return self.benchmark if self.subset == "all" else f"{self.benchmark} {self.subset}"

    def lookup(self) -> dict[str, Found]:
        """Every labelled network by its key, with its label."""
        declared = benchmark(self.benchmark)
        frame = declared.frame()
        frame = frame[declared.subsets[self.subset](frame)]
        values = declared.values(frame, declared.label(self.label))
        texts = declared.networks(frame)
        # Hashing 151,644 cells takes a minute, and the table has their hashes.
        keys = frame["module_hash"] if self.key is module_hash else texts.map(self.key)
        known = values.notna()
        found = zip(keys[known], texts[known], values[known], strict=True)
        return {key: Found(text, float(value)) for key, text, value in found}


SPACES = (
    Space("nasbench101", "cifar10-test-108", module_hash),
    Space("nasbench201", "cifar10-test-200"),
    Space("nasbench201", "cifar10-test-200", subset="no-none", member=without_none),
)


def make(study: Study, spaces: Sequence[Space] = SPACES) -> None:
    """Searches what has not been searched; writes, prints and draws the table."""
    rows = Rows(study.csv("table7_rows"), ("space", "fitness", "seed"))
    todo = [
        (seed, space)
        for space in spaces
        for seed in study.seeds
        if not rows.has(space=space.name, seed=seed)
    ]
    if todo:
        train(study, dict.fromkeys(seed for seed, _ in todo))
    units = [
        Unit(f"{space.name} seed {seed}", search, (study, seed, space)) for seed, space in todo
    ]
    for new in finished(units, study.processes, "Table 7", study.failures):
        rows.add(new)
    found = rows.frame[rows.frame["seed"].isin(list(study.seeds))]
    if not found.empty:
        _report(study, found)


def search(study: Study, seed: int, space: Space) -> list[Row]:
    """A row for each fitness."""
    known = space.lookup()
    best = max(known.values(), key=lambda network: network.score)
    rng = np.random.default_rng(seed)
    texts = list(known)
    drawn = [
        known[texts[i]].score for i in rng.choice(len(texts), min(TOP, len(texts)), replace=False)
    ]
    member = runs(study, seed)[FITNESS[0]].result
    models = {
        FITNESS[0]: Predictor.from_pretrained(member),
        RESULT: Predictor.from_pretrained(folder(study, seed) / RESULT),
    }
    common = {
        "space": space.name,
        "label": space.label,
        "seed": seed,
        "random": max(drawn),
        "table_best": best.score,
        "table_best_macs": _macs(best.text),
    }
    return [
        {**common, "fitness": name, **_searched(study, seed, space, model, known)}
        for name, model in models.items()
    ]


def _searched(
    study: Study, seed: int, space: Space, model: Predictor, known: dict[str, Found]
) -> Row:
    """What one search finds: the first of its predictions, and the best of the first ten."""
    start = next(iter(known.values())).text
    how = study.profile.search
    seen = evolve(
        family(family_of(start)),
        model.predict,
        how.predictions,
        how.population,
        how.sample,
        np.random.default_rng(seed),
        space.key,
        space.member,
    )
    ranked = sorted(seen, key=lambda key: seen[key].score, reverse=True)
    top = [known[key] for key in ranked if key in known][:TOP]
    if not top:
        raise GennapeError(f"none of {len(seen)} predicted networks has a label; predict more")
    best = max(top, key=lambda network: network.score)
    return {
        "predictions": len(seen),
        "labelled": sum(key in known for key in seen),
        "best": best.score,
        "first": top[0].score,
        "best_macs": _macs(best.text),
        "first_macs": _macs(top[0].text),
    }


def _macs(text: str) -> int:
    return cost(build_spec(text)).macs


def _report(study: Study, rows: pd.DataFrame) -> None:
    by = ["space", "label", "fitness", "table_best", "table_best_macs"]
    table = means(rows, by, VALUES)
    paper = pd.DataFrame(TABLE7).T.add_prefix("paper_")
    table = table.merge(paper, "left", left_on="space", right_index=True)
    write_csv(study.csv("table7"), table)
    _show(table)
    names = table["space"] + "\n" + table["fitness"].map(NAMES)
    words = {
        "best": f"best of the first {TOP} predicted",
        "first": "first predicted",
        "random": f"best of {TOP} at random",
        "table_best": "the table's best",
    }
    parts = [dots(table, value, "accuracy, %", names, word) for value, word in words.items()]
    draw(study.figure("table7"), pd.concat(parts))


def _show(table: pd.DataFrame) -> None:
    columns: dict[str, Cell] = {
        "space": text("space"),
        "fitness": text("name"),
        f"best of {TOP}": mean("best", 2),
        "GFLOPs": partial(_gflops, name="best_macs"),
        "first": mean("first", 2),
        f"random {TOP}": mean("random", 2),
        "table's best": number("table_best", 2),
        "GFLOPs ": partial(_gflops, name="table_best_macs"),
        "paper": number("paper_found", 2),
        "paper's best": number("paper_best", 2),
    }
    shown = table.assign(name=table["fitness"].map(NAMES))
    show("Table 7: searching with a predictor", shown, columns, NOTE)


def _gflops(row: Row, name: str) -> str:
    return f"{row[name] * FLOPS_PER_MAC / 1e9:.2f}"
