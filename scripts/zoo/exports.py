"""Exports networks of the zoo to ONNX, as three exporters write them, without their weights.

    python -m scripts.zoo.exports -o zoo                      # the whole sample
    python -m scripts.zoo.exports resnet18 hf_bert -o zoo --exporters dynamo --timeout 600

Writes NAME.EXPORTER.onnx: `ts_eval` (TorchScript, evaluation mode, batch normalisation folded),
`ts_train` (TorchScript, training mode, nothing folded) and `dynamo` (today's default, optimised).
Tensors of more than 256 values lose their values but keep their dimensions and type. Files that
exist are kept, so a run that was stopped goes on; what fails is a line of `failures.csv`.
"""

import argparse
import csv
import io
import math
import multiprocessing as mp
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from multiprocessing.connection import Connection
from pathlib import Path
from unittest import mock

import onnx
import torch
from torch import Tensor, nn
from torch.onnx import TrainingMode

from onnx_bench.files import atomic_file
from scripts.zoo.networks import Network, network, sample

OPSET = 17
LARGEST = 256  # values of a tensor that are kept
VALUES = ("float_data", "int32_data", "string_data", "int64_data", "raw_data", "double_data")
PROTOBUF_LIMIT = 2**31 - 2**24  # bytes, less some for the nodes

Failures = dict[tuple[str, str], str]  # (network, exporter): error


def main() -> None:
    args = parse()
    torch.set_num_threads(1)
    path = args.output / "failures.csv"
    failures = read_failures(path)
    for exporter in args.exporters:  # all of the quick exporters first
        for name in args.names or sample():
            file = args.output / f"{name}.{exporter}.onnx"
            if file.exists():
                continue
            start = time.perf_counter()
            error = attempt(name, exporter, file, args.timeout)
            failures.pop((name, exporter), None)
            if error:
                failures[name, exporter] = error
            write_failures(path, failures)
            took = time.perf_counter() - start
            outcome = error or f"{file.stat().st_size / 1e3:,.0f} kB"
            print(f"{file.name}: {took:.1f} s, {outcome}", file=sys.stderr, flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="networks; the sample by default")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the folder")
    parser.add_argument("--exporters", nargs="+", choices=EXPORTERS, default=list(EXPORTERS))
    parser.add_argument("--timeout", type=float, default=180.0, help="seconds for each file")
    return parser.parse_args()


def attempt(name: str, exporter: str, file: Path, timeout: float) -> str:
    """Exports in a process of its own; returns the error in one line, empty for none."""
    # A fork inherits the libraries that are imported here, which take longer than many exports.
    context = mp.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(name, exporter, file, sender))
    try:
        network(name)
    except ValueError as error:
        return one_line(error)
    process.start()
    sender.close()
    process.join(timeout)
    if process.is_alive():
        process.kill()
        process.join()
        return f"no result after {timeout:.0f} s"
    if process.exitcode:
        return f"ended by {signal.Signals(-process.exitcode).name}"
    return receiver.recv()


def work(name: str, exporter: str, file: Path, sender: Connection) -> None:
    """What the process does: exports, shrinks, writes, and sends the error or an empty text."""
    silence = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # some exporters print whole graphs, and not through Python
        os.dup2(silence, stream)
    torch.manual_seed(0)
    try:
        model = EXPORTERS[exporter](network(name))
        for tensor in tensors(model):
            shrink(tensor)
        with atomic_file(file) as temporary:
            temporary.write_bytes(model.SerializeToString())
        sender.send("")
    except Exception as error:  # whatever an exporter raises is a result here
        sender.send(one_line(error))


def trained(model: nn.Module) -> nn.Module:
    """The model with weights that training could have left.

    Exporters compare values: they drop biases that are zero and share weights that are equal, of
    which a fresh network has many and a trained one none.
    """
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.is_floating_point():
                tensor.mul_(1 + 0.1 * torch.rand_like(tensor)).add_(0.01 * torch.rand_like(tensor))
    return model


def dynamo(zoo: Network) -> onnx.ModelProto:
    """As torch exports by default."""
    with torch.no_grad():  # where it could take gradients, it fails on the attention of T5
        program = torch.onnx.export(trained(zoo.make()), zoo.example(), dynamo=True, verbose=False)
    return program.model_proto


def ts_eval(zoo: Network) -> onnx.ModelProto:
    """As the TorchScript exporter leaves a network that is to be run."""
    return torchscript(trained(zoo.make()), zoo.example(), TrainingMode.EVAL)


def ts_train(zoo: Network) -> onnx.ModelProto:
    """As the TorchScript exporter leaves a network that is to be trained."""
    model = trained(zoo.make())
    try:
        return torchscript(model, zoo.example(), TrainingMode.TRAINING)
    except ValueError as error:  # batch normalisation after global pooling
        if "more than 1 value per channel" not in str(error):
            raise
        return torchscript(model, zoo.example(batch=2), TrainingMode.TRAINING)


def torchscript(
    model: nn.Module, inputs: tuple[Tensor, ...], mode: TrainingMode
) -> onnx.ModelProto:
    """Exports by the TorchScript exporter; weights stay out where a file could not hold them."""
    size = sum(weight.nbytes for weight in model.state_dict().values())
    buffer = io.BytesIO()
    with one_sequence():
        torch.onnx.export(
            model,
            inputs,
            buffer,
            dynamo=False,
            training=mode,
            do_constant_folding=mode is TrainingMode.EVAL,
            export_params=size < PROTOBUF_LIMIT,
            opset_version=OPSET,
        )
    return onnx.load_from_string(buffer.getvalue())


def one_sequence() -> AbstractContextManager[object]:
    """Spares decoders the search for packed sequences: TorchScript exports none of it rightly."""
    masks = sys.modules.get("transformers.masking_utils")  # loaded if a transformer was made
    if masks is None:
        return nullcontext()
    return mock.patch.object(masks, "find_packed_sequence_indices", return_value=None)


def tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every initialiser and constant of a model, those of its functions and branches too."""
    graphs = [model.graph]
    nodes = [node for function in model.functions for node in function.node]
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            yield from graph.initializer
            nodes.extend(graph.node)
            continue
        for attribute in nodes.pop().attribute:
            if attribute.HasField("t"):
                yield attribute.t
            if attribute.HasField("g"):
                graphs.append(attribute.g)


def shrink(tensor: onnx.TensorProto) -> None:
    """Takes the values out of a large tensor; dimensions and type stay."""
    if math.prod(tensor.dims) > LARGEST:
        for field in VALUES:
            tensor.ClearField(field)


def read_failures(path: Path) -> Failures:
    if not path.exists():
        return {}
    with path.open(newline="") as stream:
        return {(row["name"], row["exporter"]): row["error"] for row in csv.DictReader(stream)}


def write_failures(path: Path, failures: Failures) -> None:
    with atomic_file(path) as temporary, temporary.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["name", "exporter", "error"])
        writer.writerows([*key, error] for key, error in sorted(failures.items()))


def one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]


EXPORTERS: dict[str, Callable[[Network], onnx.ModelProto]] = {
    "ts_eval": ts_eval,
    "ts_train": ts_train,
    "dynamo": dynamo,
}

if __name__ == "__main__":
    main()
