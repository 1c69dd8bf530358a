"""What the ablation changes: one thing at a time of the shipped CL+FCM+T."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jsonargparse.typing import Path_fr

from gennape.training.data import LabelData
from gennape.training.recipe import MemberRecipe
from gennape.training.runs import PLACES, Run

from .sources import EXTRAS, with_extras

SHIPPED = "cl_fcm_t"


@dataclass(frozen=True)
class Variant:
    """A change of the shipped model.

    Args:
        factor, value: what is changed and to what, in words.
        member: the model it is a variant of, in the recipe; it is trained in any case.
        head: arguments of the head, over its own.
        settings: others of the model.
        pretraining: settings of the pretraining, of which it then has one of its own.
    """

    factor: str
    value: str
    member: str = SHIPPED
    head: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    pretraining: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of its run: that of the member where nothing else is changed."""
        if not (self.head or self.settings or self.pretraining):
            return self.member
        # A dot would part a run's name from a setting.
        return f"{self.factor} {self.value}".replace(" ", "-").replace(".", "_").replace(",", "")


VARIANTS = (
    Variant("shipped", "CL+FCM+T"),
    *(Variant("clusters", str(count), head={"clusters": count}) for count in (4, 8, 16)),
    *(Variant("fuzzifier", str(m), head={"fuzzifier": m}) for m in (1.1, 1.2, 1.5)),
    Variant("fuzzifier", "2.0, 4 axes", head={"fuzzifier": 2.0, "projection": 4}),
    Variant("parts", "without FCM", "cl_t"),
    Variant("parts", "without T", "cl_fcm"),
    Variant("encoder", "end to end", settings={"model.freeze": False}),
    *(
        Variant("temperature", str(value), pretraining={"model.temperature": value})
        for value in (0.05, 0.1, 0.5)
    ),
    *(
        Variant(
            "positives",
            f"spectral, {reading}",
            pretraining={"model.positives": "spectral", "model.reading": reading},
        )
        for reading in ("near", "far")
    ),
    *(
        Variant("positives", kind, pretraining={"model.positives": kind})
        for kind in ("self", "family")
    ),
    Variant("whole graph", "embedding alone", settings={"model.whole": None}),
    *(
        Variant("whole graph", f"{hidden:g} hidden", settings={"model.whole": {"hidden": hidden}})
        for hidden in (0.0, 0.4)
    ),
    Variant("whole graph", "no prior", settings={"model.whole": {"prior": 0.0}}),
    Variant("labels", "over FLOPs", settings={"model.flops": "divided"}),
)


@dataclass(frozen=True)
class Plan:
    """The trainings of one seed by name: those that stand alone first, then those of variants."""

    seed: int
    folder: Path
    first: dict[str, Run]
    variants: dict[str, Run]

    @property
    def runs(self) -> dict[str, Run]:
        """All of them."""
        return self.first | self.variants

    def data(self) -> LabelData:
        """What all models learn from."""
        return self.first[SHIPPED].data()

    @property
    def stands_alone(self) -> list[Run]:
        """The first ones, without pretrainings of variants that are the shipped model."""
        spare = {self.runs[v.name].needs for v in VARIANTS if self.is_shipped(v)}
        spare -= {self.runs[SHIPPED].needs}
        return [run for run in self.first.values() if run.name not in spare]

    def run_of(self, variant: Variant) -> Run:
        """The training of a variant, or the shipped one where nothing differs."""
        return self.runs[SHIPPED if self.is_shipped(variant) else variant.name]

    def is_shipped(self, variant: Variant) -> bool:
        """Whether a variant is the shipped model itself."""
        return self._what(variant.name) == self._what(SHIPPED)

    def _what(self, name: str) -> list[dict[str, Any]]:
        """All that decides what becomes of a run and of its pretraining."""
        run = self.runs[name]
        chain = [run, *([self.runs[run.needs]] if run.needs else [])]
        return [
            {key: value for key, value in part.settings["model"].items() if key not in PLACES}
            for part in chain
        ]


def plan(recipe: Path, folder: Path, seed: int, settings: Mapping[str, Any]) -> Plan:
    """What is trained for one seed.

    Args:
        settings: over the shipped configurations.
    """
    base = with_extras(recipe, {v.member for v in VARIANTS} & EXTRAS.keys())
    heads = {run.name: run for run in base.runs(folder, seed, settings) if not run.pretrain}
    changed = [variant for variant in VARIANTS if variant.name not in base.members]
    given = dict(settings)
    members, pretraining = dict(base.members), dict[str, Path_fr](base.pretraining)
    for variant in changed:
        own = base.members[variant.member]
        encoder = own.encoder
        if variant.pretraining and encoder is not None:
            pretraining[f"pretrain-{variant.name}"] = base.pretraining[encoder]
            encoder = f"pretrain-{variant.name}"
        members[variant.name] = MemberRecipe(own.config, encoder)
        given |= dict(_settings(variant, heads[variant.member]))
    found = replace(base, members=members, pretraining=pretraining).runs(folder, seed, given)
    names = {variant.name for variant in changed}
    return Plan(
        seed,
        folder,
        {run.name: run for run in found if run.name not in names},
        {run.name: run for run in found if run.name in names},
    )


def _settings(variant: Variant, shipped: Run) -> Iterator[tuple[str, Any]]:
    """What reaches the runs of a variant alone."""
    if variant.head:
        head = shipped.settings["model"]["head_args"] or {}
        yield f"{variant.name}.model.head_args", {**head, **variant.head}
    for key, value in variant.settings.items():
        yield f"{variant.name}.{key}", value
    for key, value in variant.pretraining.items():
        yield f"pretrain-{variant.name}.{key}", value
