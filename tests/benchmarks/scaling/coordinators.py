"""Real coordinators whose trials only take time: how many trials per second they manage."""

from __future__ import annotations

import io
import multiprocessing
import time
from typing import Any

from rich.console import Console

from lightsearch.coordinator.coordinator import Coordinator
from lightsearch.display.plain import PlainDisplay
from lightsearch.launchers import Ended, Job
from lightsearch.outcome import Kind, Outcome
from tests.benchmarks.scaling.databases import open_queue

context = multiprocessing.get_context("spawn")


def coordinate(url: str, *, coordinators: int, slots: int, seconds: float, duration: float) -> tuple[float, float]:
    """Trials per second, and how busy the slots were, in the second half of ``duration`` seconds."""
    answer, barrier = context.Queue(), context.Barrier(coordinators)
    arguments = (url, slots, seconds, duration, barrier, answer)
    processes = [context.Process(target=_coordinate, args=arguments) for _ in range(coordinators)]
    for process in processes:
        process.start()
    answers = [answer.get() for _ in processes]
    for process in processes:
        process.join()
    start = max(began for began, _ in answers) + duration / 2
    end = start + duration / 2
    spans = [span for _, spans in answers for span in spans]
    recorded = sum(start <= ended < end for _, ended in spans)
    # Jobs that run at the end are in no span; they take the place of those that had begun before the window.
    return recorded / (end - start), recorded * seconds / (end - start) / (slots * coordinators)


def _coordinate(url: str, slots: int, seconds: float, duration: float, barrier: Any, answer: Any) -> None:
    """Runs a coordinator for ``duration`` seconds, and puts the start and the end of each job into ``answer``."""
    queue, launcher = open_queue(url), Sleepers(slots, seconds)
    display = PlainDisplay(Console(file=io.StringIO()), direction="maximize", n_trials=10**6)
    queue.study.get_trials(deepcopy=False)
    coordinator = Coordinator(queue, launcher, display, n_trials=10**6, timeout=duration)
    barrier.wait()
    began = time.monotonic()
    coordinator.run()
    answer.put((began, launcher.spans))


class Sleepers:
    """Jobs that take ``seconds`` each; with 0, one job ends at every wait, so that the slots stay full."""

    blocks = False

    def __init__(self, slots: int, seconds: float) -> None:
        self.slots = slots
        self.seconds = seconds
        self.spans: list[tuple[float, float]] = []
        """The start and the end of each job."""
        self._running: dict[int, tuple[Job, float]] = {}

    def launch(self, job: Job) -> None:
        self._running[job.number] = (job, time.monotonic())

    def wait(self, timeout: float) -> list[Ended]:
        due = min((began + self.seconds for _, began in self._running.values()), default=float("inf"))
        time.sleep(min(max(due - time.monotonic(), 0), timeout))
        now = time.monotonic()
        ended = [number for number, (_, began) in self._running.items() if began + self.seconds <= now]
        return [self._end(number) for number in (ended if self.seconds else ended[:1])]

    def stop(self, number: int, *, kill: bool = False) -> None:
        self._running[number] = (self._running[number][0], float("-inf"))  # ends at the next wait, without a result

    def close(self) -> None:
        self._running.clear()

    def _end(self, number: int) -> Ended:
        job, began = self._running.pop(number)
        if began > float("-inf"):
            self.spans.append((began, began + self.seconds))
            result = Outcome(
                number=number, kind=Kind.COMPLETE, attempt=job.arguments["attempt"], value=number % 97 / 97
            )
            (job.folder / "result.json").write_text(result.model_dump_json())
        return Ended(number, 0)
