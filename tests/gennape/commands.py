"""How tests call the `gennape` command, and what they ask of its errors."""

from pathlib import Path

import pytest

from gennape.cli import main

Capture = pytest.CaptureFixture[str]


def run(*arguments: object) -> int:
    """The exit code of the command."""
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    return int(caught.value.code or 0)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below the folder, and folders as empty."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
    }


def refusal(capsys: Capture, *arguments: object) -> str:
    """The error of a command that ends with code 2, prints no traceback, and writes nothing."""
    before = contents(Path.cwd())
    assert run(*arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Traceback" not in shown.err
    assert contents(Path.cwd()) == before
    return shown.err


def one_line(capsys: Capture, *arguments: object) -> str:
    """As `refusal`, where the error is one line of our own."""
    (line,) = refusal(capsys, *arguments).splitlines()
    assert line.startswith("error: ")
    return line
