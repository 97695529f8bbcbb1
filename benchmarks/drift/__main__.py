"""Every scenario -> its line in docs/drift.md.

python -m benchmarks.drift              (needs the real data's layout; ten minutes of two cores)
"""

import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

from benchmarks.drift.checks import AlarmCounts, pool, populations, run_blocks
from benchmarks.drift.scenarios import FALSE_CHECKS, SECTIONS, Person, Scenario, Section
from benchmarks.measure import parser
from lambda_api.service import Service
from pipeline.files import Layout, write_text
from pipeline.intervals import wilson
from pipeline.ship.package import package_layout
from pipeline.watch.detector import DEVIATIONS, KEY_ALPHA, OTHER_ALPHA, psi_quantile
from pipeline.watch.measures import MEASURES, NAMES
from pipeline.watch.settings import DEFAULT

DOCUMENT = Path("docs/drift.md")

SHORT_CHECKS, SHORT_PEOPLE = 2, 30

LEAST_SHOWN = 0.01
"""Share of checks below which a measure is not shown: it drifted by chance."""

INTRO = """\
# What the watch sees

<!-- Made by `python -m benchmarks.drift`; do not edit. -->

`pipeline watch` compares the newest requests of a version with its first ones. How it judges, and why so, is
[decision 13](decisions/0013-drift-against-the-first-requests.md); what to do about a verdict is in
[operations](operations.md). This page says how often it is wrong.

Every line is a simulation. A check draws a reference of 500 accepted records and one window of 200 requests, asks the
watch's own judge, and counts an alarm if any measure drifts: false alarms are those of a whole check, all measures
together. People are drawn as whole records, with replacement, and answered by the shipped model through the service,
whose log is what the watch reads. One request in fifty is refused, as if somebody had mistyped a value. Unless a line
says otherwise the people are the 488 survey answers of the data, the only real people in it; *the embedded sample* has
all levels in equal shares, *plausible people* have body mass indexes spread evenly from 16 to 50. The last column names
the measures that raised the alarm, and in how many of the checks each did.
"""


def row(scenario: Scenario, counts: AlarmCounts) -> str:
    """The scenario's line of the table."""
    low, high = wilson(counts.alarms, counts.checks, 0.95)
    shares = [(name, count / counts.checks) for name, count in counts.measures.most_common(3)]
    measures = [f"{name} {share:.0%}" for name, share in shares if share >= LEAST_SHOWN]
    few = counts.alarms < counts.checks / 20
    return (
        f"| {scenario.name} | {counts.alarms / counts.checks:.2%} | {low:.2%} to {high:.2%} | {counts.checks:,} | "
        f"{'' if few else ', '.join(measures)} |"
    )


def section(content: Section, rows: Sequence[str]) -> str:
    """A part of the document."""
    head = "| what changes | alarms | 95% interval | checks | measures |\n| --- | ---: | ---: | ---: | --- |"
    note = f"\n{content.note}\n" if content.note else ""
    return f"## {content.title}\n\n{head}\n" + "\n".join(rows) + "\n" + note


def limits() -> str:
    """The limits themselves, for a window and a reference of the usual size; needs no simulation."""
    factor = 1 / DEFAULT.window + 1 / DEFAULT.reference
    bins = "".join(f"| {bins} | {psi_quantile(bins) * factor:.3f} |\n" for bins in range(2, 11))
    reach = {name: float(DEVIATIONS[NAMES.index(name)]) * (factor / 12) ** 0.5 for name in ("BMI", "Age")}
    return (
        f"{len(MEASURES)} measures are judged, {sum(measure.ordered for measure in MEASURES)} of them by their shift "
        f"as well. A shift of BMI and of the prediction may each raise a false alarm in {KEY_ALPHA:.1%} of checks, "
        f"everything else together in {OTHER_ALPHA:.1%}. For a window of {DEFAULT.window} and a reference of "
        f"{DEFAULT.reference} that makes:\n\n"
        f"| bins compared | PSI that chance explains |\n| ---: | ---: |\n{bins}\n"
        f"A shift is a share of pairs; chance takes that of BMI and of the prediction {reach['BMI']:.1%} to either "
        f"side of one half, any other one {reach['Age']:.1%}, and less where many values are tied.\n"
    )


def simulate(
    service: Service, people: Mapping[str, Sequence[Person]], workers: Executor, most_checks: int
) -> tuple[str, AlarmCounts]:
    """The document's sections, and the outcome of the first block of checks, which a test repeats."""
    before = {name: pool(service, some) for name, some in people.items()}
    sections, first = [], None
    for content in SECTIONS:
        rows = []
        for scenario in content.scenarios:
            repeated = replace(scenario, checks=min(scenario.checks, most_checks))
            after = pool(service, people[scenario.population], scenario.change)
            blocks = run_blocks(repeated, before[scenario.population], after, workers)
            first = first or blocks[0]
            rows.append(row(scenario, sum(blocks[1:], blocks[0])))
            print(rows[-1], flush=True)
        sections.append(section(content, rows))
    assert first is not None  # noqa: S101  there is a scenario
    return "\n".join(sections), first


def main() -> None:
    """Simulate everything and write the document."""
    command = parser(__doc__)
    command.add_argument("--layout", type=Path, default=Path(), help="a trained layout")
    command.add_argument("--out", type=Path, default=DOCUMENT)
    given = command.parse_args()
    layout = Layout(given.layout)
    checks, count = (SHORT_CHECKS, SHORT_PEOPLE) if given.short else (FALSE_CHECKS, None)
    people = {name: some[:count] for name, some in populations(layout).items()}
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor() as workers:
        package_layout(layout, Path(folder))
        sections, first = simulate(Service.load(Path(folder)), people, workers, checks)
    note = (
        f"Of the first {first.checks} checks of the first line {first.alarms} raised an alarm; a test repeats them.\n"
    )
    write_text(given.out, f"{INTRO}\n{sections}\n{note}\n## The limits\n\n{limits()}")
    print(f"wrote {given.out}")


if __name__ == "__main__":
    main()
