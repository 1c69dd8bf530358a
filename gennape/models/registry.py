"""Names for classes: what a configuration or a checkpoint may ask for."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from onnx_bench.errors import GennapeError

T = TypeVar("T")


class Registry(Generic[T]):
    """A dictionary from names to classes whose error lists the names that it has."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._classes: dict[str, type[T]] = {}

    def register(self, name: str) -> Callable[[type[T]], type[T]]:
        """Class decorator that files the class under `name`."""

        def file(cls: type[T]) -> type[T]:
            self._classes[name] = cls
            return cls

        return file

    def __getitem__(self, name: str) -> type[T]:
        if name not in self._classes:
            raise GennapeError(f"no {self.kind} is called {name!r}; there are {', '.join(self)}")
        return self._classes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._classes))
