"""Rewrites docs/images: pieces of the reports in reports/examples, light and dark, as a browser shows them.

    make pictures

Needs Chromium (`apt-get install chromium`).
"""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
PICTURES = {
    "report": ("batch-or-live", "body", "#validity"),
    "timeline": ("adaptive-or-fixed", "#timeline h2", "#timeline figure"),
}
"""By name: the example, and the first elements of these selectors, from whose top to whose bottom it goes."""
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDTH, MARGIN = 1120, 24


def piece(page: Page, first: str, last: str) -> bytes:
    """A PNG of the page from the top of one element to the bottom of another."""
    above, below = page.locator(first).first.bounding_box(), page.locator(last).first.bounding_box()
    assert above, first
    assert below, last
    top = max(0, above["y"] - MARGIN)
    clip = {"x": 0, "y": top, "width": WIDTH, "height": below["y"] + below["height"] + MARGIN - top}
    return page.screenshot(full_page=True, clip=clip)  # type: ignore[arg-type]


def main() -> None:
    """Take them all; 256 colours are enough for print on paper of one colour."""
    with sync_playwright() as engine:
        browser = engine.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"] if os.geteuid() == 0 else []
        )
        for scheme in SCHEMES:
            for name, (example, first, last) in PICTURES.items():
                page = browser.new_page(viewport={"width": WIDTH, "height": 1000}, color_scheme=scheme)
                page.goto((ROOT / "reports" / "examples" / f"{example}.html").as_uri())
                picture = Image.open(io.BytesIO(piece(page, first, last))).convert("RGB").quantize(256)
                picture.save(ROOT / "docs" / "images" / f"{name}-{scheme}.png", optimize=True)
        browser.close()


if __name__ == "__main__":
    main()
