"""Groups of processes, limited where control groups may be written, and only counted elsewhere."""

import subprocess
import sys

import pytest

from benchmarks.scaling import __main__ as scaling
from benchmarks.scaling import share
from pipeline.files import Layout


@pytest.mark.parametrize("limited", [True, False])
def test_a_group_counts_what_its_process_took(monkeypatch: pytest.MonkeyPatch, limited: bool) -> None:
    if not limited:
        monkeypatch.setattr(share, "hierarchy", lambda: None)
    elif share.hierarchy() is None:
        pytest.skip("no control group of the processor may be written here: needs root on Linux")
    busy = "sum(range(1_000_000)); print(flush=True); input()"

    with share.share(0.5) as group:
        command = [*group.prefix, sys.executable, "-c", busy]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            taken, peak = group.processor_ms(), group.peak_mb()
            process.communicate(b"\n")

    assert taken > 0
    assert peak > 1
    assert process.returncode == 0
    assert not group.folder.exists()


def test_full_measurements_without_control_groups_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "hierarchy", lambda: None)
    with pytest.raises(SystemExit, match="run this as root on Linux"):
        scaling.prepare(Layout())
