"""The trainings of a network as NAS-Bench-201 and NATS-Bench keep them (Dong and Yang).

Both archives hold, for each network and each training recipe, the dict of an `ArchResults`:
`arch_str`, `dataset_seed` ({data set: seeds}) and `all_results` ({(data set, seed): training}). A
training is the dict of a `ResultsCount`: `epochs`, `params` (millions), `flop` (millions),
`train_acc1es` ({epoch: percent}), `train_times`, and `eval_acc1es` ({"x-valid@199": percent}). The
data set `cifar10-valid` is CIFAR-10 with half of the training images.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from onnx_bench.formats.errors import FormatError
from onnx_bench.formats.plain_pickle import PlainObject
from onnx_bench.originals.found import checked, number

Row = dict[str, Any]
SPLITS = {
    "cifar10-valid": ("c10valid", {"x-valid": "val", "ori-test": "test"}),
    "cifar10": ("c10", {"ori-test": "test"}),
    "cifar100": ("c100", {"x-valid": "val", "x-test": "test", "ori-test": "valtest"}),
    "ImageNet16-120": ("in16", {"x-valid": "val", "x-test": "test", "ori-test": "valtest"}),
}
"""Our short name of each data set, and which of its evaluations is which split."""
TIMES = {"cifar10-valid": "cifar10", "cifar100": "cifar100", "ImageNet16-120": "imagenet"}
MAX_SEEDS = 16
MAX_MILLIONS = 1e6


def row(recipes: dict[int, Any]) -> Row:
    """The wide row of one network: `arch_str`, sizes, and an accuracy in percent for each column.

    `SHORT_SPLIT_EPOCHS_seedN` is a training, in the order of the seeds (777, 888, 999), and
    `SHORT_SPLIT_EPOCHS_mean` the mean of those there are.

    Args:
        recipes: the results by the epochs of the recipe.

    Raises:
        FormatError: they are no results.
    """
    found: Row = {}
    for epochs, results in recipes.items():
        data = _attributes(results)
        found["arch_str"] = checked(data.get("arch_str"), str, "arch_str")
        for dataset, trainings in _trainings(data).items():
            if dataset in SPLITS:
                found.update(_columns(dataset, epochs, trainings))
    if len(found) < 2:
        raise FormatError("holds no trainings of a network")
    return found


def _trainings(data: Row) -> dict[str, list[Row]]:
    """The trainings by data set, in the order of their seeds."""
    results = checked(data.get("all_results"), dict, "all_results")
    by_dataset: dict[str, list[tuple[int, Row]]] = defaultdict(list)
    for place, training in results.items():
        match place:
            case (str() as dataset, int() as seed):
                by_dataset[dataset].append((seed, _attributes(training)))
            case _:
                raise FormatError("a training is not named by a data set and a seed")
    found = {}
    for dataset, trainings in by_dataset.items():
        if len(trainings) > MAX_SEEDS:
            raise FormatError(f"a network with {len(trainings)} seeds on {dataset[:20]!r}")
        trainings.sort(key=lambda pair: pair[0])
        found[dataset] = [training for _, training in trainings]
    return found


def _columns(dataset: str, epochs: int, trainings: list[Row]) -> Iterator[tuple[str, float]]:
    short, sets = SPLITS[dataset]
    for name, split in {"train": "train", **sets}.items():
        values = [_accuracy(training, name) for training in trainings]
        known = [value for value in values if value is not None]
        for seed, value in enumerate(values):
            if value is not None:
                yield f"{short}_{split}_{epochs}_seed{seed}", value
        if known:
            yield f"{short}_{split}_{epochs}_mean", sum(known) / len(known)
    seconds = [total for training in trainings if (total := _seconds(training))]
    if dataset in TIMES and seconds:
        yield f"train_time_s_{epochs}_{TIMES[dataset]}", sum(seconds) / len(seconds)
    if dataset in ("cifar10-valid", "cifar10"):
        for column, name in (("params_M_cifar10", "params"), ("flops_M_cifar10", "flop")):
            size = number(trainings[0].get(name), name)
            if not 0 <= size < MAX_MILLIONS:
                raise FormatError(f"{name} is {size:g} millions")
            yield column, size


def _accuracy(training: Row, name: str) -> float | None:
    """After the last epoch; None where it was not evaluated."""
    last = checked(training.get("epochs"), int, "epochs") - 1
    held, key = ("train_acc1es", last) if name == "train" else ("eval_acc1es", f"{name}@{last}")
    values = checked(training.get(held), dict, held)
    return number(values[key], held) if key in values else None


def _seconds(training: Row) -> float:
    """Of training; 0 where that is not known."""
    times = training.get("train_times")
    return (
        sum(number(value, "train_times") for value in times.values()) if type(times) is dict else 0
    )


def _attributes(data: Any) -> Row:
    """Of a dict, or of the object that older archives keep in its place."""
    return data.attributes if type(data) is PlainObject else checked(data, dict, "a result")
