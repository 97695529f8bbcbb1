"""A GitHub of this machine's own: people push to it, it decides what runs as GitHub would, and act runs the steps.

Only what talks to GitHub's or AWS's own services is replaced, by the few lines of each folder in `actions/`.
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.registry import Registry
from tests.fakes.events import Events
from tests.fakes.repository_settings import EnvironmentSettings, RepositorySettings
from tests.fakes.trust import ROLE
from tests.fixtures.project import Project

ROLES = ("PUBLISH", "READ", "WATCH")
STAGES = ("dev", "staging", "prod")
COPIED = (".gitignore", ".gitattributes", ".dvcignore", "Makefile", "pyproject.toml", "template.yaml", "samconfig.toml")
REGION = "eu-central-1"
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": REGION}

CONFIG = """[core]
    analytics = false
    autostage = false
    remote = storage
['remote "storage"']
    url = s3://{bucket}/dvc
    endpointurl = {endpoint}
"""


@dataclass(frozen=True)
class Hub(Events):
    """A repository with its workflows, and where the stand-ins leave what they were given.

    Args:
        root: Its folder.
        s3: The address of a fake AWS.
        settings: The repository's settings; `bucket` sets what the README names.
    """

    root: Path
    s3: str
    settings: RepositorySettings = field(default_factory=RepositorySettings)

    @property
    def repository(self) -> Project:
        """A person's clone."""
        return Project(self.root / "repository")

    @property
    def name(self) -> str:
        """The bucket's name."""
        match = re.search(r"s3://([\w-]+)/dvc", (self.repository.root / ".dvc/config").read_text(encoding="utf-8"))
        assert match
        return match[1]

    def git(self, *arguments: str) -> str:
        """What git answers in the person's clone."""
        order = ["git", "-c", "user.name=somebody", "-c", "user.email=somebody@example.org", *arguments]
        done = subprocess.run(order, cwd=self.repository.root, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, message: str) -> str:
        """Commit everything; the commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def publish(self) -> None:
        """Make the repository on GitHub, with main as it is here."""
        self.origin.make()
        self.git("remote", "add", "origin", str(self.origin.folder))
        self.send("main")

    def send(self, branch: str) -> str:
        """Push HEAD to a branch, without what that starts; the commit."""
        self.git("push", "--quiet", "--force", "origin", f"HEAD:refs/heads/{branch}")
        return self.git("rev-parse", "HEAD")

    def bucket(self, name: str) -> None:
        """Make a bucket, which is DVC's remote and where the registry is kept, and set what the README names."""
        self._client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        config = CONFIG.format(bucket=name, endpoint=self.s3)
        (self.repository.root / ".dvc/config").write_text(config, encoding="utf-8")
        self.reach({**KEYS, "AWS_ENDPOINT_URL": self.s3})
        roles = {f"AWS_ROLE_{use}": f"{ROLE}/{use.lower()}" for use in ROLES}
        self.settings.variables |= {"REGISTRY_URL": f"s3://{name}/registry", "AWS_REGION": REGION, **roles}
        for stage in STAGES:
            deploying = EnvironmentSettings({"AWS_ROLE_DEPLOY": f"{ROLE}/deploy-{stage}"}, branches=("main",))
            self.settings.environments.setdefault(stage, deploying)

    def reach(self, endpoints: Mapping[str, str]) -> None:
        """Set where a job that takes a role finds AWS's services."""
        lines = "".join(f"{name}={value}\n" for name, value in endpoints.items())
        (self.root / "credentials").write_text(lines, encoding="utf-8")

    def keep(self) -> None:
        """Push data, models and registry, as a person does from a laptop."""
        for order in (["dvc", "push", "--quiet"], ["pipeline", "registry", "push", f"s3://{self.name}/registry"]):
            self._run(sys.executable, "-m", *order)

    def registry(self, folder: Path) -> Registry:
        """The registry as it is kept in the bucket."""
        folder.mkdir()
        store = f"sqlite:///{folder}/mlflow.db"
        order = ("-m", "pipeline", "registry", "pull", f"s3://{self.name}/registry")
        self._run(sys.executable, *order, MLFLOW_TRACKING_URI=store)
        return Registry(store)

    def _run(self, *order: str, **environment: str) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MLFLOW_"))}
        keys = {**KEYS, "AWS_ENDPOINT_URL": self.s3, "PYTHONWARNINGS": "", "PYTHONPATH": "."}
        done = subprocess.run(
            order, cwd=self.repository.root, env={**inherited, **keys, **environment}, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def clone(self, root: Path, bucket: str) -> "Hub":
        """Another hub with the same commits, deployments and content of its own bucket; of files, only what git has."""
        hub = Hub(root, self.s3)
        root.mkdir(parents=True)
        hub.origin.make(self.origin)
        subprocess.run(["git", "clone", "--quiet", hub.origin.folder, hub.repository.root], check=True)
        hub.bucket(bucket)
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name):
            for item in page.get("Contents", ()):
                source = {"Bucket": self.name, "Key": item["Key"]}
                self._client.copy_object(Bucket=bucket, Key=item["Key"], CopySource=source)
        hub.commit("Keep data and registry in another bucket")
        hub.send("main")
        hub.github.deployments += deepcopy(self.github.deployments)
        return hub

    @property
    def _client(self) -> Any:
        return self.client("s3")

    def client(self, service: str) -> Any:
        """A client of the fake AWS."""
        names = {"aws_access_key_id": KEYS["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": KEYS["AWS_SECRET_ACCESS_KEY"]}
        import boto3

        return boto3.client(service, endpoint_url=self.s3, region_name=REGION, **names)

    def state(self) -> dict[str, str]:
        """The ETag of every object in the bucket."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return {item["Key"]: item["ETag"] for page in pages for item in page.get("Contents", ())}
