"""Sources to one collection on disk: built piece by piece, so that a run that was stopped goes on.

Finished pieces lie in `.NAME.parts` beside the collection's folder, each under a digest of what it
was built from; they are removed when the collection is whole.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from onnx_bench.collections import exchange, storage
from onnx_bench.collections.build import Piece, build, in_order, pieces
from onnx_bench.collections.fingerprint import key_of
from onnx_bench.collections.graphs import GraphCollection
from onnx_bench.collections.isomorphism import Keyed, key_atomic, key_fused
from onnx_bench.collections.labelled import LabelledCollection, Origin, labels_of
from onnx_bench.collections.sources import Source, joined
from onnx_bench.errors import CollectionError
from onnx_bench.files import atomic_folder

PIECE = 128
_KEYS, _FAILURES = "keys.npy", "failures.json"


class Task(NamedTuple):
    """A piece, and the folder where its result goes."""

    piece: Piece
    parts: Path


class Part(NamedTuple):
    """What a finished piece left on disk."""

    folder: Path
    failures: tuple[tuple[int, str], ...]
    """(position in the piece, what is wrong)."""


def collect(
    sources: Sequence[Source],
    output: Path,
    fused: bool = False,
    workers: int = 1,
    strict: bool = False,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Builds the networks of all sources and writes them with their labels.

    A network that several sources name is there once.

    Args:
        output: the folder to write.
        fused: whether graphs are brought to the fused form.
        workers: processes that share the work.
        strict: whether a network that cannot be built is an error; else its datasheet lists it.
        progress: called with how many more networks are done.

    Returns:
        the datasheet.

    Raises:
        CollectionError: no network could be built, or, under `strict`, not every one.
    """
    texts, measured = joined(sources)
    if not texts:
        raise CollectionError("the sources name no networks")
    exchange.check_place(output)
    parts = output.parent / f".{output.name}.parts"
    parts.mkdir(parents=True, exist_ok=True)
    tasks = [Task(piece, parts) for piece in pieces(texts, fused, PIECE)]
    done = []
    for task, part in zip(tasks, in_order(work, tasks, workers), strict=True):
        done.append(part)
        if progress:
            progress(len(task.piece.texts))
        if strict and part.failures:
            position, reason = part.failures[0]
            raise CollectionError(f"{task.piece.texts[position]}: {reason}")
    failed = {
        task.piece.texts[position]: reason
        for task, part in zip(tasks, done, strict=True)
        for position, reason in part.failures
    }
    built = [text for text in texts if text not in failed]
    if not built:
        raise CollectionError(f"none of the networks can be built; the first: {failed[texts[0]]}")
    with TemporaryDirectory(dir=parts) as folder:
        graphs, keys = _gathered(done, Path(folder) / "all")
        labels, origins = labels_of_sources(sources, built), _origins(sources, failed)
        found = LabelledCollection(graphs, built, labels, measured, origins, fused, keys)
        sheet = exchange.write(found, output)
    shutil.rmtree(parts)
    return sheet


def work(task: Task) -> Part:
    """Builds a piece and its keys, unless it is there from a run before."""
    folder = task.parts / key_of(task.piece.texts, task.piece.fused)
    if not (folder / storage.ABOUT).is_file():
        found = build(task.piece)
        both = (key_fused if task.piece.fused else key_atomic)(found.graphs)
        with atomic_folder(folder) as temporary:
            writer = storage.Writer(temporary)
            writer.add(found.graphs)
            np.save(temporary / _KEYS, np.stack(both))
            (temporary / _FAILURES).write_text(json.dumps(found.failures))
            writer.close()
    failures = json.loads((folder / _FAILURES).read_text())
    return Part(folder, tuple((position, reason) for position, reason in failures))


def _gathered(parts: Sequence[Part], folder: Path) -> tuple[GraphCollection, Keyed]:
    """The graphs of all parts, mapped from `folder`, and their keys."""
    folder.mkdir()
    writer = storage.Writer(folder)
    for part in parts:
        writer.add(storage.load(part.folder))
    writer.close()
    found = np.concatenate([np.load(part.folder / _KEYS) for part in parts], axis=1)
    return storage.load(folder), Keyed(found[0], found[1])


def labels_of_sources(sources: Sequence[Source], networks: Sequence[str]) -> pd.DataFrame:
    """The measurements on these networks, in their order, each with its network's number."""
    place = {text: number for number, text in enumerate(networks)}
    long = pd.concat([source.labels for source in sources], ignore_index=True)
    number = long["network"].map(place)
    known = number.notna()
    labels = labels_of(long[known].assign(graph=number[known].astype(np.int32)))
    return labels.sort_values("graph", kind="stable", ignore_index=True)


def _origins(sources: Sequence[Source], failed: dict[str, str]) -> tuple[Origin, ...]:
    found = []
    for source in sources:
        lost = [f"{text}: {failed[text]}" for text in source.networks if text in failed]
        origin, count = source.origin, len(source.networks) - len(lost)
        found.append(replace(origin, networks=count, skipped=(*origin.skipped, *lost)))
    return tuple(found)
