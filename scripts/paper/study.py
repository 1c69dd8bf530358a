"""How much work the tables are, and where it goes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gennape.tuning import TuneSettings

from .units import Failures

RECIPE = Path(__file__).parents[2] / "configs" / "gennape" / "ensemble.yaml"
TUNE = TuneSettings("encoder", epochs=60)
"""How a model learns from 50 labels: its heads do, in seconds, and no label is held out."""


@dataclass(frozen=True)
class Search:
    """Of one search: predictions that it may ask for, networks alive, and drawn for a parent."""

    predictions: int = 1000
    population: int = 50
    sample: int = 10


@dataclass(frozen=True)
class Ablation:
    """Trainings that are many, so each is small.

    Args:
        seeds: how many.
        settings: over the shipped configurations, as for `train_ensemble`.
        target: the benchmark that variants are taken to; of its subsets the first is the whole.
        most: networks of it that are scored at most; None for all.
    """

    seeds: int
    settings: Mapping[str, Any]
    target: str = "nasbench201"
    most: int | None = None


@dataclass(frozen=True)
class Profile:
    """How much work the tables are.

    Args:
        name: also of the folder of the models.
        prefix: of the files that are written.
        seeds: how many, where the command names no other number.
        settings: over the shipped configurations of the source models.
        tune: how a source model learns from the labels of a target.
        shots: numbers of target labels; 0 is zero-shot.
        most: networks of a target that are scored at most; None for all.
        whole: targets that are scored whole all the same.
    """

    name: str
    prefix: str
    seeds: int
    ablation: Ablation
    settings: Mapping[str, Any] = field(default_factory=dict)
    tune: TuneSettings = TUNE
    shots: tuple[int, ...] = (0, 50)
    most: int | None = None
    whole: tuple[str, ...] = ()
    search: Search = Search()

    def most_of(self, target: str) -> int | None:
        """How many networks of a target are scored at most; None for all."""
        return None if target in self.whole else self.most


PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            "full",
            "",
            seeds=5,
            most=1024,
            whole=("nasbench201",),
            ablation=Ablation(
                2,
                {
                    "data.limit": 4000,
                    "pretrain.trainer.max_epochs": 2,
                    "member.trainer.max_epochs": 8,
                },
                most=2048,
            ),
        ),
        Profile(
            "quick",
            "quick_",
            seeds=2,
            settings={
                "data.limit": 3000,
                "pretrain.trainer.max_epochs": 2,
                "member.trainer.max_epochs": 8,
            },
            tune=replace(TUNE, epochs=30),
            most=1000,
            search=Search(predictions=200, population=30),
            ablation=Ablation(
                2,
                {
                    "data.limit": 1500,
                    "pretrain.trainer.max_epochs": 1,
                    "member.trainer.max_epochs": 4,
                },
                most=2000,
            ),
        ),
    )
}


@dataclass(frozen=True)
class Study:
    """A profile, and where its models and tables go.

    Args:
        seeds: numbers, each of a source ensemble of its own.
        work: folder of the trained models.
        out: folder of the tables and figures.
        targets: benchmarks that models are taken to, see `targets`.
        recipe: of the source ensemble.
        processes: units of work at a time.
        kind: of the source models where they are not the shipped ones, such as `end_to_end`.
    """

    profile: Profile
    seeds: Sequence[int]
    work: Path
    out: Path
    targets: tuple[str, ...]
    recipe: Path = RECIPE
    processes: int = 2
    kind: str = ""
    failures: Failures = field(default_factory=Failures)

    def csv(self, name: str) -> Path:
        """The file of a table."""
        kind = f"{self.kind}_" if self.kind else ""
        return self.out / f"paper_{self.profile.prefix}{kind}{name}.csv"

    def figure(self, name: str) -> Path:
        """The file of its figure."""
        return self.csv(name).with_suffix(".svg")
