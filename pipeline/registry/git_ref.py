"""A git remote -> a place for a registry: a ref of its own, moved only if it is still what the caller read.

`refs/registry/main` is neither a branch nor a tag: no clone fetches it, no page lists it, and no workflow starts when
it moves (docs/decisions/0018-github-keeps-the-registry.md has the sources). Each of its commits is one whole state,
with the objects that it names and no others; the commit's parent is the state before.
"""

import re
import threading
import time
from collections.abc import Collection, Mapping
from pathlib import Path

from pipeline.errors import RegistryError
from pipeline.registry.git_remote import GitRemote, said

REF = "refs/registry/main"

_NO_SUCH_REF = 2
_TRIES, _PAUSE = 4, 0.5
_BUSY = re.compile(r"lock ref|\.lock\b|failed to update ref|(error:|HTTP) 5\d\d|timed out|hung up")
"""A push that ended like this may succeed a moment later."""
_PUSH = ("--porcelain", "--no-verify", "--no-signed", "--no-follow-tags", "--no-recurse-submodules")
_FETCH = ("--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules")


class GitRef:
    """The registry's ref in a git remote.

    Every method raises RegistryError if git or the remote refuses; its text never quotes a token or a password.

    Args:
        url: `git:REMOTE`; REMOTE is the name of a remote of the clone, a path or a URL without credentials.
        folder: An empty folder, for git's own use.
        clone: Where the remote's name is looked up.

    Raises:
        RegistryError: The address is none, or names a remote that the clone does not have.
    """

    def __init__(self, url: str, folder: Path, clone: Path = Path()) -> None:
        self.url = url
        self._remote = GitRemote(url.removeprefix("git:"), url, folder, clone)
        self._lock = threading.Lock()
        self._commit: str | None = None
        self._objects: dict[str, str] | None = None
        """The ids of all objects by key: those of the commit, and those that wait for a state; None: not fetched."""

    def get(self, key: str) -> tuple[bytes, str] | None:
        """An object's bytes and the commit that was read; None if there is no object with this key."""
        blob = self._fetched().get(key)
        return None if blob is None else (self._remote.local("cat-file", "blob", blob), self._commit or blob)

    def put(self, key: str, body: bytes, replaces: str | None, needs: Collection[str] | None = None) -> str | None:
        """Write an object. One that names what it `needs` is pushed, with these and no others; the rest waits for it.

        Returns:
            The new commit, or the id of what waits; None if another writer was first, and nothing was written.
        """
        objects = self._fetched()
        if needs is None:
            return None if key in objects else objects.setdefault(key, self._stored(body))
        if replaces != self._commit:
            return None
        if missing := [name for name in needs if name not in objects]:
            raise RegistryError(f"{self.url} has no {missing[0]}, which its state names: push an older commit to {REF}")
        files = {name: objects[name] for name in needs} | {key: self._stored(body)}
        commit = self._push(self._committed(files, f"Replace {key}"))
        self._commit, self._objects = (commit, files) if commit else (None, None)  # None: to be read anew
        return commit

    def _push(self, commit: str) -> str | None:
        """Move the ref from the commit that was read to a new one.

        Nothing is forced over another state: the new commit's parent is the one that the lease expects. To git's own
        rule, that a push without a lease must fast-forward, it adds that a ref which is gone is not made again.
        """
        lease = f"--force-with-lease={REF}:{self._commit or ''}"
        for attempt in range(_TRIES):
            done = self._remote.ask("push", *_PUSH, lease, arguments=[f"{commit}:{REF}"])
            tip = commit if done.returncode == 0 else self._tip()  # if the answer was lost, the ref itself tells
            if tip == commit:
                return commit
            if tip != self._commit:
                return None
            if attempt == _TRIES - 1 or not _BUSY.search(said(done)):
                raise self._remote.refusal("written", done)
            time.sleep(_PAUSE * 2**attempt)
        raise AssertionError  # pragma: no cover  the last attempt returns or raises

    def _fetched(self) -> dict[str, str]:
        with self._lock:
            if self._objects is None:
                objects = dict[str, str]()
                if self._tip():
                    done = self._remote.ask("fetch", *_FETCH, arguments=[f"+{REF}:{REF}"])
                    if done.returncode:
                        raise self._remote.refusal("read", done)
                    self._commit = self._remote.local("rev-parse", "--verify", REF).decode().strip()
                    objects = self._listed(self._commit)
                self._objects = objects
            return self._objects

    def _tip(self) -> str | None:
        """The commit that the ref names in the remote now; None if there is no such ref."""
        done = self._remote.ask("ls-remote", "--exit-code", arguments=[REF])
        if done.returncode not in {0, _NO_SUCH_REF}:
            raise self._remote.refusal("read", done)
        lines = (line.split("\t") for line in done.stdout.decode().splitlines())
        return next((commit for commit, name in lines if name == REF), None)

    def _listed(self, commit: str) -> dict[str, str]:
        entries = self._remote.local("ls-tree", "-r", "-z", commit).decode().split("\0")
        named = (entry.split("\t", 1) for entry in entries if entry)
        return {key: entry.split()[2] for entry, key in named}

    def _stored(self, body: bytes) -> str:
        return self._remote.local("hash-object", "-w", "--stdin", stdin=body).decode().strip()

    def _committed(self, files: Mapping[str, str], message: str) -> str:
        """A commit of exactly these files, whose parent is the commit that was read."""
        lines = "".join(f"100644 {blob}\t{key}\0" for key, blob in files.items())
        self._remote.local("read-tree", "--empty")
        self._remote.local("update-index", "-z", "--index-info", stdin=lines.encode())
        tree = self._remote.local("write-tree").decode().strip()
        parents = ("-p", self._commit) if self._commit else ()
        return self._remote.local("commit-tree", "--no-gpg-sign", *parents, "-m", message, tree).decode().strip()
