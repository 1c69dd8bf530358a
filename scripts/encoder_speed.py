"""How many graphs a second encoders train on and score, on one core, and where the time goes.

    GENNAPE_DATA=... python scripts/encoder_speed.py

Cells of NAS-Bench-101 in the fused form: random rows of the table's subset `full`; where there is
no table, random members of the family, which are smaller (the column `networks` says which).
Training is a step of Adam on the squared error with clipped gradients, inference a forward pass, in
batches whose graphs are gathered while the clock runs. Rates are medians over the passes, which
must not share the machine with other work; shares are of the time of all passes together. Writes
results/encoder_speed.csv.
"""

import argparse
import csv
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from gennape.batch import EncodedGraphs
from gennape.models.performance import ModelConfig, PerformanceModel
from onnx_bench.benchmarks import read
from onnx_bench.collections.cache import graphs_of
from onnx_bench.errors import LabelError
from onnx_bench.families import family
from onnx_bench.files import atomic_file
from onnx_bench.terminal import errors_in_one_line, progress

SIZE = {"hidden": 64, "layers": 4}
ENCODERS: dict[str, dict[str, int]] = {"gnn": SIZE, "gnn-transformer": SIZE, "k-gnn": {}}
GOALS = {
    ("gnn", "training"): 900,
    ("gnn", "inference"): 3000,
    ("gnn-transformer", "training"): 150,
    ("gnn-transformer", "inference"): 600,
}
PARTS = {
    "NodeEmbedding": "embedding",
    "MessagePassing": "messages",
    "GraphConv": "messages",
    "Attention": "attention",
    "MLPHead": "head",
}
"""What a module's forward pass counts as; what is outside of all, such as pooling, is the rest."""
SHARES = (
    *("batching", "embedding", "messages", "attention", "head", "rest"),
    *("backward", "optimizer"),
)


class Clock:
    """Seconds by what they were spent on; what runs inside of another thing counts once."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._open: list[tuple[str, float]] = []

    def start(self, part: str) -> None:
        now = time.perf_counter()
        if self._open:
            self._close(now)
        self._open.append((part, now))

    def stop(self) -> None:
        now = time.perf_counter()
        self._close(now)
        self._open.pop()
        if self._open:
            self._open[-1] = (self._open[-1][0], now)

    def _close(self, now: float) -> None:
        part, since = self._open[-1]
        self.seconds[part] += now - since

    @contextmanager
    def measuring(self, part: str) -> Iterator[None]:
        self.start(part)
        try:
            yield
        finally:
            self.stop()

    def watch(self, model: torch.nn.Module) -> None:
        """Measures the forward passes of the model's parts."""
        for name, module in model.named_modules():
            part = "embedding" if name.endswith("project") else PARTS.get(type(module).__name__)
            if part is not None:
                module.register_forward_pre_hook(lambda *_, part=part: self.start(part))
                module.register_forward_hook(lambda *_: self.stop())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--passes", type=int, default=7, help="over the graphs, after a first one")
    parser.add_argument("-n", "--number", type=int, default=1280, help="how many graphs")
    parser.add_argument("--batch", type=int, default=128, help="graphs a step")
    parser.add_argument("-o", "--output", type=Path, default=Path("results/encoder_speed.csv"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    with errors_in_one_line():
        source, graphs = cells(args.number)
        facts = {
            "networks": source,
            "graphs": len(graphs),
            "nodes_per_graph": round(len(graphs.graphs.row_M) / len(graphs), 1),
            "batch": args.batch,
        }
        rows = [
            row | facts
            for encoder, given in ENCODERS.items()
            for row in measured(encoder, given, graphs, args.batch, args.passes)
        ]
        show(rows)
        write(rows, args.output)


def cells(number: int) -> tuple[str, EncodedGraphs]:
    """Random cells in the fused form, and where they come from."""
    rng = np.random.default_rng(0)
    try:
        texts, source = read("nasbench101", subset="full").networks, "table"
        texts = tuple(texts[i] for i in rng.permutation(len(texts))[:number])
    except LabelError:
        space, source = family("nasbench101"), "sampled"
        texts = tuple(f"nasbench101:{space.format(space.sample(rng))}" for _ in range(number))
    with progress() as display:
        task = display.add_task("building graphs", total=len(texts))
        found = graphs_of(texts, True, lambda done: display.advance(task, done))
    return source, EncodedGraphs(found)


def measured(
    encoder: str, given: dict[str, int], graphs: EncodedGraphs, batch: int, passes: int
) -> Iterator[dict[str, Any]]:
    """Rates and shares of an encoder, in training and in inference."""
    torch.manual_seed(0)
    model = PerformanceModel(ModelConfig(encoder, given))
    parameters = sum(weight.numel() for weight in model.encoder.parameters())
    rng = np.random.default_rng(0)
    batches = np.split(rng.permutation(len(graphs)), range(batch, len(graphs), batch))
    clock = Clock()
    clock.watch(model)
    ways = {
        "training": training(model, graphs, clock),
        "inference": inference(model, graphs, clock),
    }
    for way, step in ways.items():
        run(step, batches[:1])
        clock.seconds.clear()
        rates = sorted(len(graphs) / run(step, batches) for _ in range(passes))
        total = sum(clock.seconds.values())
        yield {
            "encoder": encoder,
            "way": way,
            "graphs_per_second": round(median(rates)),
            "goal": GOALS.get((encoder, way), ""),
            "lowest": round(rates[0]),
            "highest": round(rates[-1]),
            "passes": passes,
            **{f"{part}_percent": round(100 * clock.seconds[part] / total, 1) for part in SHARES},
            "parameters": parameters,
        }


Step = Callable[[np.ndarray], None]


def run(step: Step, batches: list[np.ndarray]) -> float:
    """Seconds that a pass over the batches takes."""
    start = time.perf_counter()
    for chosen in batches:
        step(chosen)
    return time.perf_counter() - start


def training(model: PerformanceModel, graphs: EncodedGraphs, clock: Clock) -> Step:
    """A step of training as `gennape-train fit` makes it."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)

    def step(chosen: np.ndarray) -> None:
        model.train()
        with clock.measuring("batching"):
            batch = graphs.batch(chosen)
        with clock.measuring("rest"):
            loss = model(batch).square().mean()
        with clock.measuring("backward"):
            optimizer.zero_grad()
            loss.backward()
        with clock.measuring("optimizer"):
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()

    return step


def inference(model: PerformanceModel, graphs: EncodedGraphs, clock: Clock) -> Step:
    """A forward pass without gradients."""

    def step(chosen: np.ndarray) -> None:
        model.eval()
        with clock.measuring("batching"):
            batch = graphs.batch(chosen)
        with clock.measuring("rest"), torch.no_grad():
            model(batch)

    return step


def show(rows: list[dict[str, Any]]) -> None:
    """Prints the rates, their goals, and the shares of the time in per cent."""
    first = rows[0]
    table = Table(title=f"graphs a second on one core; {first['nodes_per_graph']} nodes a graph")
    for name in ("encoder", "way", "rate", "goal", *SHARES):
        table.add_column(name, justify="left" if name in ("encoder", "way") else "right")
    for row in rows:
        shares = (f"{row[f'{part}_percent']:.0f} %" for part in SHARES)
        rate = f"{row['graphs_per_second']:,}"
        table.add_row(row["encoder"], row["way"], rate, str(row["goal"]), *shares)
    Console(width=140).print(table)
    if first["networks"] == "sampled":
        print("without the table these are random members of the family: smaller than its rows")


def write(rows: list[dict[str, Any]], path: Path) -> None:
    with atomic_file(path) as temporary, temporary.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    print(f"written to {path}")


if __name__ == "__main__":
    main()
