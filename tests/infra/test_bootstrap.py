"""infra/bootstrap.yaml made on a moto server and used: the bucket keeps what is put there, the roles do their work.

What moto's CloudFormation does not know is asked of its direct APIs, with the very properties of the template: the
provider, the bucket's policy and settings, and that a role has its managed policies. moto checks each request's role
against its policies, as IAM does, but for conditions.
"""

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from pipeline.errors import PipelineError
from pipeline.registry import Registry
from pipeline.registry.remote_store import pull, push
from tests.fakes.cloudformation import Stack
from tests.fixtures.registry import copy_registry
from tests.fixtures.templates import read
from tests.infra.roles import NUMBERS, OWNER
from tests.paths import ROOT

pytestmark = [
    pytest.mark.filterwarnings("ignore:Tried to parse AWS:UserWarning"),
    # moto's switch for checking roles is one for the whole process.
    pytest.mark.xdist_group("roles"),
]

REGION = "eu-central-1"
NAME = "obesity_classifier"
NEVER = "inf"


@dataclass(frozen=True)
class MotoStack:
    """The stack on a moto server."""

    address: str
    outputs: Mapping[str, str]
    stack: Stack

    def client(self, service: str, **keys: str) -> Any:
        """A service, as the account's owner or with other keys."""
        owner = {"aws_access_key_id": "owner", "aws_secret_access_key": "owner"}
        return boto3.client(service, endpoint_url=self.address, region_name=REGION, **(keys or owner))

    def keys(self, role: str) -> dict[str, str]:
        """What a workflow gets for its token."""
        arn = self.outputs[f"{role}Arn"]
        credentials = self.client("sts").assume_role_with_web_identity(
            RoleArn=arn, RoleSessionName="test", WebIdentityToken="not looked at by moto"
        )["Credentials"]
        return {
            "aws_access_key_id": credentials["AccessKeyId"],
            "aws_secret_access_key": credentials["SecretAccessKey"],
            "aws_session_token": credentials["SessionToken"],
        }

    def roles_count(self, after: str) -> None:
        """Check roles after so many more requests; `inf` for never."""
        order = urllib.request.Request(f"{self.address}/moto-api/reset-auth", after.encode(), {"Content-Type": "text"})
        urllib.request.urlopen(order).close()

    @contextmanager
    def only_what_roles_allow(self) -> Iterator[None]:
        """Everything that moto is asked meanwhile is checked."""
        self.roles_count("0")
        try:
            yield
        finally:
            self.roles_count(NEVER)


@pytest.fixture(scope="module")
def moto_stack(moto: str) -> MotoStack:
    """The one-time stack of ada's repository."""
    parameters = OWNER | NUMBERS
    client = boto3.client(
        "cloudformation",
        endpoint_url=moto,
        region_name=REGION,
        aws_access_key_id="owner",
        aws_secret_access_key="owner",
    )
    client.create_stack(
        StackName="obesity-levels-bootstrap",
        TemplateBody=(ROOT / "infra/bootstrap.yaml").read_text(),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
    )
    (stack,) = client.describe_stacks(StackName="obesity-levels-bootstrap")["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    resources = client.list_stack_resources(StackName="obesity-levels-bootstrap")["StackResourceSummaries"]
    names = {item["LogicalResourceId"]: item.get("PhysicalResourceId", "") for item in resources}
    names |= {"Bucket": outputs["BucketName"], "Bucket.Arn": f"arn:aws:s3:::{outputs['BucketName']}"}
    bootstrapped = MotoStack(moto, outputs, Stack(read("infra/bootstrap.yaml"), parameters, names))
    complete(bootstrapped, names)
    return bootstrapped


def complete(moto_stack: MotoStack, names: Mapping[str, str]) -> None:
    """Make what moto's CloudFormation leaves out."""
    iam, s3, resources = moto_stack.client("iam"), moto_stack.client("s3"), moto_stack.stack.resources
    provider, bucket = resources["GitHub"]["Properties"], resources["Bucket"]["Properties"]
    iam.create_open_id_connect_provider(Url=provider["Url"], ClientIDList=provider["ClientIdList"])
    for name, role in moto_stack.stack.of("AWS::IAM::Role").items():
        for policy in role.get("ManagedPolicyArns", []):
            iam.attach_role_policy(RoleName=names[name], PolicyArn=policy)
        for policy in role.get("Policies", []):  # made by CloudFormation, moto cannot read them
            document = json.dumps(policy["PolicyDocument"])
            iam.put_role_policy(RoleName=names[name], PolicyName=policy["PolicyName"], PolicyDocument=document)
    place = {"Bucket": names["Bucket"]}
    s3.put_bucket_versioning(**place, VersioningConfiguration=bucket["VersioningConfiguration"])
    s3.put_public_access_block(**place, PublicAccessBlockConfiguration=bucket["PublicAccessBlockConfiguration"])
    s3.put_bucket_ownership_controls(**place, OwnershipControls=bucket["OwnershipControls"])
    s3.put_bucket_lifecycle_configuration(
        **place, LifecycleConfiguration={"Rules": list(map(lifecycle, bucket["LifecycleConfiguration"]["Rules"]))}
    )


def lifecycle(rule: dict[str, Any]) -> dict[str, Any]:
    """A rule as S3 names its parts, which CloudFormation names a little differently."""
    s3_rule = {"ID": rule["Id"], "Status": rule["Status"], "Filter": {"Prefix": ""}}
    if "AbortIncompleteMultipartUpload" in rule:
        s3_rule["AbortIncompleteMultipartUpload"] = rule["AbortIncompleteMultipartUpload"]
    if "NoncurrentVersionExpiration" in rule:
        days = int(rule["NoncurrentVersionExpiration"]["NoncurrentDays"])
        s3_rule["NoncurrentVersionExpiration"] = {"NoncurrentDays": days}
        s3_rule["Expiration"] = {"ExpiredObjectDeleteMarker": rule["ExpiredObjectDeleteMarker"]}
    return s3_rule


def test_the_bucket_keeps_what_was_replaced_for_a_while_is_encrypted_and_private(moto_stack: MotoStack) -> None:
    s3, bucket = moto_stack.client("s3"), moto_stack.outputs["BucketName"]

    encryption = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert encryption["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert set(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values()) == {True}
    rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert [(rule["ID"], rule["Status"]) for rule in rules] == [
        ("forget-what-was-replaced", "Enabled"),
        ("forget-what-was-never-finished", "Enabled"),
    ]
    assert rules[0]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 90}
    assert not any("Days" in rule.get("Expiration", {}) for rule in rules)  # nothing current goes
    assert moto_stack.stack.resources["Bucket"]["DeletionPolicy"] == "Retain"


def test_the_bucket_refuses_connections_that_are_not_encrypted_or_in_an_old_way(moto_stack: MotoStack) -> None:
    """The policy stays only for this test: moto's own connections are not encrypted."""
    s3, bucket = moto_stack.client("s3"), moto_stack.outputs["BucketName"]
    document = moto_stack.stack.resources["BucketPolicy"]["Properties"]["PolicyDocument"]
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(document))
    try:
        policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
        with pytest.raises(ClientError, match="Forbidden"):
            s3.put_object(Bucket=bucket, Key="dvc/x", Body=b"x")
    finally:
        s3.delete_bucket_policy(Bucket=bucket)

    everything = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    parts = ("Effect", "Action", "Resource", "Condition")
    assert [[statement[part] for part in parts] for statement in policy["Statement"]] == [
        ["Deny", "s3:*", everything, {"Bool": {"aws:SecureTransport": "false"}}],
        ["Deny", "s3:*", everything, {"NumericLessThan": {"s3:TlsVersion": "1.2"}}],
    ]


def test_an_older_version_of_an_object_can_be_read_again(moto_stack: MotoStack) -> None:
    s3, bucket = moto_stack.client("s3"), moto_stack.outputs["BucketName"]
    first = s3.put_object(Bucket=bucket, Key="registry/state.json", Body=b"1")["VersionId"]
    s3.put_object(Bucket=bucket, Key="registry/state.json", Body=b"2")

    assert s3.get_object(Bucket=bucket, Key="registry/state.json", VersionId=first)["Body"].read() == b"1"
    s3.delete_object(Bucket=bucket, Key="registry/state.json")


@pytest.mark.parametrize(
    ("role", "reads", "writes"),
    [("ReadRole", True, False), ("PublishRole", True, True)],
)
def test_a_role_does_its_work_in_the_bucket_and_no_more(
    moto_stack: MotoStack, role: str, *, reads: bool, writes: bool
) -> None:
    bucket = moto_stack.outputs["BucketName"]
    for key in ("dvc/files/md5/aa/bb", "sam/prod/artifact"):
        moto_stack.client("s3").put_object(Bucket=bucket, Key=key, Body=b"there")
    s3 = moto_stack.client("s3", **moto_stack.keys(role))

    def done(order: str, key: str) -> str:
        try:
            getattr(s3, order)(Bucket=bucket, Key=key)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "done"

    with moto_stack.only_what_roles_allow():
        assert (done("get_object", "dvc/files/md5/aa/bb") == "done") == reads
        assert done("get_object", "dvc/files/md5/aa/missing") == "NoSuchKey"
        assert done("get_object", "sam/prod/artifact") == "AccessDenied"
        assert (done("put_object", "dvc/files/md5/cc/dd") == "done") == writes
        assert done("put_object", "sam/prod/artifact") == "AccessDenied"
        assert done("delete_object", "dvc/files/md5/aa/bb") == "AccessDenied"


def test_the_roles_that_github_takes_are_there_and_trust_its_provider(moto_stack: MotoStack) -> None:
    iam = moto_stack.client("iam")
    roles = {name: arn.rpartition("/")[2] for name, arn in moto_stack.outputs.items() if name.endswith("RoleArn")}

    (provider,) = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    assert provider["Arn"].endswith("oidc-provider/token.actions.githubusercontent.com")
    assert sorted(roles) == [
        "DeployDevRoleArn",
        "DeployProdRoleArn",
        "DeployStagingRoleArn",
        "PublishRoleArn",
        "ReadRoleArn",
        "WatchRoleArn",
    ]
    for output, name in roles.items():
        expected = moto_stack.stack.resources[output.removesuffix("Arn")]["Properties"]
        actual = iam.get_role(RoleName=name)["Role"]
        conditions = [statement["Condition"] for statement in actual["AssumeRolePolicyDocument"]["Statement"]]
        assert conditions == [statement["Condition"] for statement in expected["AssumeRolePolicyDocument"]["Statement"]]
        assert actual["Tags"] == expected["Tags"]
    boundary = iam.get_policy(PolicyArn=f"arn:aws:iam::123456789012:policy/{moto_stack.outputs['PermissionsBoundary']}")
    assert boundary["Policy"]["PolicyName"] == "obesity-levels-boundary"


def shell(moto_stack: MotoStack, role: str) -> dict[str, str]:
    """The environment of a workflow that took a role."""
    return {name.upper(): value for name, value in moto_stack.keys(role).items()} | {
        "AWS_ENDPOINT_URL": moto_stack.address,
        "AWS_DEFAULT_REGION": REGION,
    }


def test_main_publishes_the_registry_and_a_pull_request_reads_it_and_cannot_write(
    moto_stack: MotoStack, two_versions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_registry(two_versions, tmp_path / "main", "*.onnx")
    mine, theirs = (Registry(f"sqlite:///{tmp_path}/{name}/mlflow.db") for name in ("main", "pull request"))
    publish, review = shell(moto_stack, "PublishRole"), shell(moto_stack, "ReadRole")
    url = moto_stack.outputs["RegistryUrl"]

    def become(keys: Mapping[str, str]) -> None:
        for name, value in keys.items():
            monkeypatch.setenv(name, value)

    with moto_stack.only_what_roles_allow():
        become(publish)
        assert push(mine.store, url).sequence == 1
        become(review)
        assert pull(theirs.store, url).sequence == 1
        theirs.promote(NAME, 1, "Production", expected=None)
        with pytest.raises(PipelineError, match="s3:PutObject"):
            push(theirs.store, url)
    assert {version.number for version in theirs.versions(NAME)} == {1, 2}


def test_dvc_pushes_as_main_and_pulls_as_a_pull_request(moto_stack: MotoStack, tmp_path: Path) -> None:
    publish, review = shell(moto_stack, "PublishRole"), shell(moto_stack, "ReadRole")
    here, there = tmp_path / "here", tmp_path / "there"

    def dvc(folder: Path, *arguments: str, **keys: str) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        command = [sys.executable, "-m", "dvc", *arguments]
        done = subprocess.run(command, cwd=folder, env=clean | keys, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    here.mkdir()
    dvc(here, "init", "--no-scm", "-q")
    (here / "data.csv").write_text("a,b\n1,2\n")
    dvc(here, "add", "-q", "data.csv")
    dvc(here, "remote", "add", "--default", "storage", moto_stack.outputs["DvcUrl"])
    shutil.copytree(here, there, ignore=shutil.ignore_patterns("cache", "data.csv"))
    with moto_stack.only_what_roles_allow():
        dvc(here, "push", "-q", **publish)
        dvc(there, "pull", "-q", **review)
    assert (there / "data.csv").read_text() == "a,b\n1,2\n"
