"""A GitHub of this machine's own: a repository, act to run its workflows, an S3 server, and what the runs left behind.

act runs the real workflow files without Docker and without network. Only what talks to GitHub's or AWS's own services
is replaced, by the few lines of each folder in `actions/`; checkout is act's own.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.registry import Registry
from tests.fakes.github import TOKEN
from tests.fixtures.project import Project
from tests.paths import ROOT

ACTIONS, COMMANDS = (Path(__file__).parent / name for name in ("actions", "commands"))
TOOLS = ROOT / ".tools"
ACT = TOOLS / "workflows/bin/act"
REPOSITORY = "us/obesity"
COPIED = (".gitignore", ".gitattributes", ".dvcignore", "Makefile", "pyproject.toml", "template.yaml", "samconfig.toml")
ROLES = ("PUBLISH", "READ", "DEPLOY", "WATCH")
REGION = "eu-central-1"
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": REGION}
USES = re.compile(r"uses: (?P<action>[\w-]+/(?P<name>[\w-]+))@(?P<sha>[0-9a-f]{40})")
FAR_AWAY = 4_000_000_000
"""Seconds since 1970: a moment that no checkout's files are newer than."""

CONFIG = """[core]
    analytics = false
    autostage = false
    remote = storage
['remote "storage"']
    url = s3://{bucket}/dvc
    endpointurl = {endpoint}
"""


@dataclass(frozen=True)
class Ran:
    """What one run of a workflow said and how its jobs and steps ended."""

    events: tuple[dict[str, Any], ...]

    @cached_property
    def jobs(self) -> dict[str, str]:
        """How each job that ran ended, by its name."""
        ended = [event for event in self.events if "jobResult" in event]
        return {event["job"].rpartition("/")[2].strip(): event["jobResult"] for event in ended}

    @cached_property
    def steps(self) -> dict[str, str]:
        """How each step that ran ended, by its name."""
        ended = [event for event in self.events if event.get("stage") == "Main" and "stepResult" in event]
        return {event["step"]: event["stepResult"] for event in ended}

    @cached_property
    def said(self) -> str:
        """Everything that was printed."""
        return "\n".join(str(event["msg"]).rstrip("\n") for event in self.events)

    @cached_property
    def outputs(self) -> dict[str, str]:
        """What steps handed on."""
        return {event["name"]: event["arg"] for event in self.events if event.get("command") == "set-output"}

    @cached_property
    def groups(self) -> list[str]:
        """The titles of what can be folded in the log."""
        return [event["arg"] for event in self.events if event.get("command") == "group"]

    def annotations(self, kind: str) -> list[tuple[str | None, str | None, str]]:
        """What is shown on top of the run or on a file: the file if any, the title if any, the text."""
        events = [event for event in self.events if event.get("command") == kind]
        return [(event["kvPairs"].get("file"), event["kvPairs"].get("title"), event["arg"]) for event in events]


@dataclass(frozen=True)
class Hub:
    """A repository with its workflows, and where the stand-ins leave what they were given."""

    root: Path
    s3: str

    @property
    def repository(self) -> Project:
        """The project that was pushed."""
        return Project(self.root / "repository")

    @property
    def artifacts(self) -> Path:
        """A folder for each artifact."""
        return self.root / "artifacts"

    @property
    def name(self) -> str:
        """The bucket's name."""
        match = re.search(r"s3://([\w-]+)/dvc", (self.repository.root / ".dvc/config").read_text(encoding="utf-8"))
        assert match
        return match[1]

    @property
    def variables(self) -> dict[str, str]:
        """What a team sets in the repository's settings, and in every environment's."""
        roles = {f"AWS_ROLE_{use}": f"arn:aws:iam::123456789012:role/{use.lower()}" for use in ROLES}
        return {"REGISTRY_URL": f"s3://{self.name}/registry", "AWS_REGION": REGION, **roles}

    def git(self, *arguments: str) -> str:
        """What git answers."""
        order = ["git", "-c", "user.name=somebody", "-c", "user.email=somebody@example.org", *arguments]
        done = subprocess.run(order, cwd=self.repository.root, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self, message: str) -> str:
        """Commit everything; the commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def bucket(self, name: str) -> None:
        """Make a bucket, which is DVC's remote and where the registry is kept."""
        self._client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        config = CONFIG.format(bucket=name, endpoint=self.s3)
        (self.repository.root / ".dvc/config").write_text(config, encoding="utf-8")
        self.reach({**KEYS, "AWS_ENDPOINT_URL": self.s3})

    def reach(self, endpoints: Mapping[str, str]) -> None:
        """Set where a job that takes a role finds AWS's services."""
        lines = "".join(f"{name}={value}\n" for name, value in endpoints.items())
        (self.root / "credentials").write_text(lines, encoding="utf-8")

    def keep(self) -> None:
        """Push data, models and registry, as a person does from a laptop."""
        for order in (["dvc", "push", "--quiet"], ["pipeline", "registry", "push", f"s3://{self.name}/registry"]):
            self._run(sys.executable, "-m", *order)

    def registry(self, folder: Path) -> Registry:
        """The registry as it is kept."""
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
        """Another hub with the same commits and the same content of its own bucket; of files, only what git has."""
        hub = Hub(root, self.s3)
        root.mkdir(parents=True)
        subprocess.run(["git", "clone", "--quiet", self.repository.root, hub.repository.root], check=True)
        hub.bucket(bucket)
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name):
            for item in page.get("Contents", ()):
                source = {"Bucket": self.name, "Key": item["Key"]}
                self._client.copy_object(Bucket=bucket, Key=item["Key"], CopySource=source)
        hub.commit("Keep data and registry in another bucket")
        return hub

    def _installed(self) -> Path:
        """This process's environment under another name, and to `make` newer than any lock: nothing is installed.

        What `make` did install after all would be from a checkout that is gone in a minute; so it cannot: where it
        would begin, with uv, there is none.
        """
        place = self.root / "environment"
        if not place.exists():
            (place / "bin").mkdir(parents=True)
            for command in (Path(sys.prefix) / "bin").iterdir():
                if not command.name.startswith(("uv", "pip")) or command.name == "pipeline":
                    (place / "bin" / command.name).symlink_to(command)
            (place / "lib").symlink_to(Path(sys.prefix) / "lib")
            shutil.copy(Path(sys.prefix) / "pyvenv.cfg", place)
            for stamp in (".uv", ".run", ".dev"):
                (place / stamp).touch()
                os.utime(place / stamp, (FAR_AWAY, FAR_AWAY))
            self._install_tools()
        return place

    def _install_tools(self) -> None:
        """What `make tools` installs, as far as it is here: a build without it fails and says so."""
        place = self.root / "tools"
        place.mkdir()
        for name in ("sam", "lambda"):
            (place / name).symlink_to(TOOLS / name)
        (place / ".done").touch()
        os.utime(place / ".done", (FAR_AWAY, FAR_AWAY))

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

    def written(self, name: str) -> list[str]:
        """The lines that a stand-in wrote down."""
        path = self.root / name
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def push(self, before: str, **variables: str) -> Ran:
        """What GitHub runs after a push to main that changes the model."""
        return self.act("push", "retrain", {"before": before, "ref": "refs/heads/main"}, **variables)

    def dispatch(self, workflow: str, inputs: Mapping[str, str], **variables: str) -> Ran:
        """What GitHub runs when somebody starts a workflow by hand."""
        return self.act("workflow_dispatch", workflow, {"inputs": dict(inputs)}, **variables)

    def pull_request(self, base: str, repository: str = REPOSITORY) -> Ran:
        """What GitHub runs for a pull request whose commits were made in a repository: this one, or a fork of it."""
        head = {"sha": self.git("rev-parse", "HEAD"), "ref": "change", "repo": {"full_name": repository}}
        request = {"number": 7, "base": {"sha": base, "ref": "main"}, "head": head}
        return self.act("pull_request", "pull-request", {"pull_request": request})

    def act(self, event_name: str, workflow: str, event: Mapping[str, Any], api: str = "", **variables: str) -> Ran:
        """Run one workflow file for one event; GitHub is at the address `api`, `variables` are set besides."""
        event_file = self.root / "event.json"
        event_file.write_text(json.dumps({"repository": {"full_name": REPOSITORY}, **event}), encoding="utf-8")
        order = [
            str(ACT),
            event_name,
            "--workflows",
            f".github/workflows/{workflow}.yml",
            "--eventpath",
            str(event_file),
        ]
        order += ["--platform", "ubuntu-latest=-self-hosted", "--no-cache-server", "--json"]
        environment = {
            "HUB": str(self.root),
            "VENV": str(self._installed()),
            "PYTHONPATH": ".",  # the checkout's own code, not what the environment was installed from
            "AWS_EC2_METADATA_DISABLED": "true",
            "GITHUB_REPOSITORY": REPOSITORY,
            **_wheels(),
            **({"GITHUB_API_URL": api} if api else {}),
        }
        secrets = {"GITHUB_TOKEN": TOKEN}
        flags = {
            "--var": {**self.variables, **variables},
            "--env": environment,
            "--secret": secrets,
            "--local-repository": _stand_ins(),
        }
        for flag, values in flags.items():
            order += [part for name, value in values.items() for part in (flag, f"{name}={value}")]
        # Nothing of this machine's own environment but the tools: no keys, no home.
        cache = self.root / "cache"
        path = os.pathsep.join([str(COMMANDS), os.environ["PATH"], str(Path(sys.prefix) / "bin")])
        machine = {"PATH": path, "HOME": str(self.root / "home"), "XDG_CACHE_HOME": str(cache)}
        done = subprocess.run(order, cwd=self.repository.root, env=machine, capture_output=True, text=True, check=False)
        shutil.rmtree(cache, ignore_errors=True)
        lines = [*done.stdout.splitlines(), *done.stderr.splitlines()]
        ran = Ran(tuple(json.loads(line) for line in lines if line.startswith("{")))
        assert ran.events, done.stdout + done.stderr
        return ran


def _wheels() -> dict[str, str]:
    """Where uv finds the function's wheels, as on this machine: nothing that was fetched once is fetched again."""
    inherited = {name: value for name, value in os.environ.items() if name.startswith(("UV_", "SSL_CERT_"))}
    return {"UV_CACHE_DIR": str(Path.home() / ".cache/uv"), **inherited}


def _stand_ins() -> dict[str, Path]:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / ".github").rglob("*.yml")]
    pinned = {(use["action"], use["sha"], use["name"]) for text in texts for use in USES.finditer(text)}
    return {f"{action}@{sha}": ACTIONS / name for action, sha, name in pinned if (ACTIONS / name).is_dir()}
