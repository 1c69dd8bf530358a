"""Accuracy of NAS-Bench-201's networks under attack (Jung et al., ICLR 2023), CIFAR-10.

The networks were trained without attacks, for 200 epochs. Labels: `cifar10-ATTACK-EPS` with the
attacks `fgsm`, `pgd`, `apgd` and `square` at strengths of EPS/255 in the maximum norm
(`cifar10-fgsm-1` is the default one), and `cifar10-val-200`, the accuracy without any. Subsets:
`all`, and `distinct`, the 6,466 networks that were attacked; the others compute the same and
repeat their values.
"""

from onnx_bench.benchmarks.base import Benchmark, Label, everything
from onnx_bench.benchmarks.nasbench201 import distinct
from onnx_bench.benchmarks.nasbench201_csv import published, reader

FILE = "robustness_targets.csv"
CLEAN = "naslib_val_accuracy"
FEW = (1.0, 2.0, 3.0, 4.0, 8.0, 0.1, 0.5)
STRENGTHS = {
    "fgsm": (*FEW, 5.0, 6.0, 7.0, 255.0),
    "pgd": FEW,
    "aa_apgd-ce": FEW,
    "aa_square": FEW,
}


def _label(attack: str, strength: float) -> Label:
    name = attack.removeprefix("aa_").removesuffix("-ce")
    return Label(
        f"cifar10-{name}-{strength:g}",
        (f"{attack}@Linf_eps-{strength}",),
        "cifar10",
        metric="robust-accuracy",
        epochs=200,
        provenance=f"{name.upper()} at {strength:g}/255",
        ships=False,
    )


BENCHMARK = Benchmark(
    name="nasbench201-robustness",
    folder="nasbench201",
    title="accuracy of all 15,625 cells under four attacks, trained without",
    source="Jung et al., ICLR 2023",
    licence="MIT repository, the original terms unstated",
    families=("nasbench201",),
    networks=lambda frame: "nasbench201:" + frame["arch_str"],
    labels=(
        *(_label(attack, strength) for attack, some in STRENGTHS.items() for strength in some),
        Label("cifar10-val-200", (CLEAN,), "cifar10", split="val", epochs=200, ships=False),
    ),
    subsets={"all": everything, "distinct": distinct},
    needs=("arch_str",),
    table="robustness.parquet",
    downloads=(published(FILE, "5de27a861afb2b784c62f60b2eae56bc40cc16ea", megabytes=4.1),),
    original=reader(FILE, lambda column: CLEAN if column == "val_accs" else column),
)
