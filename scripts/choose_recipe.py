"""Which recipe of the generalist each family's figures would choose for another.

    python scripts/choose_recipe.py                    # a quarter of an hour on two cores
    python scripts/choose_recipe.py --seeds 1 --most 500

Every variant of the recipe learns on NAS-Bench-101 and scores the families of
`gennape transfer --lofo` without a label. For each family the variant is chosen that is best in the
mean of all others, kin left out, so that its own labels choose nothing: what it reaches stands
beside what the recipe that ships reaches. Results go to results/recipe_choice*.csv.
"""

import argparse
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
import torch
from rich.console import Console
from rich.table import Table

from gennape.metrics import spearman
from gennape.transfer.targets import TARGETS, Target, load
from gennape.tuning import scores
from gennape.universal.sources import GENERALIST, families
from gennape.universal.training import Recipe, Split, generalist
from onnx_bench.errors import GennapeError
from onnx_bench.files import atomic_file
from onnx_bench.terminal import progress

SHIPPED = "as it ships"
VARIANTS = {
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
CHOOSING = tuple(t for t in TARGETS if t.left_out != GENERALIST.benchmark and t.label is None)
"""Targets: of NAS-Bench-201 those subsets that have a label of their own."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--most", type=int, default=1000, help="networks of a family")
    parser.add_argument("--out", type=Path, default=Path("results/recipe_choice.csv"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = measure(args.seeds, args.most, args.out.with_name(f"{args.out.stem}_rows.csv"))
    found = chosen(rows)
    write(args.out, found)
    show(rows, found)


def measure(seeds: int, most: int, out: Path) -> pd.DataFrame:
    """A row for each variant, seed and target; those that the file holds are not measured again."""
    keys = ["variant", "seed"]
    rows = pd.read_csv(out) if out.exists() else pd.DataFrame(columns=[*keys, "target", "spearman"])
    there = set(zip(*(rows[key] for key in keys), strict=True))
    todo = [(v, s) for s in range(seeds) for v in VARIANTS if (v, s) not in there]
    if not todo:
        return rows
    family = families(GENERALIST)[0]
    networks = {target: load(target, most=most) for target in CHOOSING}
    with progress() as display:
        task = display.add_task("recipes", total=len(todo))
        for variant, seed in todo:
            recipe = replace(Recipe(), **VARIANTS[variant])
            model = generalist(family, Split.of(len(family), seed).train, recipe, seed)
            found = [
                {
                    "variant": variant,
                    "seed": seed,
                    "target": target.key,
                    "networks": len(own),
                    "spearman": spearman(scores(model, own.graphs), own.label_N),
                }
                for target, own in networks.items()
            ]
            rows = pd.concat([rows, pd.DataFrame(found)], ignore_index=True)
            write(out, rows)
            display.advance(task)
    return rows


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
