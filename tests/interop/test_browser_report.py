"""The page of `inlaid report` in headless Chromium: it asks nothing of anyone, names do nothing on it, axe finds nothing
to object to, its parts work, and its pictures are those of the rows."""

import base64
import io
import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

PIL = pytest.importorskip("PIL.Image")
webdriver = pytest.importorskip("selenium.webdriver")

from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select  # noqa: E402

AXE = os.environ.get("INLAID_AXE")
HOSTILE = [
    "<script>alert(1)<",
    '"><img src=x onerror=alert(1)>',
    "\u202etxt.exe",
    "{{ csp }}",
    "javascript:alert(1)",
    "a" * 200,
    "\ttab",
    "&lt;b&gt;",
]
WATCH = """
window.violations = []; window.alerts = [];
window.alert = (words) => window.alerts.push(words);
addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective));
addEventListener("error", (event) => violations.push("error " + event.message));
"""


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--hide-scrollbars",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.ChromeService(os.environ.get("INLAID_CHROMEDRIVER", "/usr/bin/chromedriver"))
    browser = webdriver.Chrome(options=options, service=driver)
    browser.set_script_timeout(120)
    browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
    yield browser
    browser.quit()


def image(path, color, size=(24, 20)):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(len(path.name) + sum(map(ord, path.name))).integers(-8, 8, (size[1], size[0], 3))
    PIL.fromarray(np.clip(np.asarray(color) + noise, 0, 255).astype(np.uint8)).save(path, "PNG")


@pytest.fixture(scope="module")
def pages(inlaid, tmp_path_factory):
    """The pages of several datasets, by name."""
    folder = tmp_path_factory.mktemp("pages")
    made = {}

    def make(name, *settings, code=0):
        inlaid("convert", folder / name, "-o", folder / f"{name}.d", *settings, exit_code=code)
        page = folder / f"{name}.html"
        inlaid("report", folder / f"{name}.d", "-o", page)
        made[name] = page

    colors = {"red": (200, 20, 20), "green": (20, 180, 20), "blue": (20, 20, 200)}
    for name, color in colors.items():
        for number in range(20):
            image(folder / "colors" / name / f"{number:02}.png", color, (20 + number, 18))
    # The same file in two splits, and one that is no image.
    copied = (folder / "colors/red/00.png").read_bytes()
    for number in range(12):
        (folder / f"colors/red/copy{number}.png").write_bytes(copied)
    (folder / "colors/red/broken.png").write_bytes(b"no image")
    make("colors", "--size", "32", "--split-by", "path", "--row-group-bytes", "8KiB", "--shard-bytes", "32KiB", code=3)
    for number in range(45):
        for place in range(max(1, 60 // (number + 1))):
            image(folder / "many" / f"class {number:02}" / f"{place}.png", (number * 5, 99, 255 - number * 5))
    make("many", "--size", "16")
    for number, name in enumerate(HOSTILE):
        for place in range(2):
            image(folder / "hostile" / name / f"{place}<i>\u202e.png", (number * 30, 50, 50))
    (folder / "hostile" / HOSTILE[0] / "<u>.png").write_bytes(b"")
    make("hostile", "--size", "16", code=3)
    for number in range(9):
        image(folder / "flat" / f"{number}.png", (number * 20,) * 3)
    make("flat", "--size", "16x24", "--dtype", "f32", "--split", "train=1")
    # Shards without a manifest.
    made["bare"] = folder / "bare.html"
    inlaid("report", folder / "colors.d/train", "-o", made["bare"])
    return made


def view(browser, width=1280, height=900, scheme="light"):
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": features})


def opened(browser, page):
    browser.get_log("performance"), browser.get_log("browser")
    view(browser)
    browser.get(page.as_uri())
    return page.as_uri()


def assert_quiet(browser, url):
    """No message on the console, no violation, no dialog, and no request but for the file itself."""
    assert browser.get_log("browser") == []
    assert browser.execute_script("return violations.concat(alerts)") == []
    requests = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [one["params"]["request"]["url"] for one in requests if one["method"] == "Network.requestWillBeSent"]
    assert [asked for asked in urls if asked.split("#")[0] != url and not asked.startswith("data:")] == []


PAGES = ["colors", "many", "hostile", "flat", "bare"]


@pytest.mark.parametrize("name", PAGES)
def test_pages_ask_nothing_of_anyone_and_are_small(browser, pages, name):
    url = opened(browser, pages[name])
    browser.execute_script("document.querySelectorAll('details').forEach((details) => details.open = true)")
    for link in browser.find_elements(By.CSS_SELECTOR, "nav a"):
        link.click()
    assert_quiet(browser, url)
    assert pages[name].stat().st_size < 2_000_000


def test_what_breaks_the_policy_is_refused_and_seen(browser, pages):
    """So the others would notice."""
    opened(browser, pages["colors"])
    browser.execute_script(
        """document.body.insertAdjacentHTML("beforeend", '<p style="color: red"></p><img src="https://127.0.0.1/x.png">'
        + '<img src="data:," onerror="alert(1)">'); document.head.append(Object.assign(document.createElement("script"),
        {textContent: "alert(2)"}))"""
    )
    time.sleep(0.5)
    seen = set(browser.execute_script("return violations"))
    assert seen == {"style-src-attr", "img-src", "script-src-attr", "script-src-elem"}
    assert browser.execute_script("return alerts") == []


@pytest.mark.parametrize("name", PAGES)
def test_names_make_no_elements(browser, pages, name):
    opened(browser, pages[name])
    found = browser.execute_script(
        """const all = [...document.querySelectorAll("*")], ids = all.map((e) => e.id).filter((id) => id);
        return {
          scripts: document.scripts.length,
          styles: document.querySelectorAll("style").length,
          links: [...document.querySelectorAll("a")].filter((a) => !a.getAttribute("href").startsWith("#")).length,
          pictures: [...document.images].filter((i) => !i.src.startsWith("data:image/jpeg;base64,")).length,
          broken: [...document.images].filter((i) => i.complete && !i.naturalWidth).length,
          italic: document.querySelectorAll("bdi i, bdi u, bdi b").length,
          handlers: all.filter((e) => [...e.attributes].some((a) => /^on|^style$/.test(a.name))).length,
          ids: ids.length - new Set(ids).size,
        }"""
    )
    assert found == {**dict.fromkeys(found, 0), "scripts": 1, "styles": 1}


def test_hostile_names_are_shown_as_they_are(browser, pages):
    opened(browser, pages["hostile"])
    shown = browser.execute_script("return [...document.querySelectorAll('.list h4 bdi')].map((e) => e.textContent)")
    assert sorted(shown) == sorted(name.replace("\t", "\u2409") for name in HOSTILE)


@pytest.mark.skipif(not AXE, reason="INLAID_AXE names no axe.min.js")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(browser, pages, name, scheme):
    opened(browser, pages[name])
    view(browser, scheme=scheme)
    browser.execute_script("document.querySelectorAll('details').forEach((details) => details.open = true)")
    browser.execute_script(Path(AXE).read_text())
    found = browser.execute_async_script(
        """const done = arguments[0];
        axe.run(document, {resultTypes: ["violations"]}).then((result) => done(result.violations.map(
          (found) => [found.id, found.help, found.nodes.slice(0, 3).map((node) => node.html.slice(0, 200))])))"""
    )
    assert found == []


@pytest.mark.parametrize("width", [1000, 400, 320])
@pytest.mark.parametrize("name", PAGES)
def test_pages_do_not_scroll_sideways(browser, pages, name, width):
    opened(browser, pages[name])
    browser.execute_script("document.querySelectorAll('details').forEach((details) => details.open = true)")
    view(browser, width=width, height=800)
    assert (
        browser.execute_script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
        <= 0
    )


def names(browser, selector):
    return browser.execute_script(
        """return [...document.querySelectorAll(arguments[0])].filter((e) => !e.hidden)
        .map((e) => e.querySelector("bdi").textContent)""",
        selector,
    )


def test_classes_are_filtered_and_sorted(browser, pages):
    opened(browser, pages["many"])
    entries, index = ".list > li", "ol.index > li"
    all_of_them = names(browser, entries)
    assert len(all_of_them) == 45 and all_of_them == names(browser, index)
    search = browser.find_element(By.CSS_SELECTOR, ".tools input")
    search.send_keys("class 3")
    assert (
        names(browser, entries) == [name for name in all_of_them if name.startswith("class 3")] == names(browser, index)
    )
    assert browser.find_element(By.CSS_SELECTOR, ".tools output").text == "10 of 45 classes"
    search.send_keys(Keys.CONTROL, "a")
    search.send_keys(Keys.DELETE)
    order = Select(browser.find_element(By.CSS_SELECTOR, ".tools select"))
    rows = "return [...document.querySelectorAll('.list h4 + p b')].map((b) => +b.textContent.replace(/,/g, ''))"
    order.select_by_value("fewest")
    counts = browser.execute_script(rows)
    assert counts == sorted(counts) and counts[-1] == 60
    order.select_by_value("name")
    assert names(browser, entries) == sorted(all_of_them) == names(browser, index)
    order.select_by_value("most")
    assert names(browser, entries) == all_of_them


def test_sections_are_reached_by_links_and_keys(browser, pages):
    opened(browser, pages["colors"])
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert browser.execute_script("return document.activeElement.textContent") == "Skip to content"
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert browser.execute_script("return document.activeElement.id") == "content"
    titles = browser.execute_script("return [...document.querySelectorAll('h1, h2, h3, h4')].map((h) => +h.tagName[1])")
    assert titles[0] == 1 and titles.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(titles, titles[1:], strict=False))
    links = browser.find_elements(By.CSS_SELECTOR, "nav a")
    assert [link.text.split()[0] for link in links] == [
        "Splits",
        "Classes",
        "Source",
        "Outliers",
        "Copies",
        "Rejects",
        "How",
        "Notes",
    ]
    for link in links:
        link.click()
        target = link.get_attribute("hash")
        assert browser.execute_script("return location.hash") == target
        assert browser.execute_script("return document.querySelector(arguments[0]) !== null", target)


def shot_of(browser, element):
    """The pixels of an element on the screen."""
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    return np.asarray(PIL.open(io.BytesIO(base64.b64decode(element.screenshot_as_base64))).convert("RGB")).astype(int)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_red_green_and_blue_are_seen(browser, pages, scheme):
    opened(browser, pages["colors"])
    view(browser, scheme=scheme)
    colors = {"red": (200, 20, 20), "green": (20, 180, 20), "blue": (20, 20, 200)}
    seen = {}
    for entry in browser.find_elements(By.CSS_SELECTOR, ".list > li"):
        name = entry.find_element(By.CSS_SELECTOR, "h4 bdi").text
        mean, strip = entry.find_elements(By.CSS_SELECTOR, "img")
        pixels = shot_of(browser, mean)
        middle = pixels[pixels.shape[0] // 2, pixels.shape[1] // 2]
        assert np.abs(middle - colors[name]).max() < 20, (name, middle)
        pixels = shot_of(browser, strip)
        side, line = pixels.shape[0], pixels[pixels.shape[0] // 2]
        tiles = [line[at + side // 2] for at in range(0, pixels.shape[1] - side // 2, side)]
        assert all(np.abs(tile - colors[name]).max() < 40 for tile in tiles), (name, tiles)
        seen[name] = len(tiles)
    assert seen == dict.fromkeys(colors, 12)
    paper = browser.execute_script(
        "return getComputedStyle(document.documentElement).backgroundColor + getComputedStyle(document.body).backgroundColor"
    )
    assert ("255, 255, 255" in paper) == (scheme == "light"), paper


def test_copies_and_rejects_are_named(browser, pages):
    opened(browser, pages["colors"])
    assert browser.find_element(By.CSS_SELECTOR, "#copies .across strong").text == "Across splits"
    captions = browser.find_element(By.CSS_SELECTOR, "#copies .groups").text
    assert "red/copy" in captions
    assert all(f"{split}, row " in captions for split in ("train", "validation", "test"))
    assert "red/broken.png" in browser.find_element(By.ID, "rejects").text
    opened(browser, pages["bare"])
    assert "Not known for this dataset." in browser.find_element(By.ID, "rejects").text
