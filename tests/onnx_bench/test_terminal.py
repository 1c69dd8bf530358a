"""How commands start and fail."""

import sys
from pathlib import Path

import pytest
import typer

from onnx_bench.errors import GennapeError, GraphError, LabelError, ModelFileError, SpecError
from onnx_bench.terminal import fail, run


def failing(error: Exception) -> typer.Typer:
    """A command that does nothing but fail."""
    app = typer.Typer()

    @app.command()
    def command() -> None:
        raise error

    return app


def echoing() -> typer.Typer:
    """A command that prints what it was given."""
    app = typer.Typer()

    @app.command()
    def command(
        words: list[str] = typer.Argument(default_factory=list),  # noqa: B008
        shots: list[int] = typer.Option(default_factory=list),  # noqa: B008
        seeds: list[int] = typer.Option(default_factory=list),  # noqa: B008
        name: str = "",
        loud: bool = False,
    ) -> None:
        print(words, shots, seeds, name, loud)

    return app


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What `echoing` prints for these arguments."""
    with pytest.raises(SystemExit) as stopped:
        run(echoing(), list(arguments), several=("--shots", "--seeds"))
    assert stopped.value.code == 0
    return capsys.readouterr().out.strip()


# failing


@pytest.mark.parametrize("kind", [GennapeError, GraphError, SpecError, ModelFileError, LabelError])
def test_what_a_user_can_mend_is_one_line_on_stderr_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], kind: type[GennapeError]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(failing(kind("no such cell; try another")), [])
    captured = capsys.readouterr()
    assert stopped.value.code == 2
    assert captured.err == "error: no such cell; try another\n"
    assert captured.out == ""


def test_a_message_of_many_lines_becomes_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(failing(GraphError("shapes\n  (3,) and\n\n\t(4,)")), [])
    assert capsys.readouterr().err == "error: shapes (3,) and (4,)\n"


def test_a_missing_file_is_named_in_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    app, path = typer.Typer(), tmp_path / "nowhere.csv"

    @app.command()
    def command() -> None:
        path.read_text()

    with pytest.raises(SystemExit) as stopped:
        run(app, [])
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"error: {path}: No such file or directory\n"


def test_a_failure_of_the_system_without_a_file_is_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(failing(OSError("the disk is full")), [])
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "error: the disk is full\n"


def test_a_mistake_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        run(failing(ZeroDivisionError("ours")), [])


def test_an_unknown_option_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(echoing(), ["--nonsense"])
    assert stopped.value.code == 2
    assert "--nonsense" in capsys.readouterr().err


def test_fail_prints_one_line_and_exits(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        fail("two\nlines")
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "error: two lines\n"


# arguments


def test_arguments_are_those_of_the_process_by_default(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["program", "one", "--name", "x"])
    with pytest.raises(SystemExit):
        run(echoing())
    assert capsys.readouterr().out.strip() == "['one'] [] [] x False"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--shots 0 50", "[] [0, 50] []  False"),
        ("--shots 0", "[] [0] []  False"),
        ("--shots 0 --shots 50", "[] [0, 50] []  False"),
        ("--shots 0 5 --shots 50 500", "[] [0, 5, 50, 500] []  False"),
        ("--shots 0 50 --seeds 1 2 3", "[] [0, 50] [1, 2, 3]  False"),
        ("--shots 0 50 --name x", "[] [0, 50] [] x False"),
        ("--name x --shots 0 50 --loud", "[] [0, 50] [] x True"),
        ("word --shots 7 7 7", "['word'] [7, 7, 7] []  False"),
        ("--loud one two --shots 1", "['one', 'two'] [1] []  True"),
        ("--shots=0 word", "['word'] [0] []  False"),
        ("", "[] [] []  False"),
    ],
)
def test_an_option_takes_several_values(
    capsys: pytest.CaptureFixture[str], arguments: str, expected: str
) -> None:
    assert told(capsys, *arguments.split()) == expected


def test_an_option_that_was_not_named_takes_one_value(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(echoing(), ["--shots", "0", "50"])
    assert capsys.readouterr().out.strip() == "['50'] [0] []  False"


def test_what_follows_a_double_dash_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "--shots", "1", "2", "--", "3") == "['3'] [1, 2] []  False"
