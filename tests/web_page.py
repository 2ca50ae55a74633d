"""What tests of the page in Chromium share."""

from typing import Any

import numpy as np
from chromium import Page, open_page

# Keeps what the page finds, as JSON.
LISTEN = """window.seen = [];
document.addEventListener("hands", ({ detail }) => window.seen.push(JSON.parse(JSON.stringify(detail))));"""


def opened_page(chromium: Any, address: str, **context: Any) -> Any:
    """`open_page`, for tests that wait for expressions, which Playwright evaluates in the page."""
    return open_page(chromium, address, bypass_csp=True, **context)


def wait_until_ready(opened: Page) -> Any:
    """Playwright's page once its model is there; it keeps what it finds from now on."""
    opened.page.wait_for_selector("html[data-ready]")
    opened.page.evaluate(LISTEN)
    return opened.page


def next_found(page: Any, count: int = 1) -> list[Any]:
    """What the page finds in the next ``count`` images or more."""
    page.wait_for_function(f"window.seen.length >= {count}")
    found: list[Any] = page.evaluate("window.seen.splice(0)")
    return found


def are_near(page_hands: list[Any], keypoints: np.ndarray) -> np.ndarray:
    """Which joints of keypoints (N, 21, 3) the page has within 2 px: (N x 21,)."""
    found = np.array([hand["keypoints"] for hand in page_hands]).reshape(-1, 21, 3)
    near = np.zeros((len(keypoints), 21), bool)
    for index, hand in enumerate(keypoints):
        if len(found):
            distances = np.linalg.norm(found[..., :2] - hand[:, :2], axis=-1)
            near[index] = distances[distances.mean(axis=1).argmin()] < 2
    return near.ravel()
