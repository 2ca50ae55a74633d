"""The package beside ModelScope and pai-easycv: names, plugin lists, import order."""

import importlib
import importlib.metadata
import os
import re
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from modelscope.utils import plugins as loader
from modelscope.utils.ast_utils import INDEX_KEY
from modelscope.utils.config import Config
from modelscope.utils.import_utils import LazyImportModule
from modelscope.utils.registry import Registry, build_from_cfg

import modelscope_handkp  # noqa: F401
from modelscope_handkp import plugin
from modelscope_handkp.plugin import names, patches

ROOT = Path(__file__).parents[2]


class Theirs:
    """A class of another package."""


@pytest.fixture
def ours() -> type:
    return type("Ours", (), {"__module__": "modelscope_handkp.plugin.pipeline"})


# --- names


@pytest.mark.parametrize("key", sorted(names.REGISTERED), ids="-".join)
def test_each_name_is_found_in_its_registry_after_importing_its_module(key: tuple[str, str, str]) -> None:
    assert LazyImportModule.get_ast_index()[INDEX_KEY][key]["module"] == names.REGISTERED[key]
    module = importlib.import_module(names.REGISTERED[key])
    registries = [value for value in vars(module).values() if isinstance(value, Registry)]
    found = [r.get(key[2], key[1]) for r in registries if r.name.upper() == key[0]]
    assert [cls.__module__ for cls in found] == [names.REGISTERED[key]]


def test_easycv_before_us_is_overridden(ours: type) -> None:
    registry = Registry("pipelines")
    registry._modules[names.TASK] = {names.PIPELINE: Theirs}  # as if registered before register()
    registry.register_module(names.TASK, module_name=names.PIPELINE, module_cls=ours, force=True)
    assert registry.get(names.PIPELINE, names.TASK) is ours


def test_easycv_after_us_is_ignored_without_an_error(ours: type) -> None:
    registry = Registry("pipelines")
    registry.register_module(names.TASK, module_name=names.PIPELINE, module_cls=ours, force=True)
    decorated = registry.register_module(names.TASK, module_name=names.PIPELINE)(Theirs)
    assert decorated is Theirs
    assert registry.get(names.PIPELINE, names.TASK) is ours


def test_a_name_is_ours_before_our_module_is_imported() -> None:
    registry = Registry("pipelines")
    registry.register_module(names.TASK, module_name=names.PIPELINE)(Theirs)
    assert registry.get(names.PIPELINE, names.TASK) is None


def test_other_names_and_groups_are_as_before() -> None:
    registry = Registry("pipelines")
    registry.register_module("another-task", module_name=names.PIPELINE, module_cls=Theirs)
    registry.register_module(names.TASK, module_name="another-pipeline", module_cls=Theirs)
    registry.register_module(module_cls=Theirs)
    for group, name in (("another-task", names.PIPELINE), (names.TASK, "another-pipeline"), ("default", "Theirs")):
        assert registry.get(name, group) is Theirs
        with pytest.raises(KeyError):
            registry.register_module(group, module_name=name, module_cls=Theirs)


def test_force_registers_as_before() -> None:
    registry = Registry("pipelines")
    registry.register_module(names.TASK, module_name=names.PIPELINE, module_cls=Theirs, force=True)
    assert registry.get(names.PIPELINE, names.TASK) is Theirs


def test_registering_again_changes_nothing() -> None:
    before = (
        Registry._register_module,
        Config.__init__,
        loader.get_modules_from_package,
        list(getattr(loader, "PLUGIN_WHITE_LIST", ())),
    )
    plugin.register()
    after = (
        Registry._register_module,
        Config.__init__,
        loader.get_modules_from_package,
        list(getattr(loader, "PLUGIN_WHITE_LIST", ())),
    )
    assert after == before


# --- other releases of ModelScope


@pytest.fixture
def restored(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the patches replace is as it was after the test."""
    for owner, name in (
        (Registry, "_register_module"),
        (Config, "__init__"),
        (loader, "install_requirements_by_names"),
        (loader, "get_modules_from_package"),
    ):
        monkeypatch.setattr(owner, name, getattr(owner, name))


def test_the_index_of_classes_is_found_in_its_old_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(LazyImportModule, "get_ast_index")
    monkeypatch.setattr(LazyImportModule, "AST_INDEX", {INDEX_KEY: {("A", "b", "c"): {}}}, raising=False)
    patches.index_classes()
    assert set(LazyImportModule.AST_INDEX[INDEX_KEY]) == {("A", "b", "c"), *names.REGISTERED}
    assert patches.class_index() is LazyImportModule.AST_INDEX[INDEX_KEY]


def test_without_a_list_of_trusted_plugins_ours_needs_no_trust(monkeypatch: pytest.MonkeyPatch, restored: None) -> None:
    monkeypatch.delattr(loader, "PLUGIN_WHITE_LIST")
    patches.apply_all()
    assert "plugins" not in Config(configuration(["modelscope-handkp>=0.1", "pai-easycv"]))
    assert Config(configuration(["modelscope_handkp", "adaseq"])).plugins == ["adaseq"]
    assert Config(configuration(["modelscope-handkp"], model="another")).plugins == ["modelscope-handkp"]


class Lacking(types.ModuleType):
    """A module of a release of ModelScope that lacks something."""

    def __init__(self, error: Exception) -> None:
        super().__init__("modelscope.metainfo")
        self.__dict__["error"] = error

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise self.error


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """The patches are not imported yet."""
    monkeypatch.delitem(sys.modules, "modelscope_handkp.plugin.patches")
    monkeypatch.delattr(plugin, "patches")


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize(
    ("error", "named"),
    [
        (ModuleNotFoundError("no pkg_resources", name="pkg_resources"), r"pkg_resources.*pip install .setuptools<81"),
        (ModuleNotFoundError("no addict", name="addict"), r"without its framework \(no addict\): pip install"),
        (ModuleNotFoundError("no x", name="modelscope.utils.x"), r"release [\d.]+ lacks .*no x.*pip install"),
        (ImportError("cannot import name 'Metrics'"), r"release [\d.]+ lacks .*ImportError: cannot import name"),
        (OSError("libcudart.so.12 is not there"), r"OSError: libcudart"),
        (RuntimeError("compiled for another numpy"), r"RuntimeError: compiled for another numpy"),
    ],
    ids=lambda value: getattr(value, "name", None) or type(value).__name__,
)
def test_what_modelscope_lacks_is_one_sentence_and_no_error(
    error: Exception, named: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "modelscope.metainfo", Lacking(error))
    assert plugin.register.__wrapped__() is False
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert re.search(named, record.getMessage()), record.getMessage()


@pytest.mark.usefixtures("fresh")
def test_a_module_of_our_own_that_is_missing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "modelscope_handkp.plugin.patches", None)
    with pytest.raises(ModuleNotFoundError, match=r"plugin\.patches"):
        plugin.register.__wrapped__()


@pytest.mark.parametrize(
    ("release", "told"), [("1.9.5", True), ("1.19.2", True), ("1.20.0", False), ("1.20", False), ("2.0", False)]
)
def test_a_release_that_is_too_old_is_said(
    release: str, told: bool, monkeypatch: pytest.MonkeyPatch, restored: None, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda package: release)
    assert plugin.register.__wrapped__()
    assert [f"ModelScope {release} is older than 1.20" in record.getMessage() for record in caplog.records] == (
        [True] if told else []
    )


def test_the_oldest_release_is_the_one_that_pip_asks_for() -> None:
    assert re.search(r'"modelscope\[.*\]>=1\.20"', (ROOT / "pyproject.toml").read_text())
    assert ">=1.20" in plugin.INSTALL


# --- plugin lists


def configuration(plugins: Any, model: str = names.MODEL, pipeline: str = names.PIPELINE) -> dict[str, Any]:
    return {"task": names.TASK, "plugins": plugins, "model": {"type": model}, "pipeline": {"type": pipeline}}


@pytest.mark.parametrize("easycv", ["pai-easycv", "pai-easycv>=0.8", "pai_easycv == 0.11.7", "PAI-EasyCV"])
def test_our_model_is_read_without_easycv(easycv: str) -> None:
    assert "plugins" not in Config(configuration([easycv]))
    assert Config(configuration([easycv, "adaseq"])).plugins == ["adaseq"]


@pytest.mark.parametrize(
    "config",
    [
        configuration(["pai-easycv"], model="YOLOX", pipeline="easycv-detection"),
        configuration(["pai-easycv"], pipeline="easycv-detection"),
        configuration(["pai-easycv"], model="another"),
        configuration(["pai-easycv-extra"]),
        configuration(["modelscope-handkp"]),
        configuration("pai-easycv"),
        {"plugins": ["pai-easycv"]},
        {"plugins": ["pai-easycv"], "model": "a string"},
    ],
)
def test_other_configurations_are_read_as_before(config: dict[str, Any]) -> None:
    assert Config(config).plugins == config["plugins"]


def test_reading_leaves_the_callers_dict_alone() -> None:
    config = configuration(["pai-easycv", "adaseq"])
    Config(config)
    assert config == configuration(["pai-easycv", "adaseq"])


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The pip commands that are run; each fails."""
    asked: list[list[str]] = []

    def command(name: str, args: list[str]) -> tuple[int, None, list[str]]:
        asked.append([name, *args])
        return 1, None, args

    def check_output(args: list[str], **_: Any) -> bytes:
        asked.append(args)
        raise subprocess.CalledProcessError(1, args)

    monkeypatch.setattr(loader.PluginsManager, "pip_command", staticmethod(command))
    monkeypatch.setattr(subprocess, "check_output", check_output)
    return asked


@pytest.mark.parametrize("spelling", ["modelscope-handkp", "modelscope_handkp>=0.1"])
def test_our_own_plugin_runs_no_pip(pip: list[list[str]], spelling: str) -> None:
    loader.register_plugins_repo([spelling])
    assert pip == []


def test_our_own_plugin_needs_no_trust() -> None:
    assert loader.filter_plugin_in_whitelist(["modelscope-handkp", "adaseq"]) == ["adaseq"]


def test_another_plugin_is_installed_as_before(pip: list[list[str]]) -> None:
    with pytest.raises(EnvironmentError, match="no-such-plugin"):
        loader.register_plugins_repo(["modelscope-handkp", "no-such-plugin"])
    assert pip == [["install", "no-such-plugin"]]


def test_another_plugin_is_looked_up_as_before(pip: list[list[str]]) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        loader.get_modules_from_package("no-such-plugin")
    assert pip[0][-1] == "no-such-plugin"


# --- fresh processes

# what `import easycv.toolkit.modelscope` does: the same decorators, the same names
FAKE_EASYCV = """
from modelscope.models.builder import MODELS
from modelscope.pipelines.builder import PIPELINES
from modelscope.utils.constant import Tasks

@PIPELINES.register_module(Tasks.hand_2d_keypoints, module_name="hrnetv2w18_hand-2d-keypoints_image")
class Hand2DKeypointsPipeline:
    pass

@MODELS.register_module(group_key=Tasks.hand_2d_keypoints, module_name="HRNet-Hand2D-Keypoints")
class Hand2dKeyPoints:
    pass

@MODELS.register_module(group_key=Tasks.image_object_detection, module_name="YOLOX")
class YOLOX:
    pass
"""
OURS = "import modelscope_handkp"
THEIRS = "import easycv.toolkit.modelscope"
BUILD = """
from modelscope.utils.import_utils import LazyImportModule
LazyImportModule.import_module(("PIPELINES", "hand-2d-keypoints", "hrnetv2w18_hand-2d-keypoints_image"))
LazyImportModule.import_module(("MODELS", "hand-2d-keypoints", "HRNet-Hand2D-Keypoints"))
"""
CHECK = """
from modelscope.models.builder import MODELS
from modelscope.pipelines.builder import PIPELINES
print(PIPELINES.get("hrnetv2w18_hand-2d-keypoints_image", "hand-2d-keypoints").__module__)
print(MODELS.get("HRNet-Hand2D-Keypoints", "hand-2d-keypoints").__module__)
print(MODELS.get("YOLOX", "image-object-detection").__module__)
"""


def run(code: str, *paths: Path) -> tuple[str, str]:
    """What a fresh process prints, and logs."""
    path = os.pathsep.join([str(ROOT), *map(str, paths)])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "order",
    [(THEIRS, OURS, BUILD), (OURS, THEIRS, BUILD), (OURS, BUILD, THEIRS)],
    ids=["easycv-first", "easycv-second", "easycv-last"],
)
def test_our_classes_are_built_whichever_is_imported_first(tmp_path: Path, order: tuple[str, ...]) -> None:
    package = tmp_path / "easycv" / "toolkit"
    package.mkdir(parents=True)
    (package / "modelscope.py").write_text(FAKE_EASYCV)
    out, _ = run("\n".join([*order, CHECK]), tmp_path)
    assert out.split() == [
        "modelscope_handkp.plugin.pipeline",
        "modelscope_handkp.plugin.model",
        "easycv.toolkit.modelscope",
    ]


LOADED_BY_US = """
import sys
import modelscope
before = set(sys.modules)
import modelscope_handkp
print(*[name for name in sys.modules if name not in before])
"""


@pytest.mark.slow
def test_importing_loads_nothing_heavy_beyond_what_modelscope_loads() -> None:
    loaded = run(LOADED_BY_US)[0].split()
    assert "modelscope_handkp.plugin.patches" in loaded
    heavy = ("modelscope.pipelines", "modelscope.models", "modelscope.trainers", "datasets", "transformers", "scipy")
    assert [name for name in loaded if name.startswith(heavy)] == []
    assert "modelscope_handkp.plugin.pipeline" not in loaded


@pytest.mark.slow
def test_modelscopes_loader_imports_every_module_quietly(tmp_path: Path) -> None:
    code = 'from modelscope.utils.plugins import import_plugins; print(import_plugins(["modelscope_handkp"]))'
    out, err = run(f"import os; os.chdir({str(tmp_path)!r}); {code}")
    assert out.splitlines()[-1] == "['modelscope_handkp']"
    assert "not imported" not in err
    assert list(tmp_path.iterdir()) == []


CORE_ALONE = """
import sys
{absent}
import modelscope_handkp
from modelscope_handkp import HandEstimator
print([name for name in sys.modules if name == "modelscope_handkp.plugin.patches" or "easycv" in name])
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("absent", "word"),
    [("sys.modules['modelscope'] = None", ""), ("sys.modules['addict'] = None", "modelscope[framework]")],
    ids=["no-modelscope", "hub-client-alone"],
)
def test_without_modelscope_the_core_imports_and_registers_nothing(absent: str, word: str) -> None:
    out, err = run(CORE_ALONE.format(absent=absent))
    assert out.split() == ["[]"]
    assert word in err
    assert bool(err) == bool(word)


def test_building_from_a_configuration_loads_our_module() -> None:
    from modelscope.preprocessors.builder import PREPROCESSORS

    built = build_from_cfg({"type": names.MM_TO_TENSOR}, PREPROCESSORS, group_key=names.FIELD)
    assert type(built).__module__ == "modelscope_handkp.plugin.preprocessors"
