"""NAS-RobBench-201 (Wu et al., ICLR 2024): NAS-Bench-201's networks, trained under attack.

Labels: `TASK-val-50`, the accuracy without an attack after 50 epochs (`cifar10-val-50` is the
default one); `TASK-ATTACK-EPS` with the attacks `fgsm` and `pgd` at 3/255 and 8/255; and
`TASK-autoattack`. Subsets: `all`, and `distinct`, the 6,466 networks that were trained; the others
compute the same and repeat their values.
"""

from collections.abc import Iterator

from onnx_bench.benchmarks.base import Benchmark, Download, Label, everything
from onnx_bench.benchmarks.nasbench201 import distinct

TASKS = {"cifar10": "cifar10", "cifar100": "cifar100", "imagenet": "imagenet16"}
EPOCHS = 50


def _labels(column: str, task: str) -> Iterator[Label]:
    yield _label(f"{task}-val-{EPOCHS}", f"{column}.val_acc", task, "accuracy", "")
    for attack in ("fgsm", "pgd"):
        for strength in (3, 8):
            yield _label(
                f"{task}-{attack}-{strength}",
                f"{column}.val_{attack}_{strength}_acc",
                task,
                "robust-accuracy",
                f"{attack.upper()} at {strength}/255",
            )
    yield _label(
        f"{task}-autoattack", f"{column}.autoattack", task, "robust-accuracy", "AutoAttack"
    )


def _label(name: str, column: str, task: str, metric: str, provenance: str) -> Label:
    return Label(
        name,
        (column,),
        task,
        metric=metric,
        split="val",
        epochs=EPOCHS,
        scale=100.0,
        provenance=provenance,
        ships=False,
    )


BENCHMARK = Benchmark(
    name="nasbench201-adversarial",
    folder="nasbench201",
    title="accuracy of all 15,625 cells on three data sets, trained under attack",
    source="NAS-RobBench-201: Wu et al., ICLR 2024",
    licence="none stated",
    families=("nasbench201",),
    networks=lambda frame: "nasbench201:" + frame["arch_str"],
    labels=tuple(label for column, task in TASKS.items() for label in _labels(column, task)),
    subsets={"all": everything, "distinct": distinct},
    needs=("arch_str",),
    table="robustness_adversarially_trained.parquet",
    downloads=(
        Download(
            "NAS-RobBench-201_all.json",
            ("https://drive.google.com/drive/folders/1Hhv2R1EfpnQOAyClX09mj7rj1Zbbbj0G",),
            note="with its meta.json; kept as it is, not read",
            by_hand=True,
        ),
    ),
)
