"""Stands for aws-actions/configure-aws-credentials 6: takes a role with the job's identity, if AWS trusts that.

The words are those of its src/index.ts and src/CredentialsClient.ts. What it then hands out are the keys of a fake AWS.
"""

import os
from pathlib import Path

from standing import FACTS, HUB, fail, given, note

if not given("region"):
    fail("Input required and not supplied: aws-region")
token = os.environ.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "")
if not token or not given("role"):
    print("It looks like you might be trying to authenticate with OIDC. Did you mean to set the `id-token` permission?")
    unknown = "Could not load credentials from any providers"
    fail(f"Credentials could not be loaded, please check your action inputs: {unknown}")
note("roles", given("role"))
if not FACTS["roles"].get(given("role")):
    fail("Could not assume role with OIDC: Not authorized to perform sts:AssumeRoleWithWebIdentity")
with Path(os.environ["GITHUB_ENV"]).open("a", encoding="utf-8") as file:
    file.write((HUB / "credentials").read_text(encoding="utf-8"))
