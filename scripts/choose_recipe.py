"""Which recipe each family's figures would choose for another.

    python scripts/choose_recipe.py generalist         # a quarter of an hour on two cores
    python scripts/choose_recipe.py common             # ten minutes
    python scripts/choose_recipe.py common --seeds 1 --most 500

`generalist`: every variant of the recipe learns on NAS-Bench-101 and scores the families of
`gennape transfer --lofo` without a label. `common`: the generalist that ships is joined by what all
families but the target and its kin say together (`gennape/models/common.py`), in every variant.

For each family the variant is chosen that is best in the mean of all others, kin left out, so that
its own labels choose nothing: what it reaches stands beside what the recipe that ships reaches.
Results go to results/recipe_choice*.csv and results/common_choice*.csv.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from rich.console import Console
from rich.table import Table

from gennape.metrics import spearman
from gennape.scoring import represented, scores
from gennape.transfer.targets import TARGETS, Target, load
from gennape.universal.sources import GENERALIST, SPECIALISTS, families
from gennape.universal.training import (
    Recipe,
    generalist,
    head_of,
    lessons,
    trained_on,
    universal,
)
from onnx_bench.errors import GennapeError
from onnx_bench.files import atomic_file
from onnx_bench.terminal import progress

SHIPPED = "as it ships"
VARIANTS: dict[str, dict[str, Any]] = {
    SHIPPED: {},
    "prior of total sizes": {"size": "total"},
    "no prior": {"prior": 0.0},
    "prior 0.5": {"prior": 0.5},
    "prior 1.0": {"prior": 1.0},
    "1,000 networks each": {"rows": 1000, "forest_rows": 1000},
    "8,000 networks each": {"rows": 8000, "forest_rows": 8000},
    "nothing hidden": {"hidden": 0.0},
    "0.4 hidden": {"hidden": 0.4},
    "5 epochs": {"epochs": 5},
    "leaves of 40": {"leaf": 40},
}
COMMON: dict[str, dict[str, Any]] = {
    SHIPPED: {},
    "generalist alone": {"trust": 1e9},
    **{
        f"trust {trust}, ridge {ridge}": {"trust": trust, "ridge": ridge}
        for trust, ridge in ((1, 4), (2, 2), (2, 10), (4, 1), (4, 10), (8, 2), (8, 8), (16, 4))
    },
}
CHOOSING = tuple(t for t in TARGETS if t.left_out != GENERALIST.benchmark and t.label is None)
"""Targets: of NAS-Bench-201 those subsets that have a label of their own."""
Figures = dict[Target, tuple[int, float]]
"""How many networks of each target there are, and Spearman on them."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=("generalist", "common"))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--most", type=int, default=1000, help="networks of a family")
    parser.add_argument("--out", type=Path, help="CSV (default: in results/)")
    args = parser.parse_args()
    if args.seeds < 1 or args.most < 2:
        parser.error("--seeds is 1 or more, --most 2 or more")
    torch.set_num_threads(1)
    name = "recipe" if args.part == "generalist" else "common"
    out = args.out or Path("results") / f"{name}_choice.csv"
    measured = generalists if args.part == "generalist" else commons
    rows = measure(measured, args.seeds, args.most, out.with_name(f"{out.stem}_rows.csv"))
    found = chosen(rows)
    write(out, found)
    show(rows, found)


def measure(
    measured: Callable[[int, int, set[str]], Iterator[tuple[str, Figures]]],
    seeds: int,
    most: int,
    out: Path,
) -> pd.DataFrame:
    """A row for each variant, seed and target; those that the file holds are not measured again."""
    keys = ["variant", "seed"]
    rows = pd.read_csv(out) if out.exists() else pd.DataFrame(columns=[*keys, "target", "spearman"])
    with progress() as display:
        task = display.add_task("seeds", total=seeds)
        for seed in range(seeds):
            done = set(rows.loc[rows["seed"] == seed, "variant"])
            for variant, figures in measured(seed, most, done):
                display.update(task, description=variant)
                found = [
                    {
                        "variant": variant,
                        "seed": seed,
                        "target": target.key,
                        "networks": count,
                        "spearman": value,
                    }
                    for target, (count, value) in figures.items()
                ]
                rows = pd.concat([rows, pd.DataFrame(found)], ignore_index=True)
                write(out, rows)
            display.advance(task)
    return rows


def generalists(seed: int, most: int, done: set[str]) -> Iterator[tuple[str, Figures]]:
    """What the variants of the generalist reach that are not done."""
    if done >= set(VARIANTS):
        return
    family = families(GENERALIST)[0]
    networks = {target: load(target, most=most) for target in CHOOSING}
    for variant in [variant for variant in VARIANTS if variant not in done]:
        recipe = replace(Recipe(), **VARIANTS[variant])
        model = generalist(family, *trained_on([family], seed), recipe, seed)
        yield (
            variant,
            {
                target: (len(own), spearman(scores(model, own.graphs), own.label_N))
                for target, own in networks.items()
            },
        )


def commons(seed: int, most: int, done: set[str]) -> Iterator[tuple[str, Figures]]:
    """What the variants reach of what all families say together, those that are not done."""
    if done >= set(COMMON):
        return
    first = families(GENERALIST)[0]
    start = generalist(first, *trained_on([first], seed), Recipe(), seed)
    others = [family for source in SPECIALISTS for family in families(source)]
    rows = trained_on(others, seed)
    model = universal(start, others, rows, Recipe(), seed)
    head, taught = head_of(model), lessons(model, others, rows, Recipe(), seed)
    networks = {target: load(target, most=most) for target in CHOOSING}
    read = {target: represented(model, own.graphs) for target, own in networks.items()}
    for variant in [variant for variant in COMMON if variant not in done]:
        recipe = replace(Recipe(), **COMMON[variant])
        head.common.trust, head.common.ridge = recipe.trust, recipe.ridge
        figures = {}
        for target, own in networks.items():
            head.leave_out([target.left_out, *target.kin], taught)
            score_N = head(read[target]).double().numpy()
            figures[target] = len(own), spearman(score_N, own.label_N)
        yield variant, figures


def chosen(rows: pd.DataFrame) -> pd.DataFrame:
    """For each target the variant that is best in the mean of the others, and what it reaches."""
    means = rows.groupby(["target", "variant"])["spearman"].mean().unstack()
    found = []
    for target in CHOOSING:
        others = [t.key for t in CHOOSING if not kin(t, target)]
        best = str(means.loc[others].mean().idxmax())
        found.append(
            {
                "target": target.key,
                "chosen": best,
                "spearman": means.loc[target.key, best],
                SHIPPED: means.loc[target.key, SHIPPED],
                "best of all": means.loc[target.key].max(),
            }
        )
    return pd.DataFrame(found)


def kin(one: Target, other: Target) -> bool:
    """Whether two targets are of one family or of kin, so that one may not choose for the other."""
    return (one.benchmark == other.benchmark and one.left_out == other.left_out) or (
        one.left_out in other.kin or other.left_out in one.kin
    )


def write(path: Path, rows: pd.DataFrame) -> None:
    """Writes a table, whole or not at all."""
    with atomic_file(path) as temporary:
        rows.to_csv(temporary, index=False, float_format="%.4f")


def show(rows: pd.DataFrame, found: pd.DataFrame) -> None:
    """Prints means over families of all variants, and what choosing brings."""
    means = rows.groupby("variant", sort=False)["spearman"].mean()
    table = Table("recipe", "mean of families", title="NAS-Bench-101 to the others, zero-shot")
    for variant, mean in means.items():
        table.add_row(str(variant), f"{mean:.3f}")
    Console().print(table)
    names = ", ".join(f"{k} {v}" for k, v in found["chosen"].value_counts().items())
    print(f"chosen by the other families: {names}")
    print(f"mean so chosen {found['spearman'].mean():.3f}, as it ships {found[SHIPPED].mean():.3f}")
    print(f"defaults: {asdict(Recipe())}")


if __name__ == "__main__":
    try:
        main()
    except GennapeError as error:
        sys.exit(f"error: {error}")
