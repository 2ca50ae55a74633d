"""What tests do with the page of the app."""

from pathlib import Path
from typing import Any

from chromium import Page


def tab(page: Any, index: int) -> None:
    page.locator("button[role=tab]").nth(index).click()


def upload(page: Any, path: Path, place: str) -> None:
    page.wait_for_selector(f"#{place} input[type=file]", state="attached")
    page.set_input_files(f"#{place} input[type=file]", str(path))


def words(page: Any, place: str, pattern: str) -> str:
    """The text of a part of the page, once it has this."""
    page.wait_for_function(
        "([place, pattern]) => new RegExp(pattern).test(document.querySelector(place)?.innerText ?? '')",
        arg=[f"#{place}", pattern],
    )
    return page.inner_text(f"#{place}")


def is_clean(opened: Page) -> None:
    """Nothing went wrong, and nobody else was asked."""
    assert opened.errors == [] and opened.strangers() == []
