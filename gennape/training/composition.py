"""Configurations made of parts: a YAML file names those that are read before it."""

from pathlib import Path
from typing import Any

from jsonargparse import (  # type: ignore[attr-defined]  # its list of names is computed
    ActionConfigFile,
    ArgumentParser,
    Namespace,
    get_loader,
)

from onnx_bench.errors import GennapeError

KEY = "parts"


class CompositionError(GennapeError):
    """A part of a configuration that is not there, or that is a part of itself."""


class ComposedConfig(ActionConfigFile):
    """`--config FILE`: reads the parts of the file, and theirs, before the file itself."""

    def __call__(
        self, parser: Any, cfg: Any, values: Any, option_string: str | None = None
    ) -> None:
        del option_string
        for file in [*map(str, all_parts(Path(values))), values]:
            self.apply_config(parser, cfg, self.dest, file)
        cfg.pop(KEY, None)  # done: what a run saves is whole and names no parts


def add_parts(parser: ArgumentParser) -> None:
    """Makes `parts` a key that configuration files may have."""
    parser.add_argument(
        f"--{KEY}",
        type=list[str] | None,
        metavar="[FILE, ...]",
        help="only in a file: configurations that are read before it, their paths relative to it. "
        "The later wins, the file itself last; a dictionary such as encoder_args is one value",
    )


def refuse_parts(settings: Namespace) -> None:
    """Refuses parts that were not read.

    Raises:
        CompositionError: they are given anywhere but at the top of a file.
    """
    if settings.get(KEY) is not None:
        raise CompositionError(
            f"--{KEY} {settings[KEY]}: parts belong in a configuration file; on the command line "
            "give --config several times, the later one wins"
        )


def all_parts(file: Path, above: tuple[Path, ...] = ()) -> list[Path]:
    """The parts of a file in the order in which they are read: parts of parts first, each once.

    Raises:
        CompositionError: a part is missing, or a file is a part of itself.
    """
    if file.resolve() in above:
        chain = " -> ".join(path.name for path in (*above, file))
        raise CompositionError(f"{file}: is a part of itself ({chain}); leave it out once")
    found: list[Path] = []
    for part in _parts(file):
        found += [*all_parts(part, (*above, file.resolve())), part]
    return list(dict.fromkeys(found))


def _parts(file: Path) -> list[Path]:
    """The parts that a file names; what is no file or no YAML is for others to refuse."""
    try:
        content = get_loader("yaml")(file.read_text())
    except Exception:
        return []
    named = content.get(KEY) if isinstance(content, dict) else None
    if named is None:
        return []
    if not isinstance(named, list):
        raise CompositionError(f"{file}: {KEY} is {named!r}, expected a list of files")
    parts = [file.parent / str(name) for name in named]
    for part in parts:
        if not part.is_file():
            raise CompositionError(f"{file}: its part {part} is missing; parts are relative to it")
    return parts
