"""Work on a thread of its own, which the process does not wait for when it ends."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

_T = TypeVar("_T")


def on_thread(name: str, work: Callable[[], _T]) -> Future[_T]:
    """Begin `work` on a new thread; what it returns, or raises, is in the future.

    The threads of an executor would be waited for at the end of the process, be they stuck.

    >>> on_thread("adding", lambda: 1 + 1).result()
    2
    """
    future: Future[_T] = Future()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    Thread(target=run, name=name, daemon=True).start()
    return future
