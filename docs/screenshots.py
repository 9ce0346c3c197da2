"""Makes the pictures of reports that the documentation shows, in headless Chromium.

    python docs/screenshots.py

Needs the extra ``test``, and Chromium.
"""

import shutil
import sys
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from netscope.cli.app import run

PICTURES = Path(__file__).parent / "pictures"
REPORTS = {
    "alexnet-paper": ("alexnet-paper",),
    "resnet152": ("resnet152",),
    "swin_t": ("swin_t",),
    "llama-32-layers": ("hf/llama@num_hidden_layers=32",),
    "diff": ("alexnet-paper", "alexnet-tv"),
}
VIEWS = ((390, "dark"), (1280, "light"), (1280, "dark"), (1920, "light"))
HEADS = {
    "report-head": ("alexnet-paper", "light", 860),
    "report-light": ("alexnet-paper", "light", 1330),
    "report-dark": ("alexnet-paper", "dark", 1330),
    "report-diff": ("diff", "light", 2480),
}
"""Pictures of the upper part of a report, at 1280 pixels."""

HEIGHTS = {390: 2400, 1280: 2600, 1920: 2400}
"""How much of the page is shown."""

GALLERY_WIDTH = 900
"""Wider pictures are shown smaller."""


def main() -> None:
    """Writes them all."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("there is no Chromium")
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for name, arguments in REPORTS.items():
            page = Path(folder, f"{name}.html")
            run(["report", *arguments, "-o", str(page)])
            for width, scheme in VIEWS:
                _save(_shot(browser, page, width, scheme, HEIGHTS[width]), PICTURES / f"{name}-{width}-{scheme}.png")
        for name, (report, scheme, height) in HEADS.items():
            page = Path(folder, f"{report}.html")
            _save(_shot(browser, page, 1280, scheme, height), PICTURES / f"{name}.png")
        _save(_graph(browser, Path(folder, "resnet152.html")), PICTURES / "report-graph.png")
        browser.close()


def _graph(browser: Browser, path: Path) -> bytes:
    """The dataflow with one block unfolded."""
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(path.as_uri())
    page.locator("#dataflow").scroll_into_view_if_needed()
    page.wait_for_timeout(1000)
    page.locator(".graph [aria-label^='Unfold layer1.1,']").dispatch_event("click")
    page.wait_for_timeout(500)
    shot = page.locator(".graph").screenshot()
    page.close()
    return shot


def _shot(browser: Browser, path: Path, width: int, scheme: str, most: int) -> bytes:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(path.as_uri())
    # Sections are drawn when they come into view.
    page.locator("#dataflow").scroll_into_view_if_needed()
    page.wait_for_timeout(1500)
    page.evaluate("document.querySelector('.topbar').style.position = 'static'; scrollTo(0, 0)")
    height = min(page.evaluate("document.documentElement.scrollHeight"), most)
    shot = page.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": width, "height": height})
    page.close()
    return shot


def _save(shot: bytes, path: Path) -> None:
    picture = Image.open(BytesIO(shot)).convert("RGB")
    if picture.width > GALLERY_WIDTH:
        size = (GALLERY_WIDTH, round(picture.height * GALLERY_WIDTH / picture.width))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    picture.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main()
