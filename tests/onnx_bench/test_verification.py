"""How checks are run: over every row, in other processes, and loud about the row that differs."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from onnx_bench import verification
from onnx_bench.commands.verify import add_to
from onnx_bench.errors import LabelError
from onnx_bench.families import build_spec, family
from onnx_bench.terminal import run
from onnx_bench.verification import VERIFIED, base
from onnx_bench.verification.base import Check
from onnx_bench.verification.running import verify

CELLS = [
    f"nasbench201:|{op}~0|+|{op}~0|none~1|+|none~0|none~1|skip_connect~2|"
    for op in ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3")
]
COUNTS = [build_spec(text).parameters for text in CELLS]


def check(published: list[float], **settings: object) -> Check:
    return Check("parameters", "a test", CELLS, published, base.parameters, **settings)  # type: ignore[arg-type]


def length(text: str) -> float:
    return len(text)


def identity(text: str) -> str:
    return text


def test_rows_that_agree_are_counted_and_none_is_worst() -> None:
    done: list[int] = []
    verdict = verify("nasbench201", check(COUNTS), 1, done.append)
    assert (verdict.rows, verdict.equal, verdict.worst, verdict.holds) == (4, 4, None, True)
    assert sum(done) == 4


def test_the_row_that_differs_most_is_named() -> None:
    published = [COUNTS[0] + 1, COUNTS[1], COUNTS[2] - 5, COUNTS[3]]
    verdict = verify("nasbench201", check(published), 1)
    assert (verdict.equal, verdict.holds) == (2, False)
    assert verdict.worst is not None
    assert (verdict.worst.network, verdict.worst.ours) == (CELLS[2], COUNTS[2])


def test_the_tolerance_is_the_largest_difference_that_counts_as_equal() -> None:
    published = [count + 0.5 for count in COUNTS]
    assert verify("nasbench201", check(published, tolerance=0.5), 1).holds
    assert not verify("nasbench201", check(published, tolerance=0.49), 1).holds


def test_a_comparison_that_need_not_agree_fails_nothing() -> None:
    verdict = verify("nasbench201", check([0.0] * 4, exact=False), 1)
    assert (verdict.equal, verdict.holds) == (0, True)


def test_a_published_figure_that_is_no_number_agrees_with_nothing() -> None:
    assert verify("nasbench201", check([float("nan"), *COUNTS[1:]]), 1).equal == 3


def test_a_network_that_cannot_be_built_differs_and_says_why() -> None:
    bad = Check("parameters", "a test", ["nasbench201:nonsense"], [1.0], base.parameters, 1e9)
    verdict = verify("nasbench201", bad, 1)
    assert verdict.equal == 0
    assert verdict.worst is not None
    assert "nonsense" in verdict.worst.error


def test_checks_may_read_the_text_and_compare_words() -> None:
    texts = ["a", "bb", "ccc"]
    words = Check("name", "a test", texts, ["a", "bb", "cc"], identity, reads="text")
    assert verify("x", words, 1).equal == 2
    lengths = Check("length", "a test", texts, [1, 2, 3], length, reads="text")
    assert verify("x", lengths, 1).equal == 3


def test_several_processes_give_what_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnx_bench.verification.running.CHUNK", 2)
    published = [COUNTS[0], COUNTS[1], COUNTS[2], 0]
    assert verify("nasbench201", check(published), 2) == verify("nasbench201", check(published), 1)


def test_every_family_with_checks_is_a_family() -> None:
    assert all(family(name).name == name for name in VERIFIED)


@pytest.mark.data
@pytest.mark.parametrize("name", VERIFIED)
def test_some_rows_of_every_check_agree_with_the_benchmark(name: str, data_root: Path) -> None:
    for found in verification.checks(name, data_root):
        rows = range(0, len(found.networks), max(len(found.networks) // 20, 1))
        some = Check(
            found.what,
            found.source,
            [found.networks[i] for i in rows],
            [found.published[i] for i in rows],
            found.ours,
            found.tolerance,
            found.exact,
            found.reads,
        )
        verdict = verify(name, some, 1)
        assert verdict.holds, verdict.worst


# the command


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Iterator[typer.Typer]:
    """The command, with one family whose checks a test may set."""
    app = typer.Typer()
    app.callback()(lambda: None)
    add_to(app)
    monkeypatch.setattr(verification, "VERIFIED", {"nasbench201": "none"})
    return app


def offer(monkeypatch: pytest.MonkeyPatch, *offered: Check) -> None:
    monkeypatch.setattr(verification, "checks", lambda *_: iter(offered))


def called(app: typer.Typer, *arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        run(app, ["verify", *arguments])
    return int(caught.value.code or 0)


def test_the_command_prints_a_table_and_writes_it(
    command: typer.Typer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    offer(monkeypatch, check(COUNTS))
    assert called(command, "nasbench201", "--out", str(tmp_path / "v.csv")) == 0
    assert "equal" in capsys.readouterr().out
    header, row = (tmp_path / "v.csv").read_text().splitlines()
    assert header.startswith("family,figure,source,rows,equal")
    assert row.startswith("nasbench201,parameters,a test,4,4,0.0,equal")


def test_the_command_fails_loudly_on_one_mismatch(
    command: typer.Typer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    offer(monkeypatch, check([*COUNTS[:3], 7]))
    assert called(command, "--all") == 1
    assert f"differs: parameters of {CELLS[3]}: published 7, ours" in capsys.readouterr().out


def test_a_missing_table_is_said_and_fails(
    command: typer.Typer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(*_: object) -> Iterator[Check]:
        raise LabelError("labels.parquet: no such file")
        yield

    monkeypatch.setattr(verification, "checks", missing)
    assert called(command, "--all") == 1
    assert "not checked: nasbench201: labels.parquet: no such file" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["nasbench999"]])
def test_families_without_checks_are_refused_with_those_that_have_some(
    command: typer.Typer, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert called(command, *arguments) == 2
    assert "nasbench201" in capsys.readouterr().err
