"""Calls of functions in children of the fork server that are under way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightsearch.launchers.fork_server import Child


class Calls:
    """A function that several children run at the same time.

    Args:
        function: The function.
        children: The children, each with this process's end of its pipe.
    """

    def __init__(self, function: Callable[..., Any], children: Sequence[tuple[Child, Connection]]) -> None:
        self._function, self._children = function, children

    def results(self) -> list[Any]:
        """Waits for the results of all children, and returns them.

        Raises:
            RuntimeError: if a child dies.
            Exception: one that the function raised.
        """
        try:
            answers = [self._answer(child, connection) for child, connection in self._children]
        except BaseException:
            self.end()
            raise
        for child, connection in self._children:
            connection.close()
            child.join()
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return answers

    def end(self) -> None:
        """Kills the children that still run."""
        for child, connection in self._children:
            child.kill()
            child.join()
            connection.close()

    def _answer(self, child: Child, connection: Connection) -> Any:
        """The result of a child, or the exception that its function raised."""
        try:
            return connection.recv()
        except EOFError:
            child.join()
            ended = f"a process that was to run {self._function.__name__} ended with {child.exitcode}"
            raise RuntimeError(ended) from None
