"""Conversions that are planned once, and made by any number of processes on any machines."""

from __future__ import annotations

import functools
import importlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, Literal, TypeAlias

from . import _inlaid
from ._errors import InlaidError, RejectedError, SettingError
from ._progress import Progress, bar, reporter
from ._settings import counted, integer, place_of, truth

Engine: TypeAlias = Literal["ray", "spark"] | Callable[[Callable[[int], dict[str, Any]], Sequence[int]], Iterable[Any]]


class Plan:
    """A planned conversion. `inlaid.plan` makes it; `Plan(run)` opens it again, on any machine.

    Every item is one file of the dataset. `inlaid.work(plan.run, item)` makes the file of an item, in any process, on
    any machine and in any order; `commit` makes the dataset of all of them, with the bytes that `convert` would have
    written. Whatever dies in between, repeating these calls resumes.
    """

    run: str
    """Path or URL of the run, below `out`."""
    items: int
    """Number of items, numbered from 0."""
    inputs: int
    """Number of inputs, rejects included."""
    rejects: int
    """Number of inputs that were rejected without being read."""
    scans: bool
    """Whether the items only read files, because that decides the splits. When all of them are done, `again` plans the
    conversion."""
    committed: bool
    """Whether the dataset is made already."""

    def __init__(self, run: str | bytes | PathLike[str], *, storage_options: Mapping[str, Any] | None = None) -> None:
        place = place_of("run", run)
        self._take(_inlaid.planned(place, {"storage_options": storage_options}), {"storage_options": storage_options})

    @staticmethod
    def _of(told: str, settings: Mapping[str, Any], again: Callable[[], Plan]) -> Plan:
        """A plan that was made with these keywords."""
        plan = Plan.__new__(Plan)
        plan._take(told, settings, again)
        return plan

    def _take(self, told: str, settings: Mapping[str, Any], again: Callable[[], Plan] | None = None) -> None:
        said = json.loads(told)
        self.run, self.items, self.inputs, self.rejects = (said[name] for name in ("run", "items", "inputs", "rejects"))
        self.scans, self.committed = said["scans"], said["committed"]
        self._most_rejects: int | None = said["most_rejects"]
        self._settings, self._again = settings, again

    def missing(self) -> list[int]:
        """The items that are not done, in ascending order. Empty if the dataset is made."""
        found: list[int] = json.loads(_inlaid.missing(self.run, self._keywords()))
        return found

    def again(self) -> Plan:
        """Plans again, with the same arguments: after a scan, the conversion. The plan of a run that was opened by
        `Plan(run)` does not know them."""
        if self._again is None:
            raise SettingError("call inlaid.plan again, with the arguments that it had")
        return self._again()

    def commit(self, *, single_writer: bool = False, croissant: bool = False) -> dict[str, Any]:
        """Makes the dataset, and returns the summary as `convert` does. May be called again.

        - `single_writer`, `croissant`: as for `convert`.

        Raises `InlaidError` if items are not done, `RejectedError` if more inputs than allowed are unusable,
        `LockedError` if another process is committing, `InlaidError` also if another run has made the dataset.
        """
        single_writer = truth("single_writer", single_writer) or self._settings.get("single_writer", False)
        croissant = truth("croissant", croissant) or self._settings.get("croissant", False)
        keywords = {**self._keywords(), "single_writer": single_writer, "croissant": croissant}
        summary: dict[str, Any] = json.loads(_inlaid.commit(self.run, keywords))
        return summary

    def _keywords(self) -> dict[str, Any]:
        return {"storage_options": self._settings["storage_options"]}

    def _keywords_of_work(self, threads: int) -> dict[str, Any]:
        """The keywords of `work`."""
        return {"threads": threads, "memory": self._settings.get("memory"), **self._keywords()}

    def _outcomes(self, items: Sequence[int]) -> list[dict[str, Any]]:
        """What became of items that are done."""
        found: list[dict[str, Any]] = json.loads(_inlaid.outcomes(self.run, list(items), self._keywords()))
        return found

    def __repr__(self) -> str:
        kind = "items to scan" if self.scans else "items"
        return f"<inlaid.Plan of {self.items} {kind}, {counted(self.inputs, 'input', 'inputs')}: {self.run!r}>"


def work(
    run: str | bytes | PathLike[str],
    item: int,
    *,
    threads: int = 1,
    memory: int | str | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Makes the file of an item of a plan; nobody sees it before the commit. It may be called for the same item again,
    also at the same time on another machine, or after the commit: an item that is done is passed over.

    - `run`: `plan.run`.
    - `item`: number of the item, from 0.
    - `threads`, `memory`, `storage_options`: as for `convert`. Keys of stores are not in the plan: every machine has
      its own, or is given them here.

    Returns a dictionary with "item", "made" (whether this call did it), "rows", "bytes", "rejects" and "seconds".

    Ctrl-C (`KeyboardInterrupt`) stops it, and the item stays as it was. Raises `InlaidError` if there is no such plan
    or item, or if another release, or a build with other features, made the plan, `RejectedError` if the item alone has
    more rejects than are allowed, `StoreError`, `DiskFullError`.
    """
    place, number = place_of("run", run), integer("item", item, 0)
    keywords = {"threads": threads, "memory": memory, "storage_options": storage_options}
    summary: dict[str, Any] = json.loads(_inlaid.work(place, number, keywords))
    return summary


class Tally:
    """Counts what became of items, shows it, and stops a run in which more inputs are rejected than its plan allows."""

    def __init__(self, plan: Plan, progress: Progress) -> None:
        self._plan, self._show = plan, reporter(progress, "images")
        self._bar = bar(plan.inputs, "images") if self._show is True else None
        self._rejects, self._done = plan.rejects, plan.rejects
        self._items: set[int] = set()

    def add(self, done: Mapping[str, Any]) -> None:
        """Counts an item, once."""
        if done["item"] in self._items:
            return
        self._items.add(done["item"])
        inputs = done["rows"] + done["rejects"]
        self._done, self._rejects = self._done + inputs, self._rejects + done["rejects"]
        if self._bar is not None:
            self._bar.update(inputs)
        if callable(self._show):
            self._show(self._done, self._plan.inputs, self._rejects)
        most = self._plan._most_rejects
        if most is not None and self._rejects > most:
            limit = f"more than the {most} allowed" if most else "and none is allowed"
            raise RejectedError(
                f"{self._rejects} of {counted(self._plan.inputs, 'input', 'inputs')} can't be used, {limit}"
            )

    def poll(self) -> None:
        """Counts the items that the records say are done."""
        missing = set(self._plan.missing())
        new = [item for item in range(self._plan.items) if item not in missing and item not in self._items]
        for done in self._plan._outcomes(new):
            self.add(done)

    def end(self) -> None:
        """Ends the bar."""
        if self._bar is not None:
            self._bar.close()


def carry_out(plan: Plan, progress: Progress, each: Callable[[Plan, Sequence[int], Tally], None]) -> dict[str, Any]:
    """Has `each` work on the items that are not done, scans what the plan scans first, and commits."""
    while not plan.committed:
        missing = plan.missing()
        if missing:
            tally = Tally(plan, progress)
            try:
                if len(missing) < plan.items:
                    tally.poll()
                each(plan, range(plan.items) if len(missing) == plan.items else missing, tally)
            finally:
                tally.end()
        if not plan.scans:
            break
        before, plan = plan, plan.again()
        if plan.scans and plan.run == before.run:
            raise InlaidError("items are still not done after the engine has returned")
    return plan.commit()


def check_engine(engine: Engine) -> None:
    """Raises `SettingError` for what is no engine, and `ImportError` for one that is not installed."""
    if engine == "ray" or engine == "spark":
        importlib.import_module(f"inlaid.{engine}")
    elif not callable(engine):
        raise SettingError(f'engine is "ray", "spark" or a function such as map, not {engine!r}')


def run_with(engine: Engine, plan: Plan, progress: Progress, threads: int | None) -> dict[str, Any]:
    """Carries a plan out with an engine; see `convert`."""
    if engine == "ray" or engine == "spark":
        room = {"cpus" if engine == "ray" else "threads": threads or 1}
        made: dict[str, Any] = importlib.import_module(f"inlaid.{engine}").run(plan, progress=progress, **room)
        return made

    def each(plan: Plan, items: Sequence[int], tally: Tally) -> None:
        item_of = functools.partial(work, plan.run, **plan._keywords_of_work(threads or 1))
        for done in engine(item_of, items):
            tally.add(done)

    return carry_out(plan, progress, each)
