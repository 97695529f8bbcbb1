"""Results of the loop -> GitHub: annotations, a comment on a pull request, a commit of what a run made, a drift issue.

Comment and issue are updated in place, so that a reader always finds the newest result in the same spot.
"""
