"""Trains `gennape-universal` on public tables and writes it into the package, with its card.

    python scripts/ship_universal.py
    python scripts/ship_universal.py --seed 1 --out runs/universal   # elsewhere, without a card

It needs the tables of its sources (GENNAPE_DATA) and takes a minute or two once their graphs are
built. The card's figures are those of `gennape transfer --lofo --out results/transfer.csv`.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import torch

from gennape.checkpoint import PRETRAINED, Checkpoint
from gennape.universal.build import build
from gennape.universal.sources import GENERALIST, SPECIALISTS
from onnx_bench.benchmarks import benchmark
from onnx_bench.errors import GennapeError
from onnx_bench.files import atomic_file

NAME = "gennape-universal"
MOST = 5e6
"""Bytes that a shipped checkpoint may have."""
CARD = """# {name}

One predictor for networks of any family, and the default of `gennape predict`. It reads the
computation graph alone: no weights, no data, no forward pass.

- **Model**: a generalist (a prior of even sizes, and a forest and {perceptrons} perceptrons that
  learn what it leaves of the ranks of NAS-Bench-101, on {numbers} numbers of the whole graph) and,
  beside it, {count} other families: what they say together is one linear map of the numbers that
  strangers hear (`gennape/models/common.py`); what each says alone is a specialist's, heard of
  networks that lie among those of its family (`gennape/models/specialists.py`).
- **Scores** order networks; they are no accuracies. One is a deviation of rank: 0 is a network in
  the middle of NAS-Bench-101, and inside another family scores spread around its own place by
  about 1. A score of a family that it knows has an interval, which holds the rank of nine networks
  of ten; one of a strange network has none that could be relied on.
- **Learnt from** tables whose licences allow it:

{sources}

- **Held-out networks** of these families (15 %, this checkpoint), Spearman: {held_out}.
- **Families left out**: Spearman of networks of families that it has not seen, each scored by a
  model that never heard of it, mean and deviation over {seeds} seeds (`results/transfer.csv`; after
  50 labels without its kin, too):

{table}

- **Limits**: it knows architectures, not recipes: networks that were trained in different ways
  cannot be compared. Where a family varies in something that no source family varied in, size is
  all that it has to go by. Sequence models were few, and recurrent cells hardly transfer.
- **Use**: `gennape predict *.onnx`; with labels of your own `gennape finetune {name} mine.csv`.
- **Licence**: Apache-2.0, as the package.
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=PRETRAINED / NAME, help="folder")
    parser.add_argument("--results", type=Path, default=Path("results"), help="of the tables")
    args = parser.parse_args()

    torch.set_num_threads(1)
    if not all(source.ships for source in (GENERALIST, *SPECIALISTS)):
        raise GennapeError("a table without a licence trains no checkpoint that ships")
    checkpoint = build(seed=args.seed, report=print)
    checkpoint.save(args.out)
    size = sum(path.stat().st_size for path in args.out.iterdir())
    if size > MOST:
        raise GennapeError(f"{args.out}: {size / 1e6:.2f} MB, and {MOST / 1e6:g} are allowed")
    if args.out == PRETRAINED / NAME:
        rows = pd.read_csv(args.results / "transfer.csv").fillna({"left_out": ""})
        with atomic_file(args.out / "README.md") as temporary:
            temporary.write_text(card(checkpoint, rows))
    print(f"{args.out}: {size / 1e6:.2f} MB, {checkpoint.metrics}")


def card(checkpoint: Checkpoint, rows: pd.DataFrame) -> str:
    """The card, every figure of it read from the results or the checkpoint."""
    generalist = checkpoint.model.config.encoder_args["model"]["members"]
    heads = [member["model"]["head"] for member in generalist]
    metrics = checkpoint.metrics.items()
    return CARD.format(
        name=NAME,
        perceptrons=heads.count("mlp"),
        numbers=generalist[0]["model"]["whole"]["numbers"],
        count=len(checkpoint.families) - 1,
        sources="\n".join(sources()),
        held_out=", ".join(f"{k.removeprefix('spearman_')} {v:.2f}" for k, v in metrics),
        seeds=rows["seed"].nunique(),
        table="\n".join(transfer(rows)),
    )


def sources() -> Iterator[str]:
    """A line for each table."""
    yield "  | table | source | licence |\n  |---|---|---|"
    for source in (GENERALIST, *SPECIALISTS):
        found = benchmark(source.benchmark)
        yield f"  | {source.benchmark} | {found.source} | {found.licence} |"


def transfer(rows: pd.DataFrame) -> Iterator[str]:
    """A line for each target."""
    yield "  | family | networks | zero-shot | better of MACs and parameters | 50 labels |"
    yield "  |---|---|---|---|---|"
    single = rows[rows["mode"] == "single"]
    for (target, subset, label), own in single.groupby(["target", "subset", "label"], sort=False):
        zero, some = own[own["shots"] == 0], own[own["shots"] == 50]
        ours = zero[(zero["estimator"] == "universal") & (zero["left_out"] == "family")]
        plain = zero[zero["estimator"].isin(["macs", "parameters"])]
        best = plain.groupby("estimator")["spearman"].mean().max()
        cells = (_mean(ours), f"{best:.3f}", _mean(some) if len(some) else "")
        count = int(ours["networks"].iloc[0])
        yield f"  | {target} {subset}, {label} | {count:,} | " + " | ".join(cells) + " |"


def _mean(rows: pd.DataFrame) -> str:
    values = rows["spearman"]
    return f"{values.mean():.3f} ± {values.std(ddof=1):.3f}"


if __name__ == "__main__":
    try:
        main()
    except GennapeError as error:
        sys.exit(f"error: {error}")
