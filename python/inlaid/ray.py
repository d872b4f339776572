"""Plans that the tasks of a Ray cluster carry out. Every node has this package, and finds the sources and the dataset
at the same paths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ray

from ._plan import Plan, Tally, carry_out, work
from ._progress import Progress


def run(plan: Plan, *, cpus: int = 1, retries: int = 3, progress: Progress = True, **options: Any) -> dict[str, Any]:
    """Works on all items of a plan that are not done, and commits. Returns the summary, as `inlaid.convert` does.
    Called again after anything has died, it resumes.

    - `cpus`: cores, and threads, of a task. One keeps all cores busy.
    - `retries`: how often a task is repeated whose process died, or that raised.
    - `progress`: as for `inlaid.convert`.
    - `options`: further options of `ray.remote`, such as `memory`, `scheduling_strategy` or `runtime_env`.

    Not more than two tasks for each core of the cluster are waiting, also while it grows. Raises what a task raised in
    its last attempt, and `RejectedError` as soon as more inputs than allowed are unusable.
    """

    def each(plan: Plan, items: Sequence[int], tally: Tally) -> None:
        keywords = plan._keywords_of_work(cpus)
        task = ray.remote(num_cpus=cpus, max_retries=retries, retry_exceptions=True, **options)(work)
        live: set[Any] = set()
        try:
            for item in items:
                live.add(task.remote(plan.run, item, **keywords))
                if len(live) >= 2 * max(1, int(ray.cluster_resources().get("CPU", 1) / cpus)):
                    live = drained(live, tally)
            while live:
                live = drained(live, tally)
        except BaseException:
            for reference in live:
                ray.cancel(reference)
            raise

    return carry_out(plan, progress, each)


def drained(live: set[Any], tally: Tally) -> set[Any]:
    """Waits for a task to end, and returns the others."""
    done, rest = ray.wait(list(live), num_returns=1)
    try:
        tally.add(ray.get(done[0]))
    except ray.exceptions.RayTaskError as failure:
        # What the task raised, without the lines of the worker.
        raise failure.cause from failure
    return set(rest)
