"""1,000 chains of MetaQNN's space on CIFAR-10, 20 epochs each (Baker et al., ICLR workshop 2018).

Labels: `cifar10-val-20` (default), `-10`, `-5` and `-1`, and `cifar10-val-best`, the best of the 20
epochs. One run each. Five initial learning rates were used, chosen by network: a confounder that is
no part of it.
"""

from onnx_bench.benchmarks.base import Benchmark, Label

BENCHMARK = Benchmark(
    name="metaqnn",
    folder="metaqnn",
    title="1,000 chains of convolutions and pools on CIFAR-10, 20 epochs",
    source="Baker, Gupta, Raskar and Naik, ICLR workshop 2018; space of Baker et al., ICLR 2017",
    licence="MIT",
    families=("metaqnn",),
    networks=lambda frame: "metaqnn:" + frame["net"],
    labels=(
        *(
            Label(
                f"cifar10-val-{epochs}",
                (f"val_acc_ep{epochs}",),
                "cifar10",
                split="val",
                epochs=epochs,
            )
            for epochs in (20, 10, 5, 1)
        ),
        Label(
            "cifar10-val-best",
            ("val_acc_best",),
            "cifar10",
            split="val",
            provenance="best of 20 epochs",
        ),
    ),
    needs=("net",),
)
