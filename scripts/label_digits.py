"""Makes the embedded benchmarks: samples networks of each kind, trains each two or three times.

    python scripts/label_digits.py                 # all of `digits`; about an hour on two cores
    python scripts/label_digits.py --per-kind 5 --out /tmp/digits.parquet --work /tmp/digits
    python scripts/label_digits.py --benchmark digits-more

Every finished network is a line of `WORK/runs.jsonl`: a run that was stopped goes on where it was.
At the end the labels are written as one parquet file, and a card that says how stable they are.
"""

import argparse
import json
import multiprocessing as mp
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr

from onnx_bench.benchmarks import benchmark, digits_training
from onnx_bench.benchmarks.digits import Shipped
from onnx_bench.families import build_spec, family
from onnx_bench.files import atomic_file
from onnx_bench.terminal import progress

PER_KIND = {"digits": 255, "digits-more": 160}
CARD = """# {name}

{networks} small networks of {kinds} kinds, each really trained {seeds} times: {a} benchmark that
ships with the package. Made by `{command}`; this card is written by the same command.

- **Data**: scikit-learn's bundled digits (1,797 grey images of 8x8 pixels, from the UCI repository,
  CC BY 4.0), pixel values 0 to 1 with Gaussian noise of deviation {noise}; {train} images to train
  with under fresh noise, {test} to test with under {draws} fixed draws of noise.
- **Training**: AdamW, learning rate {lr} with a one-cycle schedule, weight decay {wd}, {epochs}
  epochs in batches of {batch}; seeds 0 to {last_seed} set the initialisation, order and noise.
- **Networks**: computation graphs of the families below, sampled uniformly and without isomorphic
  doubles, trained through `onnx_bench.torch_module.to_torch`: the graph is the network.
- **Columns**: `kind`, `spec`, `accuracy_S` (percent, after the last epoch, all draws) and `curve_S`
  (percent, after each epoch, first draw) for each seed S. The label is the mean of `accuracy_S`.
- **Licence**: Apache-2.0, as the package.

How stable the ranks are (Spearman between two seeds{pairs}):

{table}

What it is for: demonstrations, tests and quick experiments. What it is not: an estimate of how
networks of these kinds do on natural images.
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--benchmark", choices=PER_KIND, default="digits")
    parser.add_argument("--per-kind", type=int, help="networks of each kind")
    parser.add_argument("--out", type=Path, help="the parquet file; the package's own by default")
    parser.add_argument("--work", type=Path, help="finished runs; runs/BENCHMARK by default")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    if (args.per_kind is not None and args.per_kind < 1) or args.processes < 1:
        parser.error("--per-kind and --processes are 1 or more")
    made = cast(Shipped, benchmark(args.benchmark))
    out = args.out or made.home() / made.table
    work = args.work or Path("runs", made.name)
    per_kind = args.per_kind or PER_KIND[made.name]

    work.mkdir(parents=True, exist_ok=True)
    log = work / "runs.jsonl"
    networks = [(kind, spec) for kind in made.families for spec in sample(kind, per_kind)]
    done = read_log(log)
    todo = [network for network in networks if network not in done]
    np.random.default_rng(0).shuffle(todo)  # every kind grows evenly, should it be cut short
    with (
        progress() as display,
        mp.get_context("spawn").Pool(args.processes, torch.set_num_threads, (1,)) as pool,
        log.open("a") as stream,
    ):
        stream.write("\n")  # should the last line have been cut off
        bar = display.add_task("training", total=len(networks), completed=len(networks) - len(todo))
        task = partial(label, seeds=made.seeds)
        for record in pool.imap_unordered(task, [tuple(network) for network in todo]):
            stream.write(json.dumps(record) + "\n")
            stream.flush()
            display.advance(bar)
    frame = to_frame([read_log(log)[network] for network in networks])
    with atomic_file(out) as temporary:
        frame.to_parquet(temporary, compression="zstd", index=False)
    with atomic_file(out.with_suffix(".md")) as temporary:
        temporary.write_text(card(frame, made.name))
    print(stability(frame).to_string(index=False))


def sample(kind: str, number: int) -> list[str]:
    """`number` specifications of different networks, the same ones every time."""
    members, rng = family(kind), np.random.default_rng(0)
    chosen: dict[str, str] = {}
    while len(chosen) < number:
        spec = members.sample(rng)
        chosen.setdefault(members.build(spec).hash, members.format(spec))
    return list(chosen.values())


def label(network: tuple[str, str], seeds: int) -> dict[str, object]:
    """Trains one network with every seed."""
    graph = build_spec(":".join(network))
    record: dict[str, object] = {"kind": network[0], "spec": network[1]}
    for seed in range(seeds):
        run = digits_training.train(graph, seed)
        record[f"accuracy_{seed}"] = run.accuracy
        record[f"curve_{seed}"] = run.curve
    return record


def read_log(path: Path) -> dict[tuple[str, str], dict[str, object]]:
    """Finished networks; a last line that was cut off in writing does not count."""
    records = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        records[record["kind"], record["spec"]] = record
    return records


def to_frame(records: list[dict[str, object]]) -> pd.DataFrame:
    """One row a network, in single precision."""
    frame = pd.DataFrame(records)
    for seed in range(trainings(frame)):
        frame[f"accuracy_{seed}"] = frame[f"accuracy_{seed}"].astype(np.float32).round(3)
        frame[f"curve_{seed}"] = [
            np.asarray(curve, np.float32).round(2) for curve in frame[f"curve_{seed}"]
        ]
    return frame


def trainings(frame: pd.DataFrame) -> int:
    """How often each network was trained."""
    return sum(column.startswith("accuracy_") for column in frame.columns)


def stability(frame: pd.DataFrame) -> pd.DataFrame:
    """Range of the mean accuracy and Spearman between seeds, by kind."""
    rows, seeds = [], trainings(frame)
    for kind, part in frame.groupby("kind"):
        runs = part[[f"accuracy_{seed}" for seed in range(seeds)]].to_numpy()
        pairs = combinations(range(seeds), 2)
        rho = [spearmanr(runs[:, a], runs[:, b]).statistic for a, b in pairs]
        mean = runs.mean(axis=1)
        rows.append(
            {
                "kind": kind,
                "networks": len(part),
                "lowest %": f"{mean.min():.1f}",
                "median %": f"{np.median(mean):.1f}",
                "highest %": f"{mean.max():.1f}",
                "deviation between seeds": f"{runs.std(axis=1, ddof=1).mean():.2f}",
                "Spearman between seeds": f"{np.mean(rho):.3f}",
            }
        )
    return pd.DataFrame(rows)


def card(frame: pd.DataFrame, name: str) -> str:
    """The data card, every figure of it read from the labels or the protocol."""
    table, seeds = stability(frame), trainings(frame)
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in table.to_numpy()]
    head = "| " + " | ".join(table.columns) + " |\n" + "|---" * len(table.columns) + "|"
    protocol = digits_training
    command, pairs = "scripts/label_digits.py", seeds * (seeds - 1) // 2
    return CARD.format(
        name=name,
        command=command if name == "digits" else f"{command} --benchmark {name}",
        a="the" if name == "digits" else "another",
        networks=f"{len(frame):,}",
        kinds=frame["kind"].nunique(),
        seeds=seeds,
        last_seed=seeds - 1,
        pairs=f", mean of the {pairs} pairs" if pairs > 1 else "",
        noise=protocol.NOISE,
        train=f"{protocol.TRAIN:,}",
        test=1797 - protocol.TRAIN,
        draws=protocol.TEST_DRAWS,
        lr=protocol.LEARNING_RATE,
        wd=protocol.WEIGHT_DECAY,
        epochs=protocol.EPOCHS,
        batch=protocol.BATCH,
        table="\n".join([head, *lines]),
    )


if __name__ == "__main__":
    main()
