"""A share of the processor -> commands that run with no more than it, and what they took of it."""

import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PERIOD_MS = 20


@dataclass(frozen=True)
class Group:
    """Processes that share a part of the processor.

    Attributes:
        folder: Of a control group; without one, a plain folder whose `cgroup.procs` names the process.
    """

    folder: Path

    @property
    def prefix(self) -> tuple[str, ...]:
        """What to put before a command, so that it and its children run in the group."""
        return ("/bin/sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(self.folder))

    def processor_ms(self) -> float:
        """Milliseconds of processor time that the group's processes have taken so far."""
        tasks = [task for pid in self._pids() for task in Path(f"/proc/{pid}/task").glob("*/schedstat")]
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e6

    def peak_mb(self) -> float:
        """Most megabytes that one of the group's processes ever held."""
        statuses = [Path(f"/proc/{pid}/status").read_text() for pid in self._pids()]
        return max(int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) for status in statuses) * 1024 / 1e6

    def _pids(self) -> list[str]:
        return (self.folder / "cgroup.procs").read_text().split()


def hierarchy() -> tuple[Path, int] | None:
    """The folder of the processor's control groups and their version; None if none may be written here."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, kind, options = line.split()[:4]
        folder = Path(place)
        if not os.access(folder, os.W_OK):
            continue
        if kind == "cgroup" and "cpu" in options.split(","):
            return folder, 1
        if kind == "cgroup2" and "cpu" in (folder / "cgroup.subtree_control").read_text().split():
            return folder, 2
    return None


@contextmanager
def share(cores: float) -> Iterator[Group]:
    """A group whose processes together have so much of the processor; all of it where there are no control groups.

    It has the greatest weight there is, so that other processes of the machine take nothing of its share.
    """
    if (place := hierarchy()) is None:
        with tempfile.TemporaryDirectory(prefix="share-") as name:
            yield Group(Path(name))
        return
    parent, version = place
    folder = Path(tempfile.mkdtemp(prefix="share-", dir=parent))
    for name, value in _limits(cores, version).items():
        (folder / name).write_text(value)
    try:
        yield Group(folder)
    finally:
        while (folder / "cgroup.procs").read_text():  # the last processes are still ending
            time.sleep(0.05)
        folder.rmdir()


def _limits(cores: float, version: int) -> dict[str, str]:
    quota, period = round(cores * PERIOD_MS * 1000), PERIOD_MS * 1000
    if version == 1:
        return {"cpu.cfs_period_us": str(period), "cpu.cfs_quota_us": str(quota), "cpu.shares": "262144"}
    return {"cpu.max": f"{quota} {period}", "cpu.weight": "10000"}
