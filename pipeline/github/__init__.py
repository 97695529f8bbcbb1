"""Results of the loop -> GitHub: groups and annotations in a job, one comment on a pull request, one issue about drift.

Comment and issue are updated in place, so that a reader always finds the newest result in the same spot.
"""
