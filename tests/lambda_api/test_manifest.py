import json
from pathlib import Path

import pytest

from lambda_api.manifest import ManifestError, load

ABSENT = object()


def changed(model_dir: Path, folder: Path, **keys: object) -> Path:
    """A folder with a copy of the manifest that has other values; `ABSENT` takes a key away."""
    manifest = json.loads((model_dir / "manifest.json").read_text()) | keys
    text = json.dumps({key: value for key, value in manifest.items() if value is not ABSENT})
    (folder / "manifest.json").write_text(text)
    return folder


def test_a_packaged_manifest_is_read_as_it_was_written(model_dir: Path) -> None:
    manifest = load(model_dir)

    assert manifest.model_dump(mode="json") == json.loads((model_dir / "manifest.json").read_text())


def test_a_missing_manifest_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"manifest\.json cannot be read .*make it with `pipeline package`"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"model_sha256": "abc"}, "model_sha256: String should match pattern"),
        ({"model_version": "a b"}, "model_version: String should match pattern"),
        ({"surprise": 1}, "surprise: Extra inputs are not permitted"),
        ({"data_sha256": ABSENT}, "data_sha256: Field required"),
        ({"support": {}}, "lacks the training range of Age, CAEC, CALC"),
    ],
)
def test_a_manifest_of_another_shape_is_refused(
    model_dir: Path, tmp_path: Path, keys: dict[str, object], message: str
) -> None:
    with pytest.raises(ManifestError, match=message):
        load(changed(model_dir, tmp_path, **keys))


def test_a_number_without_its_training_range_is_refused(model_dir: Path, tmp_path: Path) -> None:
    support = json.loads((model_dir / "manifest.json").read_text())["support"]

    with pytest.raises(ManifestError, match="lacks the training range of Age"):
        load(changed(model_dir, tmp_path, support=support | {"Age": {"low": 10}}))


def test_text_that_is_not_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{")

    with pytest.raises(ManifestError, match=r"is not a manifest .*make it again"):
        load(tmp_path)
