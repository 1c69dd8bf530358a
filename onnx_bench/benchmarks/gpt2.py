"""GPT-2 decoders of LiteTransformerSearch (Javaheripi et al., NeurIPS 2022).

Perplexities, of which less is better, compare within one run only: each subset is a run. The
Pareto runs also have a latency, in milliseconds on the device that they are named after.
"""

from onnx_bench.benchmarks.transformer_lm import decoders

BENCHMARK = decoders(
    "gpt2",
    "GPT2",
    {
        "wt103": "random_GPT2_wt103",
        "lm1b": "random_GPT2_lm1b",
        "lm1b-pareto-arm": "pareto_GPT2_lm1b_arm",
        "lm1b-pareto-corei7": "pareto_GPT2_lm1b_corei7",
        "lm1b-pareto-titanxp": "pareto_GPT2_lm1b_titanxp",
    },
    {(50_264, 192): "", (50_264, 32): "@lm1b", (50_257, 192): "@lm1b-long"},
)
