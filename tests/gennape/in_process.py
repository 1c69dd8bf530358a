"""A pool that runs its work where it is, for what a test puts in place and for speed."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any


class InProcess:
    """A pool of processes that is none: what a test puts in place would not reach another one."""

    def __init__(self, _workers: int, _context: Any, start: Any, arguments: tuple[Any]) -> None:
        start(*arguments)

    def __enter__(self) -> "InProcess":
        return self

    def __exit__(self, *_: object) -> None: ...

    def submit(self, work: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            future.set_result(work(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future

    def shutdown(self, **_: object) -> None: ...
