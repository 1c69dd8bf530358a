"""NAS-Bench-301's trainings (Siems et al., 2020): some 60,000 DARTS cells on CIFAR-10.

Labels: `cifar10-val-100` (default), `cifar10-test-100`, and `cifar10-time-100` (seconds of
training, less is better). Networks are those that were trained, mostly 32 channels wide and 8 cells
deep. Subset `all`: cells that an optimizer proposed again stay. There is no table of ours: the
authors' own folder of JSON files is read.
"""

from onnx_bench.benchmarks.base import Benchmark, Label
from onnx_bench.originals.nasbench301 import read

BENCHMARK = Benchmark(
    name="nasbench301",
    folder="nasbench301",
    title="some 60,000 DARTS cells on CIFAR-10, 100 epochs each, from the authors' own files",
    source="Siems et al., 2020; Zela et al., ICLR 2022",
    licence="none stated with the trainings",
    families=("darts",),
    networks=lambda frame: (
        "darts@c"
        + frame["init_channels"].astype(str)
        + "-l"
        + frame["layers"].astype(str)
        + ":"
        + frame["cells"]
    ),
    labels=(
        Label("cifar10-val-100", ("val_acc",), "cifar10", split="val", epochs=100, ships=False),
        Label("cifar10-test-100", ("test_acc",), "cifar10", epochs=100, ships=False),
        Label(
            "cifar10-time-100",
            ("runtime_s",),
            "cifar10",
            metric="training-time",
            split="",
            epochs=100,
            higher_is_better=False,
            ships=False,
        ),
    ),
    rows=lambda frame: frame["epochs"] >= 98,
    needs=("cells", "init_channels", "layers", "epochs"),
    original=read,
)
