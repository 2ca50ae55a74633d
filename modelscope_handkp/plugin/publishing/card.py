"""The README.md of a published model: the front matter that the hub reads, and a page that says how the model is run.

What the user wrote stays: keys that the front matter lacks are added to it, and a page that is there is kept as it is.
A page that was written here ends with a mark that says so, and is written anew for a newer model unless it was edited.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...checks import is_number
from ...errors import ConfigError, HandkpError
from ...model_dir.config import CONFIGURATION_FILE, block, read_configuration
from ...model_dir.exported import EXPORT_FILE
from ...model_dir.hub import EMBEDDED_MODEL_DIR
from .. import names
from .contents import CARD_FILE

EVALUATION_FILE = "eval_result.txt"  # the trainer writes it beside the weights
MAX_BYTES = 1 << 20
FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
MARK = re.compile(r"\n<!-- modelscope-handkp publish ([0-9a-f]{16}) -->\n\Z")
TRUSTED_OWNERS = ("damo", "iic")  # whose plugins ModelScope installs without trust_remote_code
FINETUNED = "Fine-tuned from the model that ships with modelscope-handkp."
LICENSE = "Apache License 2.0"  # what the hub gives a model that names none
METRICS = ("PCK", "AUC", "EPE")
COLUMNS = {"PCK": "PCK@0.2", "AUC": "AUC", "EPE": "EPE (px)", "NME": "NME", "AP": "AP"}


@dataclass(frozen=True)
class Card:
    """A README.md as it is published.

    text: the whole of it. added: keys that the front matter lacked. has_new_page: its page is written here, now.
    existed: whether the directory has one. changed: whether it is another than that. licence: that is written since the
    front matter had none; "": it has.
    """

    text: str
    added: tuple[str, ...]
    has_new_page: bool
    existed: bool
    changed: bool
    licence: str


def make_card(model_dir: Path, model_id: str) -> Card:
    """The card of a model directory that is published as ``model_id``.

    Raises:
        ConfigError: a README.md that is no text, is too large, or whose front matter is no YAML.
    """
    path = model_dir / CARD_FILE
    present = _read(path) if path.is_file() else ""
    # fine-tuning copies the card of the model that it starts from; of the embedded one's the licence alone holds
    is_finetuned = present == _read(EMBEDDED_MODEL_DIR / CARD_FILE) and not _is_embedded(model_dir)
    base = "" if is_finetuned else present
    match = FRONT_MATTER.match(base)
    front, page = (match[1], base[match.end() :]) if match else ("", base)
    known, licence = _parse(front), _licence(present) or LICENSE
    missing = {key: value for key, value in _front_matter(model_dir, licence).items() if key not in known}
    is_old = _is_own(page) and ((model_dir / EVALUATION_FILE).is_file() or f"'{model_id}'" not in page)
    has_new_page = is_old or not page.strip()
    if has_new_page:
        page = "\n" + _marked(_page(model_dir, model_id, is_finetuned or FINETUNED in page))
    front += _to_yaml(missing)
    if not set(missing) <= set(_parse(front)):
        raise ConfigError("the front matter of README.md cannot be added to; write one key a line.")
    text = f"---\n{front}---\n{page}" if missing or match is None else match[0] + page
    return Card(text, tuple(missing), has_new_page, path.is_file(), text != present, missing.get("license", ""))


def _licence(card: str) -> Any:
    match = FRONT_MATTER.match(card)
    return _parse(match[1]).get("license") if match else None


def _marked(page: str) -> str:
    return f"{page}\n<!-- modelscope-handkp publish {_digest(page)} -->\n"


def _is_own(page: str) -> bool:
    """Whether a page was written here and has not been edited since."""
    mark = MARK.search(page)
    return mark is not None and _digest(page[1 : mark.start()]) == mark[1]


def _digest(page: str) -> str:
    return hashlib.sha256(page.encode()).hexdigest()[:16]


def _read(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{path} is larger than {MAX_BYTES} bytes; shorten it.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text: {error}.") from None


def _is_embedded(model_dir: Path) -> bool:
    own, given = EMBEDDED_MODEL_DIR / CONFIGURATION_FILE, model_dir / CONFIGURATION_FILE
    return given.is_file() and own.read_bytes() == given.read_bytes()


def _parse(front: str) -> dict[str, Any]:
    import yaml

    try:
        found = yaml.safe_load(front) if front.strip() else {}
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"the front matter of README.md is no YAML: {' '.join(str(error).split()):.200}.") from None
    if not isinstance(found or {}, dict):
        raise ConfigError("the front matter of README.md must be keys and values.")
    return {str(key): value for key, value in (found or {}).items()}


def _to_yaml(values: dict[str, Any]) -> str:
    import yaml

    text: str = yaml.safe_dump(values, sort_keys=False, allow_unicode=True) if values else ""
    return text


def _front_matter(model_dir: Path, licence: Any) -> dict[str, Any]:
    """The keys that the hub's cards have, as those of its other models of the field."""
    return {
        "tasks": [names.TASK],
        "domain": ["cv"],
        "frameworks": ["pytorch"],
        "model-type": ["HRNet"],
        "metrics": list(METRICS),
        "license": licence,
        "finetune-support": not (model_dir / EXPORT_FILE).is_file(),
        "tags": ["hand", "keypoints", "pose", names.DISTRIBUTION],
        "widgets": [{"task": names.TASK, "inputs": [{"type": "image"}]}],
    }


def _page(model_dir: Path, model_id: str, is_finetuned: bool) -> str:
    code = _code(model_dir, model_id)
    command = f"modelscope-handkp predict image.jpg --model {model_id} --out out"
    numbers, training = _evaluation(model_dir), _training(model_dir)
    chinese = [
        f"# {model_id.split('/')[1]}",
        "输入图像，输出每只手的 21 个二维关键点（COCO-WholeBody 顺序）和手框。",
        "## 使用",
        f"```python\n{code}```",
        f"```bash\npip install {names.DISTRIBUTION}\n{command}\n```",
    ]
    english = [
        "# In English",
        "An image in, 21 two-dimensional keypoints (in the order of COCO-WholeBody) and a box for every hand out. The "
        "code above runs it.",
    ]
    if numbers:
        chinese += ["## 评测", f"训练后在验证集上的最后一次评测：\n\n{numbers}"]
        english += ["The table above is the last evaluation on the validation data of the training."]
    if training or is_finetuned:
        start = "从 modelscope-handkp 自带的模型开始微调。" if is_finetuned else ""
        chinese += ["## 训练", "\n\n".join(part for part in (start, training) if part)]
        english += [FINETUNED] if is_finetuned else []
        english += ["The settings of the training are above."] if training else []
    return "\n\n".join([*chinese, *english]) + "\n"


def _code(model_dir: Path, model_id: str) -> str:
    if (model_dir / EXPORT_FILE).is_file():
        return (
            "from modelscope_handkp import HandEstimator\n\n"
            f"hands = HandEstimator.from_pretrained('{model_id}')('image.jpg')\n"
            "print(hands.keypoints)  # (N, 21, 3): x, y, score\n"
        )
    trust = "" if model_id.split("/", maxsplit=1)[0] in TRUSTED_OWNERS else ", trust_remote_code=True"
    return (
        "from modelscope.pipelines import pipeline\n"
        "from modelscope.utils.constant import Tasks\n\n"
        f"hands = pipeline(Tasks.hand_2d_keypoints, model='{model_id}'{trust})('image.jpg')\n"
        "print(hands['keypoints'])  # (N, 21, 3): x, y, score\n"
    )


def _evaluation(model_dir: Path) -> str:
    """The numbers of the last evaluation as a table; empty where there are none."""
    path = model_dir / EVALUATION_FILE
    if not path.is_file() or path.stat().st_size > MAX_BYTES:
        return ""
    try:
        values = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return ""
    values = values if isinstance(values, dict) else {}
    shown = {title: values[key] for key, title in COLUMNS.items() if is_number(values.get(key))}
    if not shown:
        return ""
    cells = {title: f"{value:.4f}" for title, value in shown.items()}
    if is_number(values.get("hands")):
        cells["hands"] = f"{values['hands']:.0f}"
    rule = " | ".join("---" for _ in cells)
    return f"| {' | '.join(cells)} |\n| {rule} |\n| {' | '.join(cells.values())} |"


def _training(model_dir: Path) -> str:
    """How it was trained, as a table; empty where the configuration does not say, or the model was exported."""
    try:
        config = read_configuration(model_dir)
        train, optimizer = block(config, "train"), block(config, "train.optimizer")
        schedule, loader = block(config, "train.lr_scheduler"), block(config, "train.dataloader")
        crop = block(config, "data_cfg").get("image_size")
    except HandkpError:
        return ""
    size = f"{crop[0]}x{crop[1]}" if isinstance(crop, list) and len(crop) == 2 and all(map(is_number, crop)) else None
    rows = {
        "epochs": train.get("max_epochs"),
        "batch size": loader.get("batch_size_per_gpu"),
        "optimizer": optimizer.get("type"),
        "learning rate": optimizer.get("lr"),
        "schedule": schedule.get("policy") or schedule.get("type"),
        "crop (px)": size,
    }
    shown = {name: value for name, value in rows.items() if is_number(value) or _is_word(value)}
    lines = [f"| {name} | {value} |" for name, value in shown.items()]
    return "\n".join(["| | |", "| --- | --- |", *lines]) if len(shown) > 1 else ""


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\w[\w.]{0,40}", value) is not None
