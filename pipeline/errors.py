"""The exceptions that callers may expect, each with the exit code that the command line answers with.

::

    PipelineError                 1  never raised itself
    ├── StageError                -  a stage of DVC failed, with that stage's own exit code
    ├── InputError                2  something given is wrong; nothing was written
    │   ├── ParamsError              params.yaml: unknown key, wrong type, impossible value
    │   ├── DataError                a CSV or Parquet file: columns, categories, ranges, encoding, digest
    │   │   └── NotPublishedError       the publisher gives another file than the pinned one
    │   ├── SourceError              a place that data comes from cannot be reached
    │   ├── LogError                 a log of predictions cannot be read, or holds no line of the service
    │   ├── ModelFileError           a model or report file is missing or not of this project
    │   ├── RegistryError            unknown model, version, alias or metric; store unreachable
    │   ├── GitError                 git refuses to read or write this repository
    │   └── CloudError               AWS refuses, cannot be reached, or holds something else than expected
    └── Refusal                   3  everything given is right, and the answer is no
        ├── ParityError              the ONNX graph does not answer as the Pipeline does
        ├── AdditionRefusal          the labels of new records contradict their own answers
        ├── GateRefusal              the challenger is not promoted
        ├── ChampionRefusal          the champion that others share would become another one
        ├── DriftRefusal             recent requests differ from the reference
        ├── ReproductionError        two runs differ
        ├── DeploymentRefusal        the new version was stopped, by its golden answers or by an alarm
        └── RaceLostError            somebody else moved the alias first; nothing was changed, try again
"""

from collections.abc import Sequence

SHOWN_OFFENDERS = 20


class PipelineError(Exception):
    """Root of all expected failures; its text says what was found, what was expected, and what to do."""

    exit_code: int = 1


class StageError(PipelineError):
    """A stage of DVC failed; it has said why itself.

    Args:
        message: Which stage.
        exit_code: What it exited with.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class InputError(PipelineError):
    """Something the caller gave is wrong; nothing was written and what was there before is untouched."""

    exit_code = 2


class ParamsError(InputError):
    """params.yaml holds an unknown key, a wrong type or an impossible value."""


class DataError(InputError):
    """A table does not satisfy the contract, or is not the file that was pinned.

    Args:
        message: What is wrong with the whole table.
        offenders: One line each, sorted; at most `SHOWN_OFFENDERS` are shown and the rest counted.
    """

    def __init__(self, message: str, offenders: Sequence[str] = ()) -> None:
        lines = [message, *(f"  {line}" for line in offenders[:SHOWN_OFFENDERS])]
        if len(offenders) > SHOWN_OFFENDERS:
            lines.append(f"  (+{len(offenders) - SHOWN_OFFENDERS} more)")
        super().__init__("\n".join(lines))


class NotPublishedError(DataError):
    """The publisher gives another file than the pinned one, and DVC gives none."""


class SourceError(InputError):
    """A place that data comes from cannot be reached; the text names each one tried, `brief` is its first line."""

    @property
    def brief(self) -> str:
        """What is missing, in one line."""
        return str(self).splitlines()[0].rstrip(":")


class LogError(InputError):
    """A log of predictions cannot be read, or holds no line of the service."""


class ModelFileError(InputError):
    """A model or report file is missing, damaged, or made by something else."""


class RegistryError(InputError):
    """The registry has no such model, version, alias or metric, or cannot be reached."""


class GitError(InputError):
    """git refuses to read or write this repository; the text is its own reason, which names the remedy."""


class CloudError(InputError):
    """AWS refuses, cannot be reached, or does not hold what was expected; nothing was changed there."""


class Refusal(PipelineError):  # noqa: N818  a refusal is an answer, not an error
    """Everything given is right, and the answer is no."""

    exit_code = 3


class ParityError(Refusal):
    """The ONNX graph does not answer exactly as the scikit-learn Pipeline does, so it was not written."""


class AdditionRefusal(Refusal):
    """The labels of new records contradict the records' own answers far more often than the data's do."""


class GateRefusal(Refusal):
    """The challenger is not promoted; the champion stays."""


class ChampionRefusal(Refusal):
    """A push would make another version the champion that others share; nothing was changed."""


class DriftRefusal(Refusal):
    """Recent requests differ from the reference by more than chance explains."""


class ReproductionError(Refusal):
    """Two runs on the same input differ."""


class DeploymentRefusal(Refusal):
    """The new version does not answer as it must, or an alarm rang: the version before goes on answering."""


class RaceLostError(Refusal):
    """Another writer moved the alias first; nothing was changed, and the command can be run again."""
