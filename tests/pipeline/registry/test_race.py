"""Two processes move one champion at the same instant."""

import shutil
import subprocess
import sys
from pathlib import Path

from pipeline.registry import Registry
from tests.paths import ROOT

NAME = "obesity_classifier"
ROUNDS = 4

# Both have seen that there is no champion before either may move it, as when two gates judged at the same time.
RACER = """
import sys
from pipeline.errors import PipelineError
from pipeline.registry import Registry

for uri in sys.argv[2:]:
    registry = Registry(uri, who=lambda: f"racer {sys.argv[1]}")
    seen = registry.champion("obesity_classifier")
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        registry.promote("obesity_classifier", int(sys.argv[1]), "Production", expected=seen and seen.number)
        print("moved", flush=True)
    except PipelineError as error:
        print(type(error).__name__, error.exit_code, flush=True)
"""


def test_of_two_processes_that_promote_at_the_same_instant_exactly_one_wins(two_versions: Path, tmp_path: Path) -> None:
    stores = [Path(shutil.copy(two_versions, tmp_path / f"{number}.db")) for number in range(ROUNDS)]
    uris = [f"sqlite:///{store}" for store in stores]
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(version), *uris],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for version in (1, 2)
    ]
    for uri in uris:
        assert [next_line(racer) for racer in racers] == ["ready", "ready"]
        for racer in racers:
            release(racer)
        results = [next_line(racer) for racer in racers]
        assert sorted(results) == ["RaceLostError 3", "moved"]
        winner = results.index("moved") + 1
        registry = Registry(uri)
        (move,) = registry.history(NAME)
        assert (move.who, move.moved_from, move.moved_to) == (f"racer {winner}", None, winner)
        champion = registry.champion(NAME)
        assert champion
        assert [version.number for version in registry.versions(NAME) if version.stage == "Production"] == [winner]
        assert champion.number == winner
    assert [racer.wait() for racer in racers] == [0, 0]
    for racer in racers:
        racer.communicate()


def next_line(racer: "subprocess.Popen[str]") -> str:
    assert racer.stdout
    return racer.stdout.readline().strip()


def release(racer: "subprocess.Popen[str]") -> None:
    assert racer.stdin
    racer.stdin.write("go\n")
    racer.stdin.flush()
