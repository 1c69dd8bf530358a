"""What every reader of a foreign format says when it refuses a file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from onnx_bench.errors import LabelError


class FormatError(LabelError):
    """Bytes that are not what they should be. The message is the reason alone."""


@contextmanager
def about(path: Path) -> Iterator[None]:
    """Lets a refusal name the file, and turns what the system refuses into one."""
    try:
        yield
    except FormatError as error:
        raise LabelError(f"{path}: {error}") from None
    except FileNotFoundError:
        raise LabelError(f"{path}: no such file") from None
    except OSError as error:
        reason = error.strerror or str(error).splitlines()[0]
        raise LabelError(f"{path}: cannot be read ({reason})") from None
    except MemoryError:
        raise LabelError(f"{path}: does not fit into memory") from None
