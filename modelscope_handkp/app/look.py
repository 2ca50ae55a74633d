"""How the page looks (page.css), and its script (page.js) with its sentences."""

import json
from pathlib import Path

from .words import CAMERA, LANGUAGES, OTHERS

CSS = Path(__file__).with_name("page.css").read_text("utf-8")


def head() -> str:
    """What the head of the page gets: the script with its sentences."""
    texts = {**CAMERA, **OTHERS}
    words = {language: {name: texts[name][i] for name in texts} for i, language in enumerate(LANGUAGES)}
    content = json.dumps(words, ensure_ascii=False).replace("<", "\\u003c")
    script = Path(__file__).with_name("page.js").read_text("utf-8")
    return f"<script>const WORDS = {content};\n{script}</script>"
