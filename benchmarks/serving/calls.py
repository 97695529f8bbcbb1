"""Contenders in this process -> the tables of processor time, of one record and of batches."""

from collections.abc import Sequence

from benchmarks.measure import time_in_turn
from benchmarks.serving.contenders import FLOOR, PANDAS, PYFUNC, SERVICE, Contenders
from pipeline.report.markdown import table

MANY = 1_000
"""Records from which on a batch is timed less often."""


def one_record(contenders: Contenders, rounds: int, calls: int) -> str:
    """The table of single records."""
    times = time_in_turn(contenders.for_one(), rounds, calls)
    floor = times[FLOOR].median
    rows = [
        [name, f"{one.median:,.0f} us", f"{one.p99:,.0f} us", f"{one.median / floor:.1f}x"]
        for name, one in times.items()
    ]
    ratio = times[PANDAS].median / times[SERVICE].median
    return (
        f"{table(('one record, processor time', 'median', 'p99', 'against the floor'), rows)}\n\n"
        f"{ratio:.0f} times as fast as pandas and scikit-learn for each request."
    )


def batches(contenders: Contenders, sizes: Sequence[int], rounds: int) -> str:
    """The table of batches; large ones are timed in half as many rounds."""
    head = ("records", FLOOR, "this service", "pandas + scikit-learn", "pyfunc", "faster than pandas + scikit-learn")
    rows = []
    for size in sizes:
        times = time_in_turn(contenders.for_batch(size), rounds if size < MANY else -(-rounds // 2), calls=2)
        each = {name: one.median / size for name, one in times.items()}
        figures = [f"{each[name]:,.1f}" for name in (FLOOR, SERVICE, PANDAS, PYFUNC)]
        rows.append([f"{size:,}", *figures, f"{each[PANDAS] / each[SERVICE]:.1f}x"])
    return f"{table(head, rows, left=0)}\n\nMicroseconds of processor time for each record, median."
