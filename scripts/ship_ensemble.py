"""Makes the shipped checkpoint `gennape-nb101` from the source ensembles of the paper's tables.

    python scripts/paper_tables.py
    python scripts/interval_coverage.py --model runs/paper/full/seed0/ensemble
    python scripts/ship_ensemble.py runs/paper/full

Takes the seed whose ensemble has the best validation Spearman inside NAS-Bench-101. How much counts
beyond the prior for strange networks (`trust`) is chosen on the labels of other families, those
whose licence lets them, and not NAS-Bench-201. Writes the checkpoint and its card, every figure of
which is read from the results.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd

from gennape.checkpoint import PRETRAINED, Checkpoint, load
from gennape.models.ensemble import Ensemble
from onnx_bench.files import atomic_file

sys.path.insert(0, str(Path(__file__).parent))
from paper.rows import read_csv
from paper.transfer import BESIDE
from paper.trust import TRUSTED, chosen, with_chosen

NAME = "gennape-nb101"
CHOOSING = ("nasbench-macro", "transnas-micro", "transnas-macro", "metaqnn", "ofa-mbv3")
"""Families whose labels choose the trust: their tables are under licences that allow it."""
CARD = """# {name}

The ensemble of GENNAPE (Mills et al., AAAI 2023), built and trained by us from scratch: CL+FCM+T,
CL+T, CL+Pairwise+FCM, CL+Pairwise, k-GNN and the FLOPs predictor, all of equal weight.

- **Data**: {source} (Ying et al., 2019; the table of trained cells is under the MIT licence), the
  label being the mean validation accuracy of three runs on CIFAR-10. No other label trained it.
- **Protocol**: 80/10/10 split; contrastive pretraining on the spectra of the graphs, then
  `configs/gennape/ensemble.yaml`: heads on embeddings that stay as they are. Unlike the paper's,
  graphs are fused, and heads read numbers of the whole graph beside the embedding and learn what a
  prior from size and depth leaves of the labels (`gennape/models/whole.py`).
  Epochs and the seed (of {seeds}) are chosen by validation Spearman inside NAS-Bench-101.
- **Strange networks**, unlike all that were trained on, are scored by the prior and {trust:.0%} of
  what was learnt on top; the share is chosen on the labels of {others}.
- **Validation** (NAS-Bench-101, networks of 80 per cent or more): Spearman {val_spearman:.3f},
  Kendall {val_kendall:.3f}, mean absolute error {val_mae:.2f} points; partition coefficient of the
  fuzzy clusters {partition}.
- **Transfer**, mean and deviation of the ensembles of {seeds} seeds (`results/paper_transfer.csv`;
  zero-shot with the share chosen on the other targets):

{table}

- **Intervals** inside the family hold {inside}; after 50 labels of another family see
  `results/interval_coverage.csv`.
- **Use**: a start for fine-tuning on a family of your own (`gennape finetune {name} labels.csv -o
  mine`), and a baseline to beat.
- **Limits**: zero-shot only the order of another family means anything, and not of every family
  (see the table); scores are percent of CIFAR-10 within NAS-Bench-101 alone. Convolutional networks
  were seen, and no others.
- **Licence**: Apache-2.0, as the package.
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", type=Path, help="folder with seed0/ensemble and so on")
    parser.add_argument("--results", type=Path, default=Path("results"), help="of the tables")
    args = parser.parse_args()

    seeds = [load(folder) for folder in sorted(args.models.glob("seed*/ensemble"))]
    best = max(seeds, key=lambda checkpoint: checkpoint.metrics["val_spearman"])
    rows = read_csv(args.results / "paper_transfer.csv")
    others = rows[rows["model"].str.startswith(f"{TRUSTED} ") & rows["target"].isin(CHOOSING)]
    shipped = replace(best, trust=chosen(others))
    folder = PRETRAINED / NAME
    shipped.save(folder)
    with atomic_file(folder / "README.md") as temporary:
        temporary.write_text(card(shipped, rows, others, args.results, len(seeds)))
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{folder.relative_to(PRETRAINED.parents[1])}: {size / 1e6:.2f} MB, {shipped.metrics}")


def card(
    shipped: Checkpoint, rows: pd.DataFrame, others: pd.DataFrame, results: Path, seeds: int
) -> str:
    """The card, every figure of it read from the results or the checkpoint."""
    assert isinstance(shipped.model, Ensemble)
    partitions = [v for k, v in shipped.metrics.items() if k.endswith("_partition")]
    return CARD.format(
        name=NAME,
        source=shipped.source,
        seeds=seeds,
        trust=shipped.trust,
        others=", ".join(dict.fromkeys(others["target"])),
        partition=" and ".join(f"{value:.2f}" for value in partitions),
        table="\n".join(transfer(rows)),
        inside=inside(results),
        **{name: shipped.metrics[f"val_{name.removeprefix('val_')}"] for name in VALIDATION},
    )


VALIDATION = ("val_spearman", "val_kendall", "val_mae")


def transfer(rows: pd.DataFrame) -> Iterator[str]:
    """A line for each target: Spearman zero-shot, of size alone, and with 50 labels beside it."""
    named = with_chosen(rows)
    yield "| target | networks | zero-shot | log10 MACs | 50 labels |"
    yield "|---|---|---|---|---|"
    for (target, subset), mine in named.groupby(["target", "subset"], sort=False):
        zero = mine[mine["shots"] == 0]
        cells = (
            _mean(zero[zero["model"] == TRUSTED]),
            _mean(zero[zero["model"] == "macs"]),
            _mean(mine[(mine["model"] == BESIDE) & (mine["shots"] == 50)]),
        )
        count = int(zero["networks"].iloc[0])
        yield f"| {target} {subset} | {count:,} | " + " | ".join(cells) + " |"


def _mean(rows: pd.DataFrame) -> str:
    values = rows["spearman"]
    spread = values.std(ddof=1)
    return f"{values.mean():.3f}" + (f" ± {spread:.3f}" if spread > 0.0005 else "")


def inside(results: Path) -> str:
    """Coverage of the 90 % interval on networks of the training family."""
    rows = read_csv(results / "interval_coverage.csv")
    row = rows[rows["benchmark"] == "inside"].iloc[0]
    return f"{row['covered']:.1%} of the labels of test networks, where 90 % are promised"


if __name__ == "__main__":
    main()
