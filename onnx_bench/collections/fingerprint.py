"""What graphs were built from: the texts, the files behind them, and the code that reads both."""

import ast
import hashlib
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import onnx_bench
from onnx_bench.families import FAMILIES, family_of, is_spec
from onnx_bench.graph import GRAPH_FORMAT
from onnx_bench.operators import VOCABULARY_VERSION

_PACKAGE = Path(onnx_bench.__file__).parent
_START = "onnx_bench.collections.build"
"""Its imports lead everywhere, and are not followed: texts and form say which of them are used."""
_ALWAYS = (_START, "onnx_bench.graph", "onnx_bench.collections.storage")


def key_of(texts: Sequence[str], fused: bool) -> str:
    """32 hex digits that change with anything that the graphs of these texts depend on."""
    found = hashlib.blake2b(digest_size=16)
    found.update(repr((GRAPH_FORMAT, VOCABULARY_VERSION, fused, len(texts))).encode())
    found.update(code_of(texts, fused).encode())
    for text in texts:
        found.update(f"{len(text)}:{text}".encode())
        if not is_spec(text):
            found.update(_file(Path(text)))
    return found.hexdigest()


def digest_of_files(paths: Iterable[Path]) -> str:
    """32 hex digits of what files hold, and of the code that keeps it as arrays."""
    found = hashlib.blake2b(digest_size=16)
    found.update(repr((GRAPH_FORMAT, VOCABULARY_VERSION)).encode())
    found.update(_digest(frozenset({"onnx_bench.collections.storage"})).encode())
    for path in paths:
        found.update(_file(path))
    return found.hexdigest()


def code_of(texts: Iterable[str], fused: bool) -> str:
    """A digest of all code that these texts' graphs run through.

    Every source file of ours that is reached by imports, and the version of every other package
    that they import.
    """
    roots = set(_ALWAYS)
    for name in set(map(family_of, texts)):
        if name in FAMILIES:
            roots |= {"onnx_bench.families", f"onnx_bench.families.{FAMILIES[name].split(':')[0]}"}
        else:
            roots.add("onnx_bench.doors")
    if fused:
        roots.add("onnx_bench.canonical")
    return _digest(frozenset(roots))


@cache
def _digest(roots: frozenset[str]) -> str:
    found = hashlib.blake2b(digest_size=16)
    for name in sorted(_reached(roots)):
        found.update(f"{name}:".encode() + _content(name))
    return found.hexdigest()


def _reached(roots: Iterable[str]) -> set[str]:
    """The modules that these import, themselves or through others; of other packages the name."""
    found, waiting = set[str](), list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _imports(name) if name != _START and _is_ours(name) else ()
    return found


def _imports(name: str) -> set[str]:
    imported = set()
    for node in ast.walk(ast.parse(_content(name))):
        match node:
            case ast.Import(names):
                imported |= {alias.name for alias in names}
            case ast.ImportFrom(str(module), names):
                imported |= {module, *(f"{module}.{alias.name}" for alias in names)}
            case ast.Call(ast.Name("import_module"), [ast.Constant(str(module)), *_]):
                imported.add(module)
            case ast.Call(ast.Attribute(attr="import_module"), [ast.Constant(str(module)), *_]):
                imported.add(module)
    ours = {module for module in imported if module.startswith("onnx_bench.") and _is_ours(module)}
    others = {module.partition(".")[0] for module in imported} - sys.stdlib_module_names
    return ours | others - {"onnx_bench"}


def _content(name: str) -> bytes:
    """The source of a module of ours, the version of another package."""
    if _is_ours(name):
        return _source(name).read_bytes()
    try:
        return version(name).encode()
    except PackageNotFoundError:
        return b"not there"


def _is_ours(name: str) -> bool:
    return name.startswith("onnx_bench.") and _source(name).is_file()


def _source(name: str) -> Path:
    path = _PACKAGE.joinpath(*name.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _file(path: Path) -> bytes:
    """A digest of a file; none that can be read is a content of its own, until it can."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").digest()
    except (OSError, ValueError):  # a path may hold a null byte
        return b"nothing to read"
