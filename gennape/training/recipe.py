"""The recipe of an ensemble: which encoders are pretrained, and which models stand on them."""

import json
from argparse import ArgumentError
from collections.abc import Mapping
from dataclasses import dataclass, field
from inspect import signature
from pathlib import Path
from typing import Any

import lightning as L
from jsonargparse import ArgumentParser
from jsonargparse.typing import Path_fr

from gennape.training.cli import FIT, PRETRAIN, Command
from gennape.training.figures import EmbeddingFigure
from gennape.training.runs import Run
from onnx_bench.errors import GennapeError

ROLES = {"pretrain": PRETRAIN, "member": FIT}
SECTIONS = ("trainer", "model", "data", "figure")
RESULT = "ensemble"


class RecipeError(GennapeError):
    """A recipe, or a setting on top of it, that cannot be followed."""


@dataclass(frozen=True)
class MemberRecipe:
    """A model of the ensemble.

    Args:
        config: a configuration of `gennape-train fit`; its path is relative to the recipe.
        encoder: the pretraining whose encoder it starts from; its own for none.
    """

    config: Path_fr
    encoder: str | None = None


@dataclass(frozen=True)
class Recipe:
    """What an ensemble is made of, by names, which are those of the folders of the runs.

    Args:
        members: the models, the one that embeds networks for the whole first.
        pretraining: configurations of `gennape-train pretrain`.
    """

    members: dict[str, MemberRecipe]
    pretraining: dict[str, Path_fr] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in (*self.members, *self.pretraining):
            if name in (*SECTIONS, *ROLES, RESULT) or name != Path(name).name or name[:1] == ".":
                raise RecipeError(f"no run can be called {name!r}; choose another name")
        both = self.members.keys() & self.pretraining.keys()
        if both:
            raise RecipeError(f"pretraining and members are both called {', '.join(sorted(both))}")
        if not self.members:
            raise RecipeError("there are no members")
        for name, member in self.members.items():
            if member.encoder not in (None, *self.pretraining):
                raise RecipeError(
                    f"member {name}: no pretraining is called {member.encoder!r}; "
                    f"there are {', '.join(self.pretraining) or 'none'}"
                )

    @classmethod
    def read(cls, path: Path) -> "Recipe":
        """The recipe in a YAML file.

        Raises:
            RecipeError: it is missing, no recipe, or names what there is not.
        """
        parser = ArgumentParser(exit_on_error=False)
        parser.add_class_arguments(cls)
        try:
            return cls(**vars(parser.instantiate_classes(parser.parse_path(str(path)))))
        except (ArgumentError, TypeError, RecipeError) as error:
            raise RecipeError(f"{path}: {error}") from None

    def runs(
        self, run_dir: Path, seed: int = 0, settings: Mapping[str, Any] | None = None
    ) -> list[Run]:
        """All trainings, each after the one that it needs.

        Args:
            run_dir: receives a folder for each.
            seed: of splits, initial weights and everything else.
            settings: such as `data.limit`, on top of what the configurations say, wherever there
                is such a setting; `pretrain.data.limit`, `member.trainer.max_epochs` or
                `kgnn.model.loss` reach pretrainings, members or the run of that name alone.

        Raises:
            RecipeError: a setting reaches none.
        """
        given = settings or {}
        found = []
        for name, config in self.pretraining.items():
            more = _chosen(given, "pretrain", name)
            arguments = (*_arguments(config, run_dir / name, seed), *more)
            found.append(Run(name, run_dir / name, True, arguments))
        for name, member in self.members.items():
            start = _start(run_dir, member.encoder)
            more = _chosen(given, "member", name)
            arguments = (*_arguments(member.config, run_dir / name, seed), *start, *more)
            found.append(Run(name, run_dir / name, False, arguments, member.encoder))
        self._check(given)
        return found

    def _check(self, settings: Mapping[str, Any]) -> None:
        """Refuses a setting that reaches none, as one does that is mistyped."""
        names = [
            *(("pretrain", n) for n in self.pretraining),
            *(("member", n) for n in self.members),
        ]
        for key in settings:
            if not any(_meant(key, role, name) for role, name in names):
                raise RecipeError(
                    f"no run has a setting {key!r}; expected one as in data.limit (see "
                    "gennape-train fit --help), or one with pretrain, member or the name of a run "
                    "before it, as in pretrain.data.limit"
                )


def _arguments(config: Path_fr, folder: Path, seed: int) -> list[str]:
    return [
        f"--config={config.absolute}",
        f"--run_dir={folder}",
        f"--seed_everything={seed}",
        f"--data.seed={seed}",
        "--trainer.devices=1",  # on several, Lightning would start this very command once more
        "--trainer.enable_progress_bar=false",
    ]


def _start(run_dir: Path, encoder: str | None) -> list[str]:
    return [f"--model.pretrained={run_dir / encoder / PRETRAIN.cli.result}"] if encoder else []


def _chosen(settings: Mapping[str, Any], role: str, name: str) -> list[str]:
    """The settings of one run as arguments, the more special later, where it wins."""
    found = [(_rank(key, role, name), _meant(key, role, name), settings[key]) for key in settings]
    found.sort(key=lambda setting: setting[0])
    return [f"--{key}={_text(value)}" for _, key, value in found if key]


def _rank(key: str, role: str, name: str) -> int:
    scope = key.partition(".")[0]
    return 2 if scope == name else 1 if scope == role else 0


def _meant(key: str, role: str, name: str) -> str | None:
    """What a setting is called in one run; None if it is not for it."""
    own = key.partition(".")[2] if _rank(key, role, name) else key
    return own if _takes(ROLES[role], own) else None


def _takes(command: Command, key: str) -> bool:
    """Whether a command has the setting `data.limit` or the like."""
    section, _, rest = key.partition(".")
    owners: dict[str, type] = {
        "trainer": L.Trainer,
        "model": command.module,
        "data": command.data,
        "figure": EmbeddingFigure,
    }
    return section in owners and rest.partition(".")[0] in signature(owners[section]).parameters


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)
