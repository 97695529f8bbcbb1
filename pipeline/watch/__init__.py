"""The service's log -> for each version of the model, whether its newest requests are still like its first ones.

Drift is measured on the bins that the log counts, so no record of a person is read or kept. `watch_log` reads files or
CloudWatch; `watch_lines` takes any lines, in a notebook for instance::

    >>> from pipeline.watch import watch_lines
    >>> watch_lines(open("service.log", "rb")).versions["3"].verdict  # doctest: +SKIP
    'steady'
"""

from pipeline.watch.check import watch_lines, watch_log
from pipeline.watch.settings import WatchSettings
from pipeline.watch.summary import WatchSummary

__all__ = ["WatchSettings", "WatchSummary", "watch_lines", "watch_log"]
