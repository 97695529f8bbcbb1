"""A trained result -> a numbered version whose stage, aliases and history can be looked up, moved and taken back.

MLflow keeps it, in an SQLite file or on a server; runs share the file through S3 or the repository itself,
because runners start empty.
"""

from pipeline.registry.registry import Registry

__all__ = ["Registry"]
