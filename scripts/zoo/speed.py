"""How long an import takes, and how much memory, against ONNX's own reading of the same file.

    python -m scripts.zoo.speed

Exports ResNet-50, ViT-B and a whole BERT-base with their weights embedded (TorchScript exporter),
then reads each in processes of its own: our import to the atomic and to the fused form, and
`onnx.load` with `infer_shapes`. Seconds are the first read of a process, after its imports and one
small model, and the median of the reads behind it; memory is what the process's peak grows by.
Writes results/import_speed.csv.
"""

import argparse
import csv
import subprocess
import sys
import tempfile
from pathlib import Path

from onnx_bench.files import atomic_file

WAYS = ("import", "import-fused", "onnx.load")
CODE = """
import resource, statistics, sys, time
import onnx
from onnx_bench.canonical import fuse
from onnx_bench.families import build_spec, family
from onnx_bench.onnx_export import to_onnx
from onnx_bench.onnx_import import from_onnx, import_onnx

def load(path):
    return onnx.shape_inference.infer_shapes(onnx.load(path), data_prop=True)

way = {"import": import_onnx, "import-fused": lambda p: fuse(from_onnx(p)), "onnx.load": load}
fuse(from_onnx(to_onnx(build_spec("digits-cells:" + family("digits-cells").example))))
path, name, times = sys.argv[1], sys.argv[2], []
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _ in range(int(sys.argv[3])):
    start = time.perf_counter()
    way[name](path)
    times.append(time.perf_counter() - start)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(times[0], statistics.median(times[1:] or times), (peak - before) / 1024)
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("results/import_speed.csv"))
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in ("resnet50", "vit_base_patch16_224", "bert_base"):
            path = Path(folder) / f"{name}.onnx"
            subprocess.run(
                [sys.executable, "-m", __spec__.name, "--export", name, path], check=True
            )
            rows += [measured(name, path, way) for way in WAYS]
            path.unlink()
    for row in rows:
        base = next(r for r in rows if r["network"] == row["network"] and r["way"] == "onnx.load")
        row["ratio"] = round(base["median_ms"] / row["median_ms"], 1)
        print(row)
    with atomic_file(args.output) as temporary, temporary.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def measured(name: str, path: Path, way: str) -> dict:
    """One way of reading one file, in a fresh process."""
    reads = "2" if way == "onnx.load" else "7"
    command = [sys.executable, "-c", CODE, str(path), way, reads]
    first, median, memory = map(
        float, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    )
    return {
        "network": name,
        "file_mb": round(path.stat().st_size / 1e6),
        "way": way,
        "first_ms": round(first * 1e3, 1),
        "median_ms": round(median * 1e3, 1),
        "added_mb": round(memory, 1),
    }


def export(name: str, path: Path) -> None:
    """Writes a network with its weights."""
    import torch

    from onnx_bench.torchvision_shim import install
    from scripts.zoo.networks import Unwrapped, network

    install()
    if name == "bert_base":
        from transformers import BertConfig, BertModel

        module = Unwrapped(BertModel(BertConfig(use_cache=False)), ["input_ids"]).eval()
        inputs = (torch.zeros(1, 128, dtype=torch.long),)
    else:
        zoo = network(name)
        module, inputs = zoo.make(), zoo.example()
    torch.onnx.export(module, inputs, path, dynamo=False, opset_version=17)


if __name__ == "__main__":
    if "--export" in sys.argv:
        export(sys.argv[-2], Path(sys.argv[-1]))
    else:
        main()
