"""Stands for actions/attest 4: writes down what was signed, and what the signature says of who signed it.

The signer is the file of the job that signs, a called one's too: `job_workflow_ref` of its identity.
"""

import hashlib
import json
from pathlib import Path

from standing import FACTS, PERMISSIONS, fail, given, note

claims = FACTS["claims"]
if PERMISSIONS.get("id-token") != "write":
    fail('missing "id-token" permission. Please add "permissions: id-token: write" to your workflow.')
if PERMISSIONS.get("attestations") != "write":
    fail("Failed to persist attestation: Resource not accessible by integration")
if not FACTS["attestations"]:
    # https://github.com/TomHennen/wrangle/pull/597
    fail("Failed to persist attestation: Feature not available for user-owned private repositories")
paths = [Path(line.strip()) for line in given("subject_path").splitlines() if line.strip()]
if not paths or not all(path.is_file() for path in paths):
    fail("Could not find subject at path " + given("subject_path"))
for path in paths:
    signed = {
        "digest": hashlib.sha256(path.read_bytes()).hexdigest(),
        "name": str(path),
        "signer": claims["job_workflow_ref"].partition("@")[0],
        "repository": claims["repository"],
        "ref": claims["ref"],
        "sha": claims["sha"],
        "event": claims["event_name"],
    }
    note("attested", json.dumps(signed))
