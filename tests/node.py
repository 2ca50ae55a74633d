"""The page's modules in Node.js."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="Node.js is not installed")
WEB = Path(__file__).parents[1] / "examples" / "web"


def in_node(imports: str, body: str, **given: Any) -> Any:
    """What the body of a JavaScript function returns.

    Args:
        imports: as in ``import { X } from "./src/x.js"``; "./ is the page's folder.
        given: what it finds in ``given``, as JSON.
    """
    code = f"""{imports}
    import {{ readFileSync }} from "node:fs";
    const given = JSON.parse(readFileSync(0, "utf8"));
    const run = async () => {{ {body} }};
    process.stdout.write(JSON.stringify(await run()));""".replace('"./', f'"{WEB.as_uri()}/')
    assert NODE is not None
    command = [NODE, "--input-type=module", "--eval", code]
    ran = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
    return json.loads(ran.stdout)
