"""Links in the documents lead somewhere, and each document has its Chinese counterpart."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/**/*.md")])
DOCUMENTS = [path for path in DOCUMENTS if "node_modules" not in path.parts]


def anchors(path: Path) -> set[str]:
    """The anchors that a Markdown page gives its headings, as GitHub and ModelScope make them."""
    headings = re.findall(r"(?m)^#+ (.*)$", path.read_text("utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(document: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", document.read_text("utf-8"))
    for link in links:
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        target = document.parent / name if name else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("document", sorted(ROOT.glob("docs/*.md")), ids=lambda path: path.name)
def test_each_page_has_its_counterpart_in_the_other_language(document: Path) -> None:
    stem = document.stem.removesuffix("_zh")
    other = document.with_name(f"{stem}.md" if document.stem.endswith("_zh") else f"{stem}_zh.md")
    assert other.name in document.read_text("utf-8") and other.exists()
