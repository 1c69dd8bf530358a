"""`digits-more`: eight further kinds of small networks, trained as those of `digits`.

Twice each; how stable the ranks are: `onnx_bench/data/digits_more.md`. Made by
`scripts/label_digits.py --benchmark digits-more`.
"""

from onnx_bench.benchmarks.digits import shipped

KINDS = (
    "digits-dense",
    "digits-branches",
    "digits-wired",
    "digits-genotypes",
    "digits-groups",
    "digits-layers",
    "digits-hybrids",
    "digits-recurrent",
)
BENCHMARK = shipped(
    "digits-more",
    "small networks of eight more kinds on noisy 8x8 digits, two runs: ships with the package",
    KINDS,
    seeds=2,
)
