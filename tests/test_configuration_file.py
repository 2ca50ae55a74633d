"""The configuration.json to publish is the hosted one, but for the plugin that it names and plain lists."""

from pathlib import Path
from typing import Any

from model_dirs import lists_for_tuples

from modelscope_handkp.model_dir.config import read_configuration
from modelscope_handkp.model_dir.settings import NetworkSettings
from modelscope_handkp.networks.topdown import build_topdown

ROOT = Path(__file__).resolve().parents[1]


def test_it_differs_from_the_hosted_one_in_the_plugin_alone(golden: Any) -> None:
    published = read_configuration(ROOT)
    assert published.pop("plugins") == ["modelscope-handkp"]
    hosted = lists_for_tuples(golden("hosted/configuration.json"))
    hosted.pop("plugins")
    assert published == hosted


def test_it_has_plain_lists_only() -> None:
    assert "__class__" not in (ROOT / "configuration.json").read_text()


def test_it_describes_the_published_network(golden: Any) -> None:
    state = build_topdown(NetworkSettings.parse(read_configuration(ROOT)["model"])).state_dict()
    assert {key: list(value.shape) for key, value in state.items()} == golden("state_dict_shapes.json")
