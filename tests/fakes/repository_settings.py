"""What a team sets in a repository's settings, as far as the workflows meet it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.fakes.trust import trusts
from tests.fakes.workflow_rules import allows


@dataclass
class EnvironmentSettings:
    """An environment: its variables and secrets, and who may deploy to it from where."""

    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    branches: tuple[str, ...] | None = None
    """Patterns of branches; None is every branch, which is what an environment starts with."""
    reviewers: bool = False


@dataclass
class RepositorySettings:
    """A repository's settings; those of a public one on a free plan, with everything set that the README names."""

    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    environments: dict[str, EnvironmentSettings] = field(default_factory=dict)
    private: bool = False
    fork: bool = False
    plan: str = "free"
    """free, pro, team or enterprise."""
    protected: frozenset[str] = frozenset()
    """The branches that a job's token cannot update."""
    disabled: set[str] = field(default_factory=set)
    """The workflow files that are switched off, besides those that GitHub switches off."""
    enabled: set[str] = field(default_factory=set)
    """The scheduled workflow files that somebody switched on again in a fork."""
    trusts: Callable[[str, Mapping[str, str]], bool] = trusts
    """Whether AWS lets a token's claims take a role."""

    @property
    def attestations(self) -> bool:
        """https://github.com/actions/attest: private repositories need Enterprise Cloud."""
        return not self.private or self.plan == "enterprise"

    def environment(self, name: str) -> EnvironmentSettings:
        """An environment; on plans without them for private repositories, one in which nothing is set.

        https://docs.github.com/en/actions/reference/deployments-and-environments
        """
        return EnvironmentSettings() if self.private and self.plan == "free" else self._made(name)

    def _made(self, name: str) -> EnvironmentSettings:
        # Names are not case-sensitive; one that nobody made is made by the first job that names it.
        known = {other.casefold(): settings for other, settings in self.environments.items()}
        return known.get(name.casefold()) or self.environments.setdefault(name, EnvironmentSettings())

    @contextmanager
    def with_variables(self, variables: Mapping[str, str]) -> Iterator[None]:
        """Other values while the block runs: where an environment has the variable it is set there, else here."""
        before = dict(self.variables), {name: dict(one.variables) for name, one in self.environments.items()}
        for name, value in variables.items():
            holders = [one.variables for one in self.environments.values() if name in one.variables]
            for holder in holders or [self.variables]:
                holder[name] = value
        try:
            yield
        finally:
            self.variables = before[0]
            for name, values in before[1].items():
                self.environments[name].variables = values

    def may_deploy(self, name: str, ref: str) -> bool:
        """Whether a job of this ref may name an environment."""
        branches = self.environment(name).branches
        return branches is None or (ref.startswith("refs/heads/") and allows(branches, ref.removeprefix("refs/heads/")))
