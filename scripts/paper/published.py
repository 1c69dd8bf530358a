"""What the GENNAPE paper prints (Mills et al., AAAI 2023), by the names that our tables use.

Models have the names of the recipe's runs; `ensemble` is the paper's GENNAPE.
"""

NAMES = {
    "kgnn": "k-GNN",
    "cl": "CL",
    "cl_fcm": "CL+FCM",
    "cl_t": "CL+T",
    "cl_fcm_t": "CL+FCM+T",
    "cl_pairwise": "CL+Pairwise",
    "cl_pairwise_fcm": "CL+Pairwise+FCM",
    "flops": "FLOPs predictor",
    "ensemble": "GENNAPE",
    "ensemble, trust": "GENNAPE, trust",
    "ensemble, numbers": "GENNAPE, numbers",
    "macs": "log10 MACs",
    "parameters": "log10 parameters",
}
"""How models are shown, in this order."""

TABLE3 = {
    "NPN": (1.09, 0.934),
    "BANANAS": (1.40, 0.834),
    "TNASP": (1.23, 0.918),
    "GCN": (1.78, 0.732),
    "GIN": (1.72, 0.735),
    "kgnn": (1.61, 0.814),
    "cl": (1.51, 0.874),
    "cl_fcm": (1.19, 0.896),
    "cl_t": (0.65, 0.921),
    "cl_fcm_t": (0.59, 0.930),
}
"""Mean absolute error in percent and Spearman, on test accuracies of NAS-Bench-101."""

FAMILIES = {
    ("nasbench201", "no-none"): "NB-201",
    ("nasbench301", "all"): "NB-301",
    ("ofa-mbv3", "distinct"): "OFA-MBv3",
    ("gennape", "nb201c10"): "NB-201",
    ("gennape", "nb301"): "NB-301",
    ("gennape", "ofa-pn"): "PN",
    ("gennape", "ofa-mbv3"): "OFA-MBv3",
    ("gennape", "ofa-resnet"): "OFA-RN",
    ("gennape", "hiaml"): "HiAML",
    ("gennape", "inception"): "Inception",
    ("gennape", "two-path"): "Two-Path",
}
"""The paper's family for a target and its subset."""

OTHER_NETWORKS = {"nasbench301", "ofa-mbv3"}
"""Targets whose space is the paper's, but not the networks drawn of it."""

TABLE4 = {
    family: dict(zip(("kgnn", "cl", "cl_t", "cl_fcm_t"), values, strict=True))
    for family, values in {
        "NB-201": (1.80, 2.81, 1.93, 2.05),
        "NB-301": (0.46, 0.85, 0.43, 0.57),
        "PN": (0.56, 0.40, 0.35, 0.33),
        "OFA-MBv3": (0.61, 0.35, 0.31, 0.27),
        "OFA-RN": (0.40, 0.44, 0.45, 0.37),
        "HiAML": (0.35, 0.45, 0.40, 0.39),
        "Inception": (0.60, 0.82, 0.71, 0.86),
        "Two-Path": (0.80, 1.11, 0.71, 0.72),
    }.items()
}
"""Mean absolute error in percent after 50 labels."""

_COLUMNS = (("kgnn", 0), ("kgnn", 50), ("ensemble", 0), ("ensemble", 50))

TABLE5 = {
    family: dict(zip(_COLUMNS, values, strict=True))
    for family, values in {
        "NB-201": (0.4930, 0.8606, 0.8146, 0.9103),
        "NB-301": (0.0642, 0.8584, 0.3214, 0.8825),
        "PN": (0.0703, 0.7559, 0.8213, 0.9506),
        "OFA-MBv3": (0.4345, 0.6862, 0.8660, 0.9449),
        "OFA-RN": (0.5721, 0.9102, 0.5115, 0.9114),
        "HiAML": (-0.1211, 0.4300, 0.4331, 0.4169),
        "Inception": (-0.2045, 0.3340, 0.4249, 0.5524),
        "Two-Path": (0.1970, 0.3694, 0.3413, 0.4875),
    }.items()
}
"""Spearman zero-shot and after 50 labels."""

TABLE6 = {
    family: dict(zip(_COLUMNS, values, strict=True))
    for family, values in {
        "NB-201": (0.9270, 0.9751, 0.9793, 0.9855),
        "NB-301": (0.5341, 0.9723, 0.7885, 0.9765),
        "PN": (0.4426, 0.9287, 0.8736, 0.9800),
        "OFA-MBv3": (0.8464, 0.8859, 0.9234, 0.9838),
        "OFA-RN": (0.9470, 0.9717, 0.6606, 0.9463),
        "HiAML": (0.5088, 0.7356, 0.6892, 0.7804),
        "Inception": (0.6064, 0.7310, 0.8150, 0.8073),
        "Two-Path": (0.6339, 0.7860, 0.8275, 0.8392),
    }.items()
}
"""NDCG@10 zero-shot and after 50 labels; its gain is not printed, so ours may be another one."""

TABLE7 = {
    "nasbench101": {"best_gflops": 11.72, "best": 94.97, "found_gflops": 9.49, "found": 95.05},
    "nasbench201 no-none": {
        "best_gflops": 0.313,
        "best": 93.27,
        "found_gflops": 0.283,
        "found": 93.62,
    },
}
"""The benchmark's best network and what was found: GFLOPs (two for each multiply-add), accuracy."""
