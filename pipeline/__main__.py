"""`python -m pipeline` is the `pipeline` command."""

from pipeline.cli.flow import main

main()
