"""The computation graphs that the authors of GENNAPE publish (Mills et al., AAAI 2023).

Two kinds of files, from `CG_data.zip`:

- `gpi_FAMILY_comp_graph_cache.pkl`, a pickled list of dicts: `compute graph` (an object of their
  class), `acc` (a fraction), `flops`, `n_params`, `original config`;
- `*_labelled_cg_data.json`: by some key, `cg` (the same graph as a dict) and `max_perf` (percent).

Their graphs come from frozen TensorFlow models: a node has a `label`, a `resolution` (height in and
out, width in and out, channels in and out), and maybe a weight's `shape` (channels in and out, then
the kernel), `strides` and `metadata`. Edges are unordered pairs, so that the order of what a
`concat` reads is lost. Written from the published code; the real files could not be tried.

What becomes of them: convolutions, dense layers, normalisations, activations, joins and pools are
our operators; a label that we do not know is an `unknown` node. Dilated convolutions lie between
`spacetobatchnd` and `batchtospacend` as they do in TensorFlow, which stay `unknown` too.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from onnx_bench.collections.cache import home
from onnx_bench.errors import GraphError, LabelError
from onnx_bench.formats.compressed import unpacked
from onnx_bench.formats.errors import FormatError, about
from onnx_bench.formats.plain_pickle import PlainObject, load
from onnx_bench.graph import ComputationGraph
from onnx_bench.originals.found import checked, entry, number
from onnx_bench.originals.gennape_nodes import ForeignNode, to_graph

_FILE = re.compile(
    r"gpi_(\w+)_comp_graph_cache\.pkl|(?:gpi_test_)?(\w+?)(?:_cifar10)?_labelled_cg_data\.json",
    re.ASCII,
)
NUMBERS = {"acc": ("accuracy", 100.0), "flops": ("flops", 1.0), "n_params": ("parameters", 1.0)}
"""Their names, ours, and what a number is multiplied by: accuracies become percent."""


def read(folder: Path) -> pd.DataFrame:
    """Every network of the caches below a folder: path of its graph, family, and its numbers.

    The graphs are saved in the cache's folder, one file for each different one.

    Raises:
        LabelError: there is no cache, or one is damaged.
    """
    caches = [path for path in sorted(folder.rglob("*")) if _FILE.fullmatch(path.name)]
    if not caches:
        raise LabelError(
            f"{folder}: no file of GENNAPE's CG_data.zip is there; expected "
            "gpi_FAMILY_comp_graph_cache.pkl or FAMILY_labelled_cg_data.json"
        )
    rows = []
    for path in caches:
        match = _FILE.fullmatch(path.name)
        family = (match[1] or match[2]).lower().replace("_", "-") if match else ""
        for graph, numbers in read_graphs(path):
            place = home() / "unpacked" / "gennape" / family / f"{graph.hash}.npz"
            if not place.exists():
                graph.save(place)
            rows.append({"network": str(place), "family": family, **numbers})
    return pd.DataFrame(rows)


def read_graphs(path: Path) -> Iterator[tuple[ComputationGraph, dict[str, float]]]:
    """Each graph of a cache with its labels: `accuracy` (percent), `flops`, `parameters`.

    Raises:
        LabelError: the file is damaged, none of theirs, or a graph of it cannot exist.
    """
    with about(path):
        for place, (cg, labels) in enumerate(_networks(path), 1):
            try:
                yield _graph(cg), labels
            except (FormatError, GraphError) as error:
                raise FormatError(f"graph {place}: {error}") from None


def _networks(path: Path) -> Iterator[tuple[Any, dict[str, float]]]:
    data = unpacked(path)
    if path.suffix == ".json":
        for network in _parsed(data).values():
            perf = number(entry(network, "max_perf", object), "max_perf")
            yield entry(network, "cg", dict), {"accuracy": perf}
        return
    for network in checked(load(data), list, "the cache"):
        known = checked(network, dict, "a network")
        yield (
            entry(known, "compute graph", object),
            {
                name: scale * number(known[key], key)
                for key, (name, scale) in NUMBERS.items()
                if known.get(key) is not None
            },
        )


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        return checked(json.loads(data), dict, "the file")
    except (ValueError, RecursionError) as error:
        raise FormatError(f"not JSON ({error})") from None


def _graph(cg: Any) -> ComputationGraph:
    data = _attributes(cg)
    nodes = [
        ForeignNode.of(_attributes(node))
        for part in ("weighted_nodes", "regular_nodes")  # their edges count in this order
        for node in entry(data, part, list)
    ]
    edges = [_edge(pair, len(nodes)) for pair in entry(data, "edge_pairs", list)]
    return to_graph(nodes, edges, str(data.get("name", ""))[:200])


def _edge(pair: Any, count: int) -> tuple[int, int]:
    match pair:
        case (int() as source, int() as target) if 0 <= source < count and 0 <= target < count:
            return source, target
    raise FormatError(f"{str(pair)[:40]} is no edge between {count} nodes")


def _attributes(data: Any) -> dict[str, Any]:
    """Of an object of theirs, or of the dict that stands for one."""
    return data.attributes if type(data) is PlainObject else checked(data, dict, "a graph or node")
