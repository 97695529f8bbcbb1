"""What the service promises its clients: the committed document is the code's, and no promise is broken quietly."""

import copy
import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.ship.package import openapi
from tests.contract.breaking import breaking, major
from tests.paths import ROOT

DOCUMENT = "docs/openapi.json"


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def committed_before() -> dict[str, Any]:
    """The last committed document that differs from the code's, else the last committed one."""
    try:
        commits = git("log", "--format=%H", "--", DOCUMENT).split()
    except (OSError, subprocess.CalledProcessError):
        commits = []
    if not commits:
        pytest.skip("no commit of docs/openapi.json can be read here (no git, or a shallow clone)")
    documents: list[dict[str, Any]] = [json.loads(git("show", f"{commit}:{DOCUMENT}")) for commit in commits[:20]]
    return next((document for document in documents if document != openapi()), documents[0])


def test_the_committed_document_is_made_from_this_code() -> None:
    assert json.loads((ROOT / DOCUMENT).read_text()) == openapi(), "make it again with `pipeline openapi`"


def test_no_promise_is_broken_without_raising_the_apis_version() -> None:
    before = committed_before()

    assert major(openapi()) > major(before) or breaking(before, openapi()) == []


def schemas(document: dict[str, Any]) -> dict[str, Any]:
    components: dict[str, Any] = document["components"]["schemas"]
    return components


BREAKING: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a path is gone": (lambda d: d["paths"].pop("/model_info"), "GET /model_info: is gone"),
    "a method is gone": (lambda d: d["paths"]["/predict"].pop("post"), "POST /predict: is gone"),
    "a content type is gone": (
        lambda d: d["paths"]["/predict_batch"]["post"]["requestBody"]["content"].pop("text/csv"),
        "POST /predict_batch: no longer takes text/csv",
    ),
    "a status is gone": (
        lambda d: d["paths"]["/predict"]["post"]["responses"].pop("422"),
        "POST /predict: no longer documents 422",
    ),
    "a category is gone": (
        lambda d: schemas(d)["Record"]["properties"]["MTRANS"]["enum"].remove("Bike"),
        "POST /predict body.MTRANS: no longer takes 'Bike'",
    ),
    "a range is narrower": (
        lambda d: schemas(d)["Record"]["properties"]["Age"].update(maximum=100),
        "POST /predict body.Age: maximum is 100, was 110",
    ),
    "a batch is smaller": (
        lambda d: schemas(d)["Batch"]["properties"]["records"].update(maxItems=10),
        "POST /predict_batch body.records: maxItems is 10, was 5000",
    ),
    "a field must be sent": (
        lambda d: schemas(d)["Batch"]["required"].append("name"),
        "POST /predict_batch body.name: must now be sent",
    ),
    "a column is unknown": (
        lambda d: schemas(d)["Record"]["properties"].pop("SMOKE"),
        "POST /predict body.SMOKE: may no longer be sent",
    ),
    "an answer is poorer": (
        lambda d: schemas(d)["Prediction"]["properties"].pop("warnings"),
        "POST /predict 200.warnings: is no longer answered",
    ),
    "an answer is not certain": (
        lambda d: schemas(d)["Prediction"]["required"].remove("bmi"),
        "POST /predict 200.bmi: is not always answered any more",
    ),
    "an answer is new": (
        lambda d: schemas(d)["Level"]["enum"].append("Skeleton"),
        "POST /predict 200.bmi_class: may now answer 'Skeleton'",
    ),
    "an answer has another type": (
        lambda d: schemas(d)["Prediction"]["properties"]["bmi"].update(type="string"),
        "POST /predict 200.bmi: is another type",
    ),
}


@pytest.mark.parametrize(("change", "line"), BREAKING.values(), ids=BREAKING)
def test_a_breaking_change_is_noticed(change: Callable[[dict[str, Any]], object], line: str) -> None:
    document = openapi()
    changed = copy.deepcopy(document)
    change(changed)

    assert line in breaking(document, changed)


HARMLESS: dict[str, Callable[[dict[str, Any]], object]] = {
    "nothing": lambda _: None,
    "a new path": lambda d: d["paths"].update({"/new": d["paths"]["/health"]}),
    "a new field in an answer": lambda d: schemas(d)["Prediction"]["properties"].update(note={"type": "string"}),
    "a wider range": lambda d: schemas(d)["Record"]["properties"]["Age"].update(maximum=130),
    "a new category": lambda d: schemas(d)["Record"]["properties"]["MTRANS"]["enum"].append("Boat"),
    "other words": lambda d: schemas(d)["Record"]["properties"]["Age"].update(description="How old"),
}


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_a_change_that_breaks_no_client_is_free(change: Callable[[dict[str, Any]], object]) -> None:
    changed = copy.deepcopy(openapi())
    change(changed)

    assert breaking(openapi(), changed) == []
