"""A trained result -> a numbered version whose stage, aliases and history can be looked up, moved and taken back.

Kept by MLflow, in a file or on a server, and carried through S3 where runners are empty each time.
"""

from pipeline.registry.registry import Registry

__all__ = ["Registry"]
