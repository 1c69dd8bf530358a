"""Makes the shipped checkpoint `kgnn-nb101` from the source models of a finished transfer.

    gennape transfer ... --work runs/transfer --out results/transfer_kgnn.csv
    python scripts/ship_checkpoint.py runs/transfer/KEY

Takes the seed with the best validation Spearman inside NAS-Bench-101 (no target label is looked
at), and writes the checkpoint and its card, with the figures read from the results.
"""

import argparse
from pathlib import Path

import pandas as pd

from gennape.checkpoint import PRETRAINED, load
from onnx_bench.files import atomic_file

NAME = "kgnn-nb101"
CARD = """# {name}

The k-GNN baseline of the GENNAPE paper (Mills et al., AAAI 2023), trained by us from scratch.

- **Data**: NAS-Bench-101 (Ying et al., 2019; the table of trained cells is under the MIT licence),
  the `full` rows, mean validation accuracy of three 108-epoch runs on CIFAR-10. Nothing else.
- **Protocol**: 80/10/10 split, {epochs} epochs at most, Adam 1e-4, batches of 32, mean squared
  error; the epoch and the seed (of {seeds}) chosen by validation Spearman inside NAS-Bench-101.
- **Validation** (NAS-Bench-101): Spearman {val_spearman:.3f}, Kendall {val_kendall:.3f}, mean
  absolute error {val_mae:.2f} points.
- **Transfer** (mean and deviation over the {seeds} seeds, from `{results}`):

{table}

- **Use**: a start for fine-tuning on a convolutional family of your own, and a baseline to beat.
- **Limits**: without fine-tuning its order on other families is weak and varies from seed to seed;
  scores mean percent of CIFAR-10 within NAS-Bench-101 only.
- **Licence**: Apache-2.0, as the package.
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", type=Path, help="folder with seed0/predictor and so on")
    parser.add_argument("--results", type=Path, default=Path("results/transfer_kgnn_summary.csv"))
    args = parser.parse_args()

    seeds = [load(folder) for folder in sorted(args.models.glob("seed*/predictor"))]
    best = max(seeds, key=lambda checkpoint: checkpoint.metrics["val_spearman"])
    folder = PRETRAINED / NAME
    best.save(folder)
    with atomic_file(folder / "README.md") as temporary:
        temporary.write_text(card(args.results, best.metrics, len(seeds)))
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{folder.relative_to(PRETRAINED.parents[1])}: {size / 1e3:.0f} kB, {best.metrics}")


def card(results: Path, metrics: dict[str, float], seeds: int) -> str:
    """The card, every figure of it read from the results or the checkpoint."""
    lines = ["| NAS-Bench-201 rows | labels | Spearman | Kendall |", "|---|---|---|---|"]
    for row in pd.read_csv(results).to_dict("records"):
        spearman = f"{row['spearman']:.3f} ± {row['spearman_std']:.3f}"
        kendall = f"{row['kendall']:.3f} ± {row['kendall_std']:.3f}"
        lines.append(
            f"| {row['subset']}, {row['networks']:,} | {row['shots']} | {spearman} | {kendall} |"
        )
    return CARD.format(
        name=NAME, results=results, seeds=seeds, epochs=40, table="\n".join(lines), **metrics
    )


if __name__ == "__main__":
    main()
