"""Nothing half-written is seen, nothing temporary stays."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from onnx_bench.files import atomic_file, atomic_folder

Atomic = Callable[[Path], AbstractContextManager[Path]]


class BodyError(Exception):
    """What the body of a test raises."""


@contextmanager
def umask(value: int) -> Iterator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_file(path: Path, text: str) -> None:
    path.write_text(text)


def write_folder(path: Path, text: str) -> None:
    path.mkdir(exist_ok=True)
    (path / "inner").mkdir()
    (path / "inner" / "text").write_text(text)


def read_file(path: Path) -> str:
    return path.read_text()


def read_folder(path: Path) -> str:
    return (path / "inner" / "text").read_text()


Ways = tuple[Atomic, Callable[[Path, str], None], Callable[[Path], str]]
BOTH: dict[str, Ways] = {
    "file": (atomic_file, write_file, read_file),
    "folder": (atomic_folder, write_folder, read_folder),
}


@pytest.fixture(params=BOTH)
def ways(request: pytest.FixtureRequest) -> Ways:
    return BOTH[request.param]


def test_the_target_holds_what_was_written_and_nothing_else_stays(
    ways: Ways, tmp_path: Path
) -> None:
    atomic, write, read = ways
    with atomic(tmp_path / "target") as temporary:
        write(temporary, "new")
    assert read(tmp_path / "target") == "new"
    assert names_in(tmp_path) == ["target"]


def test_missing_parent_folders_are_made(ways: Ways, tmp_path: Path) -> None:
    atomic, write, read = ways
    with atomic(tmp_path / "a" / "b" / "target") as temporary:
        write(temporary, "new")
    assert read(tmp_path / "a" / "b" / "target") == "new"


def test_an_existing_target_is_replaced_as_a_whole(ways: Ways, tmp_path: Path) -> None:
    atomic, write, read = ways
    write(tmp_path / "target", "old and longer")
    with atomic(tmp_path / "target") as temporary:
        write(temporary, "new")
    assert read(tmp_path / "target") == "new"
    assert names_in(tmp_path) == ["target"]


def test_a_replaced_folder_keeps_nothing_of_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "stale").touch()
    with atomic_folder(tmp_path / "target") as temporary:
        (temporary / "fresh").touch()
    assert names_in(tmp_path / "target") == ["fresh"]


def test_a_target_is_not_there_while_it_is_written(ways: Ways, tmp_path: Path) -> None:
    atomic, write, _ = ways
    with atomic(tmp_path / "target") as temporary:
        write(temporary, "half")
        assert not (tmp_path / "target").exists()


def test_an_existing_target_stays_whole_while_it_is_rewritten(ways: Ways, tmp_path: Path) -> None:
    atomic, write, read = ways
    write(tmp_path / "target", "old")
    with atomic(tmp_path / "target") as temporary:
        write(temporary, "half")
        assert read(tmp_path / "target") == "old"


def break_off(ways: Ways, target: Path, error: type[BaseException]) -> None:
    """Writes a part of the target and raises."""
    atomic, write, _ = ways
    with atomic(target) as temporary:
        write(temporary, "half")
        raise error


@pytest.mark.parametrize("error", [BodyError, KeyboardInterrupt])
def test_a_body_that_raises_leaves_nothing_behind(
    ways: Ways, tmp_path: Path, error: type[BaseException]
) -> None:
    with pytest.raises(error):
        break_off(ways, tmp_path / "target", error)
    assert names_in(tmp_path) == []


def test_a_body_that_raises_leaves_an_existing_target_as_it_was(ways: Ways, tmp_path: Path) -> None:
    _, write, read = ways
    write(tmp_path / "target", "old")
    with pytest.raises(BodyError):
        break_off(ways, tmp_path / "target", BodyError)
    assert read(tmp_path / "target") == "old"
    assert names_in(tmp_path) == ["target"]


def test_temporaries_lie_beside_the_target_so_that_renaming_cannot_copy(
    ways: Ways, tmp_path: Path
) -> None:
    atomic, write, _ = ways
    with atomic(tmp_path / "target") as temporary:
        write(temporary, "new")
        assert temporary.parent == tmp_path


def test_two_writers_of_one_target_do_not_meet(ways: Ways, tmp_path: Path) -> None:
    atomic, write, read = ways
    with atomic(tmp_path / "target") as first:
        write(first, "first")
        with atomic(tmp_path / "target") as second:
            write(second, "second")
        assert read(tmp_path / "target") == "second"
    assert read(tmp_path / "target") == "first"
    assert names_in(tmp_path) == ["target"]


@pytest.mark.parametrize(
    ("mask", "file_mode", "folder_mode"), [(0o022, 0o644, 0o755), (0o077, 0o600, 0o700)]
)
def test_what_is_left_behind_follows_the_umask(
    tmp_path: Path, mask: int, file_mode: int, folder_mode: int
) -> None:
    with umask(mask):
        with atomic_file(tmp_path / "file") as temporary:
            temporary.write_text("new")
        with atomic_folder(tmp_path / "folder"):
            pass
    assert (tmp_path / "file").stat().st_mode & 0o777 == file_mode
    assert (tmp_path / "folder").stat().st_mode & 0o777 == folder_mode


def test_writing_leaves_the_umask_as_it_was(tmp_path: Path) -> None:
    with umask(0o027):
        with atomic_file(tmp_path / "file"):
            pass
        assert os.umask(0o027) == 0o027


def test_a_file_cannot_take_the_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "kept").touch()
    with pytest.raises(OSError), atomic_file(tmp_path / "target") as temporary:  # noqa: PT011
        temporary.write_text("new")
    assert names_in(tmp_path) == ["target"]
    assert (tmp_path / "target" / "kept").exists()


def test_a_folder_in_the_place_of_a_file_leaves_nothing_else_behind(tmp_path: Path) -> None:
    """Replaced or refused: either way no temporary stays."""
    (tmp_path / "target").write_text("old")
    try:
        with atomic_folder(tmp_path / "target") as temporary:
            (temporary / "fresh").touch()
    except OSError:
        assert (tmp_path / "target").read_text() == "old"
    assert names_in(tmp_path) == ["target"]
