"""Plans that the tasks of a Spark cluster carry out, with DataFrames alone, as Spark Connect has them. Every node has
this package, pandas and PyArrow, and finds the sources and the dataset at the same paths."""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from pyspark.sql import SparkSession

from . import _errors
from ._errors import SettingError
from ._plan import Plan, Tally, carry_out, work
from ._progress import Progress

# How often the records of items are counted, at most; and the share of the time that counting may take.
SECONDS = 2.0
SHARE = 20


def run(
    plan: Plan, spark: SparkSession | None = None, *, threads: int = 1, progress: Progress = True
) -> dict[str, Any]:
    """Works on all items of a plan that are not done, as the partitions of one job, and commits. Returns the summary,
    as `inlaid.convert` does. Called again after anything has died, it resumes: what counts are the records
    of the items, not what a job returns.

    - `spark`: the session, of Spark 4.0 or later, or of Spark Connect. `None`: the active one.
    - `threads`: threads of a task, as `spark.task.cpus` says.
    - `progress`: as for `inlaid.convert`.

    Raises what Spark raises for a task that failed in all of its attempts (`spark.task.maxFailures`), and
    `RejectedError` as soon as more inputs than allowed are unusable; the job is interrupted.
    """
    session = SparkSession.getActiveSession() if spark is None else spark
    if session is None:
        raise SettingError("there is no active session of Spark; give one, as in inlaid.spark.run(plan, spark)")

    def each(plan: Plan, items: Sequence[int], tally: Tally) -> None:
        run, keywords = plan.run, plan._keywords_of_work(threads)

        def partition(batches: Iterator[Any]) -> Iterator[Any]:
            import pyarrow

            for batch in batches:
                for number in batch.column(0).to_pylist():
                    done = work(run, items[number], **keywords)
                    yield pyarrow.RecordBatch.from_pydict({"result": [json.dumps(done)]})

        job = session.range(0, len(items), 1, len(items)).mapInArrow(partition, "result string")
        watched(session, job, tally)

    return carry_out(plan, progress, each)


def what_tasks_raised(failure: BaseException) -> BaseException:
    """The exception of this package that a task raised, which a failure of Spark quotes; else the failure."""
    quoted = re.search(r"\binlaid\._errors\.(\w+): ([^\n]*)", str(failure))
    kind = getattr(_errors, quoted[1], None) if quoted else None
    return kind(quoted[2]) if quoted and kind is not None else failure


def watched(session: SparkSession, job: Any, tally: Tally) -> None:
    """Runs a job, and counts the items that are done meanwhile."""
    tag, rows, failures = f"inlaid-{uuid.uuid4().hex}", [], []

    def collect() -> None:
        try:
            session.addTag(tag)
            rows.extend(job.collect())
        except BaseException as failure:
            failures.append(failure)

    thread = threading.Thread(target=collect, name="inlaid-spark", daemon=True)
    thread.start()
    try:
        wait = SECONDS
        while thread.is_alive():
            thread.join(wait)
            begun = time.monotonic()
            tally.poll()
            wait = max(SECONDS, SHARE * (time.monotonic() - begun))
    except BaseException:
        session.interruptTag(tag)
        raise
    if failures:
        raise what_tasks_raised(failures[0]) from failures[0]
    for row in rows:
        tally.add(json.loads(row["result"]))
