"""The authors' files are read once, and again when they change."""

from pathlib import Path

import pandas as pd
import pytest

from onnx_bench.benchmarks.converted import converted
from onnx_bench.errors import LabelError


class Reader:
    """Gives a table of one row, and counts how often it is asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, folder: Path) -> pd.DataFrame:
        self.calls += 1
        return pd.DataFrame({"text": [(folder / "a.txt").read_text()], "value": [1.5]})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GENNAPE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.txt").write_text("first")
    return tmp_path / "files"


def test_the_same_files_are_read_once(folder: Path) -> None:
    reader = Reader()
    first, second = (converted("name", folder, reader) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)
    assert reader.calls == 1


def test_a_changed_file_is_read_again(folder: Path) -> None:
    reader = Reader()
    converted("name", folder, reader)
    (folder / "a.txt").write_text("another")
    assert converted("name", folder, reader)["text"].tolist() == ["another"]
    (folder / "b.txt").touch()
    converted("name", folder, reader)
    assert reader.calls == 3


def test_another_benchmark_of_the_same_folder_has_a_table_of_its_own(folder: Path) -> None:
    reader = Reader()
    converted("one", folder, reader)
    converted("other", folder, reader)
    assert reader.calls == 2


def test_a_damaged_table_is_made_again(folder: Path, tmp_path: Path) -> None:
    reader = Reader()
    converted("name", folder, reader)
    (kept,) = (tmp_path / "cache" / "tables").iterdir()
    kept.write_bytes(kept.read_bytes()[:40])
    assert converted("name", folder, reader)["value"].tolist() == [1.5]
    assert reader.calls == 2


def test_what_cannot_be_read_is_not_kept(folder: Path, tmp_path: Path) -> None:
    def fail(folder: Path) -> pd.DataFrame:
        raise LabelError(f"{folder}: nothing to read")

    with pytest.raises(LabelError, match="nothing to read"):
        converted("name", folder, fail)
    assert not (tmp_path / "cache" / "tables").exists()


def test_a_cache_that_cannot_be_written_is_done_without(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("GENNAPE_CACHE", str(tmp_path / "file"))
    assert len(converted("name", folder, Reader())) == 1
