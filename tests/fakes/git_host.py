"""A git host on this machine, over HTTPS: git's own server, and as strict as GitHub about who may read and write.

- Two Authorization headers are refused: https://github.com/actions/checkout/issues/2299.
- A token without `contents: write` is refused with 403: https://github.com/ad-m/github-push-action/issues/96.
- Nobody writes without a token, nobody reads a private repository without one (401), and what a token may not see is
  not found (404): https://github.com/WeblateOrg/weblate/issues/12011, https://github.com/actions/checkout/issues/254.
- A ref of a pull request cannot be written: https://github.com/ad-m/github-push-action/issues/143.
- Any other ref can, by GITHUB_TOKEN too: LadybirdBrowser/ladybird, .github/workflows/notes-push.yml (refs/notes).
- Workflow files cannot be changed by it: https://github.com/stefanzweifel/git-auto-commit-action/issues/322, nor can
  protected branches: https://github.com/47degrees/sbt-org-policies/issues/263.
"""

import base64
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path

REPOSITORY = "us/obesity"
HOOK = """#!/bin/sh
# What GitHub refuses to the token of a job; people push to the repository's folder, past this.
[ -n "$REMOTE_USER" ] || exit 0
none=0000000000000000000000000000000000000000
while read -r old new ref; do
  for name in $PROTECTED; do
    [ "$ref" = "refs/heads/$name" ] && { echo "error: GH006: Protected branch update failed for $ref." >&2; exit 1; }
  done
  [ "$new" = $none ] && continue
  [ "$old" = $none ] && old=$(git merge-base "$new" refs/heads/main || git hash-object -t tree /dev/null)
  for file in $(git diff --name-only "$old" "$new" -- .github/workflows); do
    echo "refusing to allow a GitHub App to create or update workflow $file without workflows permission" >&2
    exit 1
  done
done
"""
WRITER, READER = "ghs-may-write", "ghs-may-only-read"


@dataclass
class GitHost:
    """One repository; `asked` are the requests with what each one was answered.

    Attributes:
        root: The folder of the owner's folder.
        tokens: What each token may do with the contents: read, write, or nothing.
        protected: The branches that no token can update.
    """

    root: Path
    certificate: Path
    private: bool = False
    tokens: dict[str, str] = field(default_factory=lambda: {WRITER: "write", READER: "read"})
    protected: frozenset[str] = frozenset()
    address: str = ""
    asked: list[tuple[str, int]] = field(default_factory=list)

    @property
    def repository(self) -> Path:
        """The repository itself."""
        return self.root / f"{REPOSITORY}.git"

    @property
    def environment(self) -> dict[str, str]:
        """What a runner has, and git's trust in the certificate."""
        return {"GITHUB_SERVER_URL": self.address, "GIT_SSL_CAINFO": str(self.certificate)}

    def refusal(self, path: str, authorization: list[str]) -> tuple[int, str] | None:
        """Status and text for a request that is not answered; None for one that is."""
        if len(authorization) > 1:
            return 400, 'Duplicate header: "Authorization"'
        if not path.startswith(f"/{REPOSITORY}"):
            return 404, "Repository not found."
        token = base64.b64decode(authorization[0].split()[-1]).decode() if authorization else ""
        level = self.tokens.get(token.removeprefix("x-access-token:"))
        if token and level is None:
            return 401, "Invalid username or token."
        if "receive-pack" in path and level != "write":
            denied = f"Permission to {REPOSITORY}.git denied to github-actions[bot]."
            return (401, "") if level is None else (403, denied)
        if self.private and not level:
            return (401, "") if level is None else (404, "Repository not found.")
        return None

    def answer(self, handler: "GitHostHandler", body: bytes) -> tuple[int, str, bytes]:
        """Status, content type and content that git's own server answers."""
        path, _, query = handler.path.partition("?")
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": handler.command,
            "PATH_INFO": path.replace(".git/", "/", 1).replace(f"{REPOSITORY}/", f"{REPOSITORY}.git/", 1),
            "QUERY_STRING": query,
            "CONTENT_TYPE": handler.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": handler.headers.get("Content-Encoding", ""),
            "HTTP_GIT_PROTOCOL": handler.headers.get("Git-Protocol", ""),
            "REMOTE_USER": "github-actions[bot]",
            "PROTECTED": " ".join(self.protected),
        }
        done = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True, check=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        return int(headers.get("Status", "200").split()[0]), headers.get("Content-Type", "text/plain"), content


class GitHostHandler(BaseHTTPRequestHandler):
    """One connection to a host."""

    protocol_version = "HTTP/1.1"
    host: GitHost

    def do_GET(self) -> None:
        body = self._body()
        refused = self.host.refusal(self.path, self.headers.get_all("Authorization", []))
        self.host.asked.append((f"{self.command} {self.path}", refused[0] if refused else 200))
        if refused:
            status, kind, content = refused[0], "text/plain", refused[1].encode()
        else:
            status, kind, content = self.host.answer(self, body)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="GitHub"')
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        self.do_GET()

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def git_host(folder: Path) -> Iterator[GitHost]:
    """A host with one empty public repository."""
    host = GitHost(folder / "repositories", folder / "certificate.pem")
    prepare(host.repository)
    with serving_git(host):
        yield host


def prepare(repository: Path) -> None:
    """Make an empty repository that answers as GitHub's do."""
    subprocess.run(["git", "init", "-q", "--bare", "--initial-branch=main", repository], check=True)
    # Any commit can be fetched by its SHA, which is how actions/checkout does it.
    settings = {"http.receivepack": "true", "receive.hideRefs": "refs/pull", "uploadpack.allowAnySHA1InWant": "true"}
    for name, value in settings.items():
        subprocess.run(["git", "config", name, value], cwd=repository, check=True)
    (repository / "hooks/pre-receive").write_text(HOOK, encoding="utf-8")
    (repository / "hooks/pre-receive").chmod(0o755)


@contextmanager
def serving_git(host: GitHost) -> Iterator[None]:
    """The host behind HTTPS, while the block runs; its certificate is made anew."""
    key = _certificate(host.certificate)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("HostHandler", (GitHostHandler,), {"host": host}))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(host.certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    host.address = f"https://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def _certificate(file: Path) -> Path:
    """Write a certificate for this machine; the file of its key, which lies beside it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    file.with_suffix(".key").write_bytes(key.private_bytes(pem, plain, serialization.NoEncryption()))
    file.write_bytes(certificate.public_bytes(pem))
    return file.with_suffix(".key")
