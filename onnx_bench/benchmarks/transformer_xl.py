"""Transformer-XL decoders of LiteTransformerSearch (Javaheripi et al., NeurIPS 2022).

Perplexities, of which less is better, compare within one run only: each subset is a run. The
Pareto runs also have a latency, in milliseconds on the device that they are named after.
"""

from onnx_bench.benchmarks.transformer_lm import decoders

BENCHMARK = decoders(
    "transformer-xl",
    "TransXL",
    {
        "wt103": "random_TransXL_wt103",
        "wt103-homogeneous": "random_TransXL_wt103_homogeneous",
        "lm1b": "random_TransXL_lm1b",
        "lm1b-pareto-arm": "pareto_TransXL_lm1b_arm",
        "lm1b-pareto-corei7": "pareto_TransXL_lm1b_corei7",
        "lm1b-pareto-titanxp": "pareto_TransXL_lm1b_titanxp",
    },
    {(267_736, 192): "", (793_470, 32): "@lm1b", (267_735, 32): "@lm1b-pareto"},
)
