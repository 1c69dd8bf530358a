"""One network, one graph: whether the recorder and three exporters agree on the fused form.

    python -m scripts.zoo.exports -o runs/zoo        # some minutes to an hour, once
    python -m scripts.zoo.agreement runs/zoo

Writes results/zoo_agreement.csv: for each network of the sample the hash of its fused graph by each
route, and whether all that could be had are the same. Export that fails is no disagreement; it is
listed. Prints the share that agrees.
"""

import argparse
import csv
from pathlib import Path

from onnx_bench.canonical import fuse
from onnx_bench.errors import GennapeError
from onnx_bench.files import atomic_file
from onnx_bench.onnx_import import from_onnx
from onnx_bench.terminal import track
from onnx_bench.torch_import import from_torch
from scripts.zoo.networks import network, sample

EXPORTERS = ("ts_eval", "ts_train", "dynamo")
COLUMNS = ("name", "kind", "nodes", "recorder", *EXPORTERS, "routes", "same")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("exports", type=Path, help="the folder that scripts.zoo.exports filled")
    parser.add_argument("-o", "--output", type=Path, default=Path("results/zoo_agreement.csv"))
    args = parser.parse_args()
    rows = [compare(name, args.exports) for name in track(sample(), "comparing")]
    with atomic_file(args.output) as temporary, temporary.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    agree = [row for row in rows if row["same"]]
    full = [row for row in agree if row["routes"] == len(EXPORTERS) + 1]
    for row in rows:
        if row not in full:
            routes = {route: row[route] for route in ("recorder", *EXPORTERS)}
            print(f"{row['name']}: {routes}")
    print(
        f"{len(agree)} of {len(rows)} networks ({len(agree) / len(rows):.1%}) have one fused hash"
    )
    print(f"by every route that exists, {len(full)} of them by all four")


def compare(name: str, folder: Path) -> dict[str, str | int | bool]:
    """The hashes of one network."""
    import torch

    net = network(name)
    row: dict[str, str | int | bool] = {"name": name, "kind": net.kind}
    try:
        with torch.device("meta"):
            module = net.make()
        inputs = [torch.empty(shape, dtype=dtype, device="meta") for shape, dtype in net.inputs]
        graph = fuse(from_torch(module, inputs))
        row |= {"recorder": graph.hash, "nodes": len(graph)}
    except GennapeError as error:
        row |= {"recorder": f"refused: {error}"[:120], "nodes": 0}
    for exporter in EXPORTERS:
        path = folder / f"{name}.{exporter}.onnx"
        try:
            row[exporter] = fuse(from_onnx(path)).hash if path.exists() else "not exported"
        except GennapeError as error:
            row[exporter] = f"refused: {str(error).removeprefix(f'{path}: ')}"[:120]
    found = [str(row[route]) for route in ("recorder", *EXPORTERS) if row[route] != "not exported"]
    row["routes"] = len(found)
    row["same"] = len(set(found)) == 1 and "refused" not in found[0]
    return row


if __name__ == "__main__":
    main()
