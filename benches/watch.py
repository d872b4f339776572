"""The memory of a process while it works, and its peak. Linux only (`/proc`). Not a bench itself."""

import threading
import time
from typing import NamedTuple


class Memory(NamedTuple):
    """The memory of a process, in bytes."""

    anonymous: int
    """The process's own memory, including shared memory, which the kernel can't reclaim."""
    resident: int
    """The same plus the pages of mapped files, which the kernel can reclaim at any time."""

    def above(self, other):
        return Memory(*(here - there for here, there in zip(self, other)))

    def or_greater(self, other):
        return Memory(*map(max, self, other))


def of_process():
    """The memory of this process alone: takes microseconds."""
    sizes = _sizes("/proc/self/status")
    return Memory(sizes["RssAnon"] + sizes["RssShmem"], sizes["VmRSS"])


def of_processes():
    """The memory of this process and those that it started, what they share counted once: takes milliseconds for
    every GiB."""
    import psutil

    total = Memory(0, 0)
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        try:
            sizes = _sizes(f"/proc/{process.pid}/smaps_rollup")
        except (FileNotFoundError, ProcessLookupError):
            continue  # the process has ended
        own = Memory(sizes["Pss_Anon"] + sizes["Pss_Shmem"], sizes["Pss"])
        total = Memory(*map(sum, zip(total, own)))
    return total


def _sizes(path):
    """{name: bytes} of a file of `/proc` whose lines are `Name:   number kB`."""
    with open(path) as file:
        lines = [line.split() for line in file]
    return {line[0].rstrip(":"): int(line[1]) * 1024 for line in lines if line[-1] == "kB"}


class MemoryWatch:
    """Memory above that at the start, sampled until `stop`."""

    def __init__(self, probe, interval=0.01):
        self._probe, self._interval = probe, interval
        self._start, self._stopped = probe(), threading.Event()
        self.peak = Memory(0, 0)
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _sample(self):
        while not self._stopped.is_set():
            self.now()
            time.sleep(self._interval)

    def now(self):
        above = self._probe().above(self._start)
        self.peak = self.peak.or_greater(above)
        return above

    def growth_while(self, step):
        """The peaks that `step` reaches, above the memory before it."""
        before = self.now()
        whole, self.peak = self.peak, before
        step()
        self.now()
        grown = self.peak.above(before)
        self.peak = self.peak.or_greater(whole)
        return grown

    def stop(self):
        """The peak until now; what comes later is not watched."""
        self.now()
        self._stopped.set()
        self._thread.join()
        return self.peak
