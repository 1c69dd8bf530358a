"""NATS-Bench as its authors publish it (Dong et al., TPAMI 2021), in any of three shapes.

- a folder `NATS-tss-v1_0-3ffb9-simple` (or -full) with `meta.pickle.pbz2` and a file for each
  network, `000000.pickle.pbz2`: the results by recipe, `{"12": ..., "200": ...}`;
- the same as a `.tar`, which is read without unpacking it to disk;
- one file `NATS-tss-v1_0-3ffb9.pickle.pbz2` with all results in `arch2infos`.

The files are pickles within bzip2. See `nats_runs` for what is in them.
"""

import tarfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from onnx_bench.formats.compressed import unpacked, unpacked_stream
from onnx_bench.formats.errors import FormatError, about
from onnx_bench.formats.plain_pickle import load
from onnx_bench.originals.found import checked, entry
from onnx_bench.originals.nats_runs import Row, row

MAX_NETWORK = 512 << 20
"""Most bytes of the pickle of one network; those with weights have some."""
RECIPES = {"01": 1, "12": 12, "90": 90, "200": 200}
"""Epochs by the names of the recipes."""
_END, _META = ".pickle.pbz2", "meta.pickle.pbz2"


def rows(path: Path) -> Iterator[Row]:
    """The wide row of each network of an archive.

    Warns where the archive says it has more networks than are there.

    Raises:
        LabelError: it is damaged, or none of NATS-Bench.
    """
    with about(path):
        if path.is_dir():
            yield from _complete(path, _of_folder(path))
        elif tarfile.is_tarfile(path):
            yield from _complete(path, _of_tar(path))
        else:
            data = load(unpacked(path))
            for results in entry(data, "arch2infos", dict).values():
                yield row(recipes(results))


def recipes(results: Any) -> dict[int, Any]:
    """The results by epochs."""
    found = {}
    for name, value in checked(results, dict, "the results").items():
        if name not in RECIPES:
            raise FormatError(f"{str(name)[:20]!r} is no recipe; expected {', '.join(RECIPES)}")
        found[RECIPES[name]] = value
    return found


def _complete(path: Path, files: Iterator[tuple[str, Any]]) -> Iterator[Row]:
    expected, seen = 0, 0
    for name, data in files:
        if name == _META:
            expected = len(entry(data, "meta_archs", list))
            continue
        try:
            yield row(recipes(data))
        except FormatError as error:
            raise FormatError(f"{name}: {error}") from None
        seen += 1
    if seen < expected:
        warnings.warn(f"{path}: {seen} of {expected} networks are there", stacklevel=2)


def _of_folder(path: Path) -> Iterator[tuple[str, Any]]:
    for file in sorted(path.glob(f"*{_END}")):
        with file.open("rb") as stream:
            yield file.name, _loaded(file.name, stream)


def _of_tar(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = member.name.rpartition("/")[2]
                stream = archive.extractfile(member) if name.endswith(_END) else None
                if stream is not None:
                    yield name, _loaded(name, stream)
    except (tarfile.TarError, EOFError, KeyError, RecursionError) as error:
        raise FormatError(f"a damaged archive ({error})") from None


def _loaded(name: str, stream: IO[bytes]) -> Any:
    try:
        return load(unpacked_stream(stream, MAX_NETWORK))
    except FormatError as error:
        raise FormatError(f"{name}: {error}") from None
