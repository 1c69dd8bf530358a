"""How every command of the project starts, shows its progress and fails."""

import sys
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from onnx_bench.errors import GennapeError


def run(app: typer.Typer, arguments: list[str] | None = None, several: Iterable[str] = ()) -> None:
    """Runs a command; what a user can mend is one line on stderr and exit code 2.

    Args:
        arguments: those of the process by default.
        several: options that take more than one value: `--shots 0 50` is read as
            `--shots 0 --shots 50`.
    """
    given = sys.argv[1:] if arguments is None else arguments
    with errors_in_one_line():
        app(_spread(given, frozenset(several)))


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Ends the process with one line and exit code 2 on what a user, or the disk, can mend."""
    try:
        yield
    except GennapeError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))


T = TypeVar("T")


def progress() -> Progress:
    """A progress display on stderr, so that what a command prints can be piped."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,  # else rich leaves an empty line
    )


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """The items themselves, under a progress bar; `total` where they do not know their number."""
    count = len(items) if total is None and isinstance(items, Sized) else total
    with progress() as display:
        yield from display.track(items, total=count, description=description)


def fail(message: str) -> None:
    """Prints one line on stderr and exits with code 2."""
    print("error:", " ".join(message.split()), file=sys.stderr)
    sys.exit(2)


def _spread(arguments: list[str], several: frozenset[str]) -> list[str]:
    spread: list[str] = []
    option = ""
    for i, argument in enumerate(arguments):
        if argument.startswith("-"):
            option = argument if argument in several else ""
        elif option and arguments[i - 1] != option:
            spread.append(option)
        spread.append(argument)
    return spread
