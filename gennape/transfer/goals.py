"""What transfer is to reach: goals above what the first study found, and above what is published.

Floors are that study's, of one seed or two. No figure of the present method is written here.
"""

from dataclasses import dataclass

from gennape.transfer import published as p
from gennape.transfer.lofo_summary import OURS, Work


@dataclass(frozen=True)
class Goal:
    """One figure that is to be reached.

    Args:
        name: of the work.
        metric: its column; more is better in all.
        shots: labels of the target that are learnt from.
        estimator: whose figure counts.
        against: published methods that it is shown beside; all by default.
        beside: another number alone that is known, in words.
    """

    name: str
    work: Work
    goal: float
    floor: float | None = None
    metric: str = "spearman"
    shots: int = 0
    estimator: str = OURS
    against: tuple[str, ...] = ()
    beside: str = ""


STUDIED = (
    p.ALL,
    p.SSS,
    p.MACRO,
    p.METAQNN,
    p.DARTS,
    p.TRANSNAS_MICRO,
    p.TRANSNAS_MACRO,
    p.OFA,
)
"""Works of the first study that are known by name."""
FLOOR_BELOW = 3
"""Of these, those on which it lay below the best single number; the goal is none of all works."""
ONLY = "NAS-Bench-101 only to NAS-Bench-201"
BARE = ("graph network", ("k-GNN",))
SHOTS50 = (
    ("NATS-SSS", p.SSS, 0.96, 0.97),
    ("NAS-Bench-Macro", p.MACRO, 0.98, 0.985),
    ("DARTS", p.DARTS, 0.90, 0.92),
    ("TransNAS micro, scenes", p.TRANSNAS_MICRO, 0.81, 0.86),
    ("TransNAS macro, scenes", p.TRANSNAS_MACRO, 0.81, 0.86),
    ("OFA-MBv3", p.OFA, 0.99, 0.992),
    ("MetaQNN", p.METAQNN, 0.66, 0.75),
)
GOALS = (
    Goal(f"{ONLY}, all", p.ALL, 0.95, 0.92, estimator="generalist"),
    Goal(f"{ONLY}, all", p.ALL, 0.81, 0.76, "kendall", estimator="generalist"),
    Goal(f"{ONLY}, without none", p.NO_NONE, 0.955, 0.924, estimator="generalist"),
    Goal(f"{ONLY}, without none", p.NO_NONE, 0.82, 0.76, "kendall", estimator="generalist"),
    Goal(f"{ONLY}, true top tenth", p.ALL, 0.50, 0.32, "spearman_top", estimator="generalist"),
    Goal(f"{ONLY}, ten best", p.ALL, 94.37, 94.37, "best_of_ten", estimator="generalist"),
    Goal(f"{ONLY}, CIFAR-100", p.CIFAR100, 0.94, 0.915, estimator="generalist"),
    Goal(f"{ONLY}, ImageNet16-120", p.IMAGENET16, 0.93, 0.903, estimator="generalist"),
    Goal("DARTS", p.DARTS, 0.87, 0.79),
    Goal("TransNAS micro, scenes", p.TRANSNAS_MICRO, 0.87, 0.79),
    Goal("TransNAS macro, scenes", p.TRANSNAS_MACRO, 0.80, 0.66),
    Goal("NAS-Bench-Macro", p.MACRO, 0.94, 0.80, beside="another: .92"),
    Goal("NATS-SSS", p.SSS, 0.95, 0.74, beside="another: .95"),
    Goal("OFA-MBv3", p.OFA, 0.985, 0.98),
    Goal("MetaQNN", p.METAQNN, 0.55, 0.29),
    *(
        Goal("NAS-Bench-201, reachable", p.REACHABLE, goal, floor, "kendall", shots)
        for shots, floor, goal in (
            (32, 0.785, 0.80),
            (50, 0.807, 0.825),
            (128, 0.833, 0.855),
            (1024, 0.880, 0.90),
        )
    ),
    Goal("NAS-Bench-201, without none", p.NO_NONE, 0.97, 0.957, shots=50),
    *(Goal(name, work, goal, floor, shots=50) for name, work, floor, goal in SHOTS50),
    *(
        Goal("TransNAS micro, scenes", p.TRANSNAS_MICRO, goal, None, "kendall", shots)
        for shots, goal in ((32, 0.70), (128, 0.80), (1024, 0.86))
    ),
    *(
        Goal("NAS-Bench-101", p.NASBENCH101, goal, None, "kendall", shots)
        for shots, goal in ((72, 0.76), (364, 0.83), (729, 0.85))
    ),
    *(
        Goal(f"A graph network by itself, {where}", work, goal, floor, "spearman", 0, *BARE)
        for where, work, floor, goal in (
            ("NAS-Bench-201, all", p.ALL, 0.81, 0.92),
            ("without none", p.NO_NONE, 0.89, 0.93),
        )
    ),
)
