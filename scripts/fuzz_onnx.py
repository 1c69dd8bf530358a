"""Damages valid models in many ways, and checks that each is imported or refused in one line.

    python scripts/fuzz_onnx.py --minutes 10 --seed 0 -o runs/fuzz

Prints what became of the files. All but a network and a ModelFileError of one line are defects, an
import of more than five seconds and a crash too: the first files of each kind stay in the folder,
with their tracebacks, and the exit code is 1.
"""

import argparse
import faulthandler
import os
import random
import resource
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, TensorShapeProto, defs, helper
from onnx.parser import parse_model

from onnx_bench.errors import ModelFileError
from onnx_bench.families import FAMILIES, build_spec, family
from onnx_bench.onnx_export import to_onnx
from onnx_bench.onnx_import import import_onnx
from onnx_bench.onnx_wire import structure

SECONDS, MEMORY, KEPT, ALLOWED = 5, 4 << 30, 3, {"imported", "refused"}
AXIS = TensorShapeProto.Dimension
NUMBERS = [0, 1, -1, 2, 3, 7, 64, 2**31 - 1, 2**31, 2**62, 2**63 - 1, -(2**63)]
TEXTS = ["", "x", "y", "a\nb\x1b[31m", "n" * 5000, "batch", "input", "é\u202e", "%s{}"]
OPERATORS = sorted({schema.name for schema in defs.get_all_schemas()})
HEAD = '<ir_version: 10, opset_import: ["": 20, "own": 1]> g '
TEXT_MODELS = (
    """(float[batch, 4] x) => (float[batch, 4] y) <bool c = {1}, int64 n = {3}> {
         z = If (c) <then_branch = t () => (float[batch, 4] a) { a = Relu (x) },
                     else_branch = e () => (float[batch, 4] b) { b = Tanh (x) }>
         y = Loop (n, c, z) <body = l (int64 i, bool k, float[batch, 4] a)
           => (bool m, float[batch, 4] b) { m = Identity (k) b = Sigmoid (a) }> }""",
    """(float[batch, 4] x) => (float[batch, 4] y) { y = own.g <b = 0.5> (x) }
       <domain: "own", opset_import: ["": 20]> f <a> (x) => (y) { y = Elu <alpha: float = @a> (x) }
       <domain: "own", opset_import: ["": 20, "own": 1]> g <b> (x) => (y)
         { z = own.f <a: float = @b> (x) y = own.f <a = 0.1> (z) }""",
    """(float[batch, seq, 12] x) => (float[batch, seq, 12] y) <int64[1] r = {-1}, int64 i = {0}> {
         s = Shape (x) b = Gather <axis = 0> (s, i) u = Unsqueeze (b, r)
         h = Constant <value_ints = [-1, 3, 4]> () d = Concat <axis = 0> (u, h)
         p = Reshape (x, d) t = Transpose <perm = [0, 2, 1, 3]> (p)
         k = Transpose <perm = [0, 2, 3, 1]> (p) m = MatMul (t, k) a = Softmax (m)
         o = MatMul (a, t) v = Transpose <perm = [0, 2, 1, 3]> (o) f = Reshape (v, s)
         g, e = Split <axis = -1, num_outputs = 2> (f) y = Concat <axis = -1> (e, g) }""",
)


def main() -> None:
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", "-o", type=Path, default=Path("runs/fuzz"))
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    counts = fuzz(args.seed, 60 * args.minutes, args.output)
    print(*(f"{count:8,} {kind}" for kind, count in counts.most_common()), sep="\n")
    sys.exit(int(bool(counts.keys() - ALLOWED)))


def fuzz(seed: int, seconds: float, folder: Path) -> Counter[str]:
    """Damaged models by what became of them, for so long."""
    sources, counts = [*valid_models()], Counter[str]()
    path, trace = folder / "current.onnx", folder / "current.txt"
    shown, end = time.monotonic(), time.monotonic() + seconds
    while time.monotonic() < end:
        name = f"{seed}-{counts.total()}"
        path.write_bytes(damaged(random.Random(name), sources))
        counts[kind := outcome(path, trace)] += 1
        if kind not in ALLOWED and counts[kind] <= KEPT:
            path.rename(folder / f"{name}.onnx")
            trace.rename(folder / f"{name}.txt")
        if time.monotonic() > shown + 10:
            shown = time.monotonic()
            print(f"{end - shown:5.0f} s left: {dict(counts.most_common(4))}", file=sys.stderr)
    path.unlink(missing_ok=True)
    trace.unlink(missing_ok=True)
    return counts


def outcome(path: Path, trace: Path) -> str:
    """What a process of its own makes of a file: the first line of the trace that it leaves."""
    if child := os.fork():
        os.waitpid(child, 0)
        return trace.read_text().partition("\n")[0] or "killed"
    with trace.open("w") as stream:
        faulthandler.enable(stream)
        faulthandler.dump_traceback_later(SECONDS, exit=True, file=stream)
        stream.write(attempt(path))
    os._exit(0)


def attempt(path: Path) -> str:
    try:
        import_onnx(path)
    except ModelFileError as error:
        is_one_line = str(error).startswith(f"{path}: ") and str(error).isprintable()
        return "refused" if is_one_line else f"not one line: {error!r}"
    except Exception as error:
        file, line, *_ = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in {Path(file).name}:{line}\n{traceback.format_exc()}"
    return "imported"


def valid_models() -> Iterator[ModelProto]:
    """One of every family, and some of what other exporters write; all without large weights."""
    own = [name for name in FAMILIES if name != "timm"]  # which another package builds
    models = [to_onnx(build_spec(f"{name}:{family(name).example}")) for name in own]
    models += [parse_model(HEAD + text) for text in TEXT_MODELS]
    return (ModelProto.FromString(structure(model.SerializeToString())) for model in models)


def damaged(rng: random.Random, sources: list[ModelProto]) -> bytes:
    """A source after some damage to its messages, and at times to its bytes."""
    (source,) = rng.choices(sources, [source.ByteSize() ** -0.5 for source in sources])
    model = ModelProto.FromString(source.SerializeToString())
    for _ in range(rng.choice((0, 1, 1, 1, 2, 2, 3, 8))):
        with suppress(IndexError, ValueError, TypeError):  # no such part, or not of its type
            rng.choice(MUTATIONS)(rng, model)
    content = bytes(model.SerializeToString())
    for _ in range(rng.choice((0, 0, 0, 0, 1, 2, 5))):
        at, length = rng.randrange(len(content) + 1), rng.choice((0, 1, 1, 2, 20, len(content)))
        inserted = rng.choice((b"", rng.randbytes(1), rng.randbytes(9), content[at:][:40]))
        content = content[:at] + inserted + content[at + length :]
    return content


def parts(message: Any, *kinds: type) -> list[Any]:
    """A message and all within it, or those of some kinds."""
    found = [message] if isinstance(message, kinds or object) else []
    for _, value in message.ListFields():
        for part in value if hasattr(value, "append") else [value]:
            found += parts(part, *kinds) if hasattr(part, "ListFields") else []
    return found


def any_field(rng: random.Random, model: ModelProto) -> None:
    """Clears, doubles or changes a field anywhere; most often one of a node."""
    message = rng.choice(parts(model, *rng.choice(((), (NodeProto,)))))
    field, value = rng.choice(message.ListFields())
    text = rng.choice(OPERATORS if field.name == "op_type" else TEXTS)
    fresh = {str: text, bytes: text.encode(), int: rng.choice(NUMBERS), float: 1e39}
    if hasattr(value, "append"):
        items, at = [*value], rng.randrange(len(value))
        changed = fresh.get(type(items[at]), items[at])
        items[at : at + 1] = rng.choice(([], [items[at]] * 2, [changed]))
        message.ClearField(field.name)
        getattr(message, field.name).extend(items)
    elif field.message_type is not None or rng.random() < 0.3:
        message.ClearField(field.name)
    else:
        setattr(message, field.name, fresh[type(value)])


def other_name(rng: random.Random, model: ModelProto) -> None:
    """Puts a name of one place into another: cycles, doubles, what nothing writes."""
    nodes = parts(model, NodeProto)
    names = [name for node in nodes for name in (*node.input, *node.output)]
    target = getattr(rng.choice(nodes), rng.choice(("input", "output")))
    target[rng.randrange(len(target))] = rng.choice([*names, *TEXTS])


def other_sizes(rng: random.Random, model: ModelProto) -> None:
    """Changes the dims of a tensor or a value, or the whole numbers of an attribute."""
    part = rng.choice(parts(model, TensorProto, AXIS, AttributeProto))
    if isinstance(part, AXIS):
        part.dim_value = rng.choice(NUMBERS)
    else:
        sizes = part.dims if isinstance(part, TensorProto) else part.ints
        sizes[rng.randrange(len(sizes))] = rng.choice(NUMBERS)
        sizes.extend(rng.choices(NUMBERS, k=rng.choice((0, 0, 1, 9))))


def other_attribute(rng: random.Random, model: ModelProto) -> None:
    """Gives a node an attribute of some name in the model, of any type."""
    node = rng.choice(parts(model, NodeProto))
    names = [attribute.name for attribute in parts(model, AttributeProto)]
    names += defs.get_schema(node.op_type).attributes if defs.has(node.op_type) else TEXTS
    values: list[Any] = [rng.choice(NUMBERS), 1e39, rng.choice(TEXTS), NUMBERS, [0.5], TEXTS]
    made: Any = helper.make_attribute(rng.choice(names), rng.choice(values))
    made.type = rng.choice((made.type, made.type, rng.randrange(15)))
    node.attribute.append(made)


MUTATIONS = [any_field, any_field, any_field, other_name, other_sizes, other_attribute]

if __name__ == "__main__":
    main()
