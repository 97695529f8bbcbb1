"""New records are added to the pinned data; tests/loop has their whole way through a pull request to a champion."""

import csv
import io
import random
from pathlib import Path

import pytest

from lambda_api.contract import TARGET
from pipeline import params as parameters
from pipeline.data.additions import grown
from pipeline.data.pin import pull_request
from pipeline.files import Layout, digest, file_digest
from pipeline.params import Params
from tests.fixtures.project import NOISY_GATE, Project, synthetic_records

NAME = "obesity_classifier"


def shuffled(text: str) -> str:
    """The records with their levels dealt out anew."""
    rows = list(csv.DictReader(io.StringIO(text)))
    levels = [row[TARGET] for row in rows]
    random.Random(1).shuffle(levels)  # noqa: S311  invents errors, guards no secret
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(row | {TARGET: level} for row, level in zip(rows, levels, strict=True))
    return out.getvalue()


def state(project: Project) -> tuple[str, str]:
    return file_digest(Layout(project.root).raw), file_digest(project.root / "params.yaml")


def test_shuffled_labels_are_refused_when_added_and_by_the_gate_if_added_with_force(
    project: Project, params: Params, tmp_path: Path
) -> None:
    project.set_params(gate=NOISY_GATE)
    poison = tmp_path / "poison.csv"
    poison.write_text(shuffled(synthetic_records(params, 200, seed=99)), encoding="utf-8")
    before = state(project)
    refused = project.run("ingest", "--add", str(poison))
    assert refused.returncode == 3
    assert "the new labels CONTRADICT the records' own height and weight" in " ".join(refused.stdout.split())
    assert f"AdditionRefusal: {poison}: the BMI rule agrees with " in refused.stderr
    assert "use --force: the gate still decides. Nothing was written" in refused.stderr
    assert state(project) == before

    assert project.run("ingest", "--add", str(poison), "--force").returncode == 0
    assert state(project) != before
    retrained = project.run("retrain")
    assert retrained.returncode == 0, retrained.stdout + retrained.stderr
    output = " ".join(retrained.stdout.split())
    refusal = output[output.index("Refused: ") :]
    assert "clearly below 0.85 (95% sure): the labels are probably shuffled or wrong" in refusal
    champion = project.registry().champion(NAME)
    assert champion
    assert (champion.number, len(project.registry().versions(NAME))) == (1, 2)


def test_records_can_be_added_again_before_anything_is_trained_and_after_a_kill_half_way(
    project: Project, params: Params, tmp_path: Path
) -> None:
    first, second = tmp_path / "first.csv", tmp_path / "it's second.csv"
    first.write_text(synthetic_records(params, 20, seed=1), encoding="utf-8")
    second.write_text(synthetic_records(params, 20, seed=2), encoding="utf-8")
    raw, pinned = Layout(project.root).raw, parameters.load(project.root / "params.yaml").data
    expected = grown(raw.read_bytes(), first.read_bytes(), "first", pinned)
    raw.unlink()  # as a kill between the data and its pin leaves it
    raw.write_bytes(expected.content)
    killed = project.run("ingest", "--add", str(first))
    assert (killed.returncode, "is not the pinned data" in killed.stderr) == (2, True)
    raw.unlink()
    again = project.run("ingest", "--add", str(first))  # DVC's cache has the old one
    assert again.returncode == 0, again.stderr
    assert raw.read_bytes() == expected.content
    assert "First tell DVC where to push" in again.stdout
    assert project.run("ingest", "--add", str(second)).returncode == 0
    pinned = pinned.model_copy(update={"sha256": expected.sha256})
    both = grown(expected.content, second.read_bytes(), "second", pinned)
    assert digest(raw.read_bytes()) == both.sha256 == parameters.load(project.root / "params.yaml").data.sha256
    nothing = project.run("ingest", "--add", str(second))
    assert (nothing.returncode, "has all of its 20 record(s) already" in nothing.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--add", "new.csv", "--from", "new.csv"], "--add takes neither --from nor --accept nor --collected-rows"),
        (["--add", "new.csv", "--collected-rows", "3"], "--add takes neither"),
        (["--synthetic"], "--synthetic and --force need --add FILE"),
        (["--add", "new.csv"], "new.csv cannot be read: No such file"),
        (["--add", "data/sample/records.csv"], "is the embedded sample: it is never accepted as real data"),
    ],
)
def test_what_cannot_be_added_is_reported_in_a_line(trained_project: Path, arguments: list[str], said: str) -> None:
    done = Project(trained_project).run("ingest", *arguments)
    assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (2, True, False), done.stderr


def test_the_commands_are_quoted_for_a_shell_and_name_what_is_added(small_csv: Path, params: Params) -> None:
    header, *rows = small_csv.read_text(encoding="utf-8").splitlines(keepends=True)
    data = params.data.model_copy(update={"collected_rows": 5})
    additions = grown(
        "".join([header, *rows[:-1]]).encode(), "".join([header, rows[-1]]).encode(), "n", data, synthetic=True
    )
    branch = f"add-1-synthetic-record-{additions.sha256[:8]}"
    assert pull_request(additions, "/my tools/dvc") == (
        f"git switch -c {branch}",
        "make run && '/my tools/dvc' push",
        (
            "git add params.yaml dvc.lock reports docs/model-card.md .dvc/config && "
            f"git commit -m 'Add 1 synthetic record' && git push -u origin {branch}"
        ),
    )
