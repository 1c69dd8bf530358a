"""Imports every network of the zoo by the recorder, and compares its costs with published ones.

    python -m scripts.zoo.coverage                             # all of timm, transformers, ...
    python -m scripts.zoo.coverage --groups timm --names resnet50 vit_base_patch16_224

Writes a row for each network to results/zoo_coverage.csv and prints a summary for each group. A run
that was stopped goes on. Published MACs come from the timm_imagenet table (GENNAPE_DATA), for the
same architecture and image size; without the table those columns stay empty.
"""

import argparse
import csv
import os
import time
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from onnx_bench.cost import cost
from onnx_bench.errors import GennapeError
from onnx_bench.files import atomic_file
from onnx_bench.terminal import track
from onnx_bench.torch_import import import_torch
from scripts.zoo.exports import one_line
from scripts.zoo.gaps import CLOSE, explain, gap, norms_and_pools
from scripts.zoo.networks import GROUPS, Network, timm_networks

LISTS = {"timm": timm_networks, **GROUPS}


@dataclass
class Row:
    """What came of one network."""

    name: str
    kind: str
    made: bool = False
    """Whether it can be made on the meta device, without its weights."""
    seconds: float = 0.0
    nodes: int = 0
    parameters: int = 0
    own_parameters: int = 0
    """As torch counts them."""
    macs: int = 0
    macs_and_norms: int = 0
    """With normalisation and pooling counted as the publisher's profiler does."""
    published_macs: float = 0.0
    gap: float = 0.0
    """Relative, of ours to the published; 0 where the published figure's rounding hides it."""
    gap_kind: str = ""
    """What the publisher's profiler counts, or leaves out, where the gap is over 2 %."""
    known_nodes: float = 0.0
    known_parameters: float = 0.0
    known_macs: float = 0.0
    unknown: str = ""
    error: str = ""


def main() -> None:
    args = parse()
    import torch

    torch.set_num_threads(1)
    done = read(args.output)
    wanted = [
        (group, net.name)
        for group in args.groups
        for net in LISTS[group]()
        if not args.names or net.name in args.names
    ]
    open_ = [pair for pair in wanted if pair[1] not in done]
    args.output.parent.mkdir(exist_ok=True)
    with (
        ProcessPoolExecutor(args.workers, mp_context=get_context("fork")) as pool,
        args.output.open("a", newline="") as stream,
    ):
        writer = csv.DictWriter(stream, [f.name for f in fields(Row)])
        if stream.tell() == 0:
            writer.writeheader()
        for row in track(pool.map(measure, open_), "importing", total=len(open_)):
            writer.writerow(asdict(row))
            stream.flush()
            done[row.name] = row
    write(args.output, done)
    report([done[name] for _, name in wanted])


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--groups", nargs="+", choices=list(LISTS), default=list(LISTS))
    parser.add_argument("--names", nargs="+", default=[], help="these networks alone")
    parser.add_argument("-o", "--output", type=Path, default=Path("results/zoo_coverage.csv"))
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")
    return parser.parse_args()


def measure(pair: tuple[str, str]) -> Row:
    """Makes and imports one network."""
    import torch

    net = listed(pair[0])[pair[1]]
    row = Row(net.name, net.kind)
    try:
        with torch.device("meta"):
            module = net.make()
        row.made = True
        row.own_parameters = sum(p.numel() for p in module.parameters())
    except Exception as error:  # whatever a library raises
        row.error = one_line(error)
        return row
    inputs = [torch.empty(shape, dtype=dtype, device="meta") for shape, dtype in net.inputs]
    try:
        start = time.process_time()
        found = import_torch(module, inputs)
        row.seconds = round(time.process_time() - start, 3)
    except GennapeError as error:
        row.error = one_line(error)
        return row
    total = cost(found.graph)
    row.nodes, row.parameters, row.macs = len(found.graph), total.parameters, total.macs
    row.known_nodes, row.known_parameters, row.known_macs = (round(s, 6) for s in found.coverage)
    row.unknown = " ".join(f"{name}:{count}" for name, count in sorted(found.unknown.items()))
    size = net.inputs[0][0][-1]
    row.macs_and_norms = row.macs + norms_and_pools(found.graph)
    row.published_macs = published().get((net.name, size), 0.0) if net.kind == "timm" else 0.0
    if row.published_macs:
        row.gap = round(gap(row.macs, row.published_macs), 4)
        if abs(row.gap) > CLOSE:
            row.gap_kind = explain(net.name, found.graph, row.published_macs)
    return row


@cache
def listed(group: str) -> dict[str, Network]:
    return {net.name: net for net in LISTS[group]()}


@cache
def published() -> dict[tuple[str, int], float]:
    """MACs by (architecture, image size) as the timm project publishes them."""
    path = Path(os.environ.get("GENNAPE_DATA", "")) / "timm_imagenet" / "labels.parquet"
    if not path.is_file():
        return {}
    import pandas as pd

    frame = pd.read_parquet(path, columns=["arch", "img_size", "gmacs"]).dropna()
    return {(a, int(s)): g * 1e9 for a, s, g in frame.itertuples(index=False)}


def read(path: Path) -> dict[str, Row]:
    """Rows of an earlier run."""
    kinds: dict[str, Any] = {f.name: f.type for f in fields(Row)}
    if not path.exists():
        return {}
    with path.open(newline="") as stream:
        records = [r for r in csv.DictReader(stream) if None not in r.values()]
    rows = [Row(**{k: parsed(kinds[k], v) for k, v in r.items()}) for r in records]
    return {row.name: row for row in rows}


def parsed(kind: Any, text: str) -> Any:
    return text == "True" if kind is bool else kind(text)


def write(path: Path, rows: dict[str, Row]) -> None:
    with atomic_file(path) as temporary, temporary.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, [f.name for f in fields(Row)])
        writer.writeheader()
        writer.writerows(asdict(rows[name]) for name in sorted(rows))


def report(rows: list[Row]) -> None:
    """Shares by group, and what every larger gap comes from."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.kind].append(row)
    for kind, members in groups.items():
        made = [r for r in members if r.made]
        whole = [r for r in made if not r.error and r.known_macs == r.known_parameters == 1]
        exact = [r for r in made if r.parameters == r.own_parameters]
        line = f"{kind}: {len(members)} networks, {len(made)} made, "
        line += f"{len(whole)} of them with all MACs and parameters known"
        print(f"{line} ({len(whole) / max(len(made), 1):.1%}), {len(exact)} with torch's count")
        for row in members:
            if row.error or row.unknown:
                print(f"  {row.name}: {row.error or 'unknown ' + row.unknown}")
    priced = [r for r in rows if r.published_macs]
    if not priced:
        return
    close = [r for r in priced if abs(r.gap) <= CLOSE]
    explained = [r for r in priced if r.gap_kind not in ("", "unexplained")]
    print(f"published MACs: {share(close, priced)} within 2 %")
    alike = [r for r in priced if abs(gap(r.macs_and_norms, r.published_macs)) <= CLOSE]
    print(
        f"  with normalisation and pooling counted as published: {share(alike, priced)} within 2 %"
    )
    print(f"  with every rule of the publisher's profiler: {share(close + explained, priced)}")
    for kind, count in Counter(r.gap_kind for r in priced if r.gap_kind).most_common():
        print(f"  {count:4} {kind}")


def share(part: list[Row], whole: list[Row]) -> str:
    return f"{len(part)} of {len(whole)} ({len(part) / len(whole):.1%})"


if __name__ == "__main__":
    main()
