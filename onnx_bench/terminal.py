"""How every command of the project starts and fails."""

import sys
from collections.abc import Iterable

import typer

from onnx_bench.errors import GennapeError


def run(app: typer.Typer, arguments: list[str] | None = None, several: Iterable[str] = ()) -> None:
    """Runs a command; what a user can mend is one line on stderr and exit code 2.

    Args:
        arguments: those of the process by default.
        several: options that take more than one value: `--shots 0 50` is read as
            `--shots 0 --shots 50`.
    """
    given = sys.argv[1:] if arguments is None else arguments
    try:
        app(_spread(given, frozenset(several)))
    except GennapeError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))


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
