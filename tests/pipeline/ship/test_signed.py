"""What is to be deployed: the version that was asked for, and a list that changes with anything in the package."""

import shutil
from pathlib import Path

import pytest

from pipeline.errors import ModelFileError, RegistryError
from pipeline.files import Layout, digest, file_digest
from pipeline.params import Params
from pipeline.ship import signed

BUILT = {
    "template.yaml": b"Resources: {}\n",
    "ApiFunction/lambda_api/app.py": b"app = 1\n",
    "ApiFunction/model/model.onnx": b"a graph",
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / ".aws-sam/build"
    for name, content in BUILT.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_the_listing_names_every_file_and_its_digest_in_a_fixed_order(package: Path) -> None:
    assert package.is_dir()
    listing_sha256 = signed.contents(digest(b"a graph"))
    lines = [f"{digest(BUILT[name])}  {name}\n" for name in sorted(BUILT)]
    assert signed.LISTING.read_text(encoding="utf-8") == "".join(lines)
    assert listing_sha256 == file_digest(signed.LISTING) == signed.contents(digest(b"a graph"))


@pytest.mark.parametrize("change", ["another byte", "one more", "one less"])
def test_whatever_is_changed_in_a_package_changes_its_listing(package: Path, change: str) -> None:
    before = signed.contents(digest(b"a graph"))
    if change == "another byte":
        (package / "template.yaml").write_bytes(b"Resources: []\n")
    elif change == "one more":
        (package / "ApiFunction/sitecustomize.py").write_bytes(b"")
    else:
        (package / "ApiFunction/lambda_api/app.py").unlink()
    assert signed.contents(digest(b"a graph")) != before


def test_a_package_of_another_model_or_none_is_refused(package: Path) -> None:
    with pytest.raises(ModelFileError, match=f"expected {digest(b'another')}, which was verified"):
        signed.contents(digest(b"another"))
    shutil.rmtree(package)
    with pytest.raises(ModelFileError, match=r"has no ApiFunction/model/model.onnx: build it with `make package`"):
        signed.contents(digest(b"a graph"))
    assert not signed.LISTING.exists()


def test_a_version_is_fetched_by_number_and_its_graph_is_the_one_asked_for(
    two_versions: Path, tmp_path: Path, small_params: Params
) -> None:
    shutil.copy(two_versions, tmp_path / "mlflow.db")
    fetched = signed.fetch(small_params, None, "2")
    assert fetched == signed.FetchedVersion(2, file_digest(Layout(signed.CANDIDATE).model))
    assert fetched.as_outputs() == {"version": "2", "sha256": fetched.sha256}
    with pytest.raises(ModelFileError, match=r"version 1 has the graph .*, which was judged"):
        signed.fetch(small_params, None, "1", fetched.sha256)
    with pytest.raises(RegistryError, match="no version or alias '99'"):
        signed.fetch(small_params, None, "99")
