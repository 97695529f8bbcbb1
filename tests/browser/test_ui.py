"""The form in a real browser: it asks everything, answers at once, and works by finger, keyboard and ear."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from lambda_api.contract import LEVELS, columns
from tests.fixtures.browser import DESKTOP, PHONE

pytestmark = pytest.mark.xdist_group("browser")

CONTRAST = """
(selector) => {
  const shade = (text) => {
    const linear = (part) => part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4;
    const [r, g, b] = text.match(/[\\d.]+/g).map(linear);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  let element = document.querySelector(selector);
  const ink = shade(getComputedStyle(element).color);
  while (getComputedStyle(element).backgroundColor === "rgba(0, 0, 0, 0)") element = element.parentElement;
  const paper = shade(getComputedStyle(element).backgroundColor);
  return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
}
"""


def opened(page: Page, site: str) -> Page:
    """The form with its first answer."""
    page.goto(f"{site}/ui")
    expect(page.locator("#bars li")).to_have_count(len(LEVELS))
    return page


def level(page: Page) -> str:
    return page.locator("#level").inner_text()


def test_the_page_asks_no_other_host(page: Page, site: str) -> None:
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))

    opened(page, site)

    assert hosts == {urlsplit(site).netloc}


def test_every_column_of_the_contract_has_a_control_with_its_name_unit_and_example(page: Page, site: str) -> None:
    opened(page, site)

    for column in columns():
        if column.is_number:
            box = page.get_by_role("spinbutton", name=column.description)
            expect(box).to_have_value(str(column.example))
            expect(box).to_have_accessible_description(
                column.unit if "=" in column.unit else f"{column.low:g} to {column.high:g} {column.unit}"
            )
        elif len(column.categories) > 2:
            expect(page.get_by_role("combobox", name=column.description)).to_have_value(str(column.example))
        else:
            group = page.get_by_role("group", name=column.description)
            expect(group.get_by_role("radio", name=str(column.example), exact=True)).to_be_checked()


def test_moving_a_slider_by_keyboard_changes_the_answer_and_says_it(page: Page, site: str) -> None:
    opened(page, site)
    slider = page.get_by_role("slider", name="Body weight, in kilograms, slider")
    before = level(page)

    slider.focus()
    with page.expect_response("**/predict"):
        page.keyboard.press("End")  # 300 kg: impossible at 1.65 m

    expect(page.locator("#caption")).to_have_text("No answer")
    for _ in range(120):
        page.keyboard.press("PageDown")
        if page.locator("#Weight").input_value() == "20":
            break
    page.locator("#Weight").fill("120")

    expect(page.locator("#level")).not_to_have_text(before)
    expect(page.locator("#caption")).to_have_text("The model says")
    expect(page.get_by_role("status")).to_contain_text(level(page))


def test_the_slider_and_the_number_beside_it_are_one(page: Page, site: str) -> None:
    opened(page, site)

    page.locator("#Age").fill("40")
    expect(page.get_by_role("slider", name="Age, slider")).to_have_value("40")
    page.get_by_role("slider", name="Age, slider").press("ArrowRight")

    expect(page.locator("#Age")).to_have_value("41")


def test_a_number_out_of_range_is_marked_where_it_is(page: Page, site: str) -> None:
    opened(page, site)
    age = page.locator("#Age")

    age.fill("200")

    expect(age).to_have_attribute("aria-invalid", "true")
    expect(age).to_have_accessible_description("10 to 110 years Input should be less than or equal to 110")
    expect(page.locator("#caption")).to_have_text("No answer")
    age.fill("30")
    expect(age).to_have_attribute("aria-invalid", "false")
    expect(page.locator("#caption")).to_have_text("The model says")


def test_an_impossible_body_gets_the_hint_about_units(page: Page, site: str) -> None:
    opened(page, site)

    page.locator("#Weight").fill("300")

    expect(page.locator("#summary")).to_contain_text("give Height in metres (not cm or inches)")


def test_the_bars_are_the_answer_with_the_rules_level_marked(page: Page, site: str) -> None:
    opened(page, site)
    with page.expect_response("**/predict") as response:
        page.locator("#Weight").fill("95")
    answer = response.value.json()
    expect(page.locator("#level")).to_have_text(answer["prediction"].replace("_", " "))

    widths = page.locator("#bars .fill").evaluate_all("bars => bars.map((bar) => parseFloat(bar.style.width))")

    assert widths == pytest.approx([100 * share for share in answer["probabilities"].values()], abs=0.01)
    expect(page.locator("#bars .chosen")).to_contain_text(answer["prediction"].replace("_", " "))
    expect(page.locator("#bars li", has_text="BMI rule")).to_contain_text(answer["bmi_class"].replace("_", " "))


def test_a_warning_names_the_answer_that_is_outside_the_training_data(page: Page, site: str) -> None:
    opened(page, site)
    expect(page.locator("#warnings")).to_be_hidden()

    page.locator("#Age").fill("61")

    expect(page.locator("#warnings")).to_have_text("Age: outside the 10 to 60 that the model was trained on")


def test_start_again_brings_the_first_answer_back(page: Page, site: str) -> None:
    opened(page, site)
    before = level(page)
    page.locator("#Weight").fill("130")
    expect(page.locator("#level")).not_to_have_text(before)

    page.get_by_role("button", name="Start again").press("Enter")

    expect(page.locator("#level")).to_have_text(before)
    expect(page.locator("#Weight")).to_have_value("72")


def test_the_tab_key_reaches_every_column_in_order(page: Page, site: str) -> None:
    opened(page, site)
    reached: list[str] = []

    for _ in range(40):
        page.keyboard.press("Tab")
        name = page.evaluate("document.activeElement.name ?? ''")
        if name and name not in reached:
            reached.append(name)

    assert reached == [column.name for column in columns()]


def test_a_service_that_is_gone_is_said_and_not_hidden(page: Page, site: str) -> None:
    opened(page, site)
    page.route("**/predict", lambda route: route.abort())

    page.locator("#Weight").fill("80")

    expect(page.locator("#summary")).to_contain_text("cannot be reached")
    page.unroute("**/predict")
    page.locator("#Weight").fill("81")
    expect(page.locator("#caption")).to_have_text("The model says")


def test_a_service_that_wants_to_know_who_asks_says_that_the_form_cannot(page: Page, site: str) -> None:
    opened(page, site)
    page.route("**/predict", lambda route: route.fulfill(status=403, json={"message": "Forbidden"}))

    page.locator("#Weight").fill("80")

    expect(page.locator("#summary")).to_have_text(
        "This service answers only those it knows, and a form cannot sign: ask it with an API client."
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("name", "size"), [("phone", PHONE), ("desktop", DESKTOP)])
def test_the_page_fits_and_can_be_read(
    browser: Browser, site: str, scheme: str, name: str, size: ViewportSize, screenshots: Path | None
) -> None:
    with browser.new_context(viewport=size, color_scheme="dark" if scheme == "dark" else "light") as context:
        page = opened(context.new_page(), site)
        if screenshots:
            page.screenshot(path=screenshots / f"{name}-{scheme}.png")
        places = ["h1", ".soft", ".unit", "code", "#level", "#summary", "#bars .name", "a", "button", "label"]
        contrasts = {place: page.evaluate(CONTRAST, place) for place in places}

        page.locator("#MTRANS").scroll_into_view_if_needed()

        assert page.evaluate("document.documentElement.scrollWidth") == size["width"]
        assert {place: ratio for place, ratio in contrasts.items() if ratio < 4.5} == {}
        expect(page.locator("#level")).to_be_in_viewport()


def test_a_request_can_be_tried_in_the_documentation(page: Page, site: str) -> None:
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.goto(f"{site}/docs#/predict/predict")

    page.get_by_role("button", name="Try it out").click()
    with page.expect_response("**/predict") as response:
        page.get_by_role("button", name="Execute").click()

    assert response.value.status == 200
    assert hosts - {""} == {urlsplit(site).netloc}
