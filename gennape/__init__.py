"""Generalized predictors of neural-network performance.

`Predictor.from_pretrained(name)` loads one, `.predict([...])` scores networks. Everything heavy is
imported when it is first asked for: `import gennape` alone costs milliseconds.
"""

from typing import TYPE_CHECKING, Any

from onnx_bench.errors import GennapeError

if TYPE_CHECKING:
    from gennape.inference import Predictor

__version__ = "0.1.0"
__all__ = ["GennapeError", "Predictor", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "Predictor":
        from gennape.inference import Predictor

        return Predictor
    raise AttributeError(f"module 'gennape' has no attribute {name!r}")
