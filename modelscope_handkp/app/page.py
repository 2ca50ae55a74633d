"""The page: tabs for images, a camera and videos."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import HandkpError
from ..estimator import HandEstimator
from ..sources.images import load_image
from .answers import FILES, Answer, answer_image, answer_video
from .limits import MEGABYTE, Limits, RefusedError, refusal
from .live import Live
from .models import ALL_VIEWS, EMBEDDED, ONE_VIEW, Models
from .tables import note
from .uploads import given_file, given_frame, image_file, import_gradio, setting_as_sent, video_file
from .words import ENGINES, language_of, say, translations

SHOWN = {"height": 400, "min_width": 320}  # CSS pixels of images and videos; narrow screens have one below another
FRAME_SECONDS = 0.1  # from one frame of a camera to the next, at least
CAMERA_SIZE = (640, 480)  # pixels that are asked for
STATE_SECONDS = 300  # after which a session of a camera is forgotten
SWEEP_SECONDS = 60  # between two looks for old files
log = logging.getLogger(__name__)

Texts = Callable[[str], Any]  # a name of words.LABELS -> what Gradio shows in the language of the browser


@dataclass(frozen=True)
class Page:
    """What a page is made of.

    folder: of uploads and results, Gradio's own. examples: images to click.
    """

    models: Models
    limits: Limits
    folder: Path
    examples: list[Path]

    def texts(self) -> Any:
        """The ``gradio.I18n`` of the page."""
        limits = self.limits
        return import_gradio().I18n(
            **translations(
                minutes=limits.keep_seconds // 60,
                pixels=limits.image_pixels,
                size=limits.file_bytes // MEGABYTE,
                camera_seconds=limits.camera_seconds,
                video_seconds=f"{limits.video_seconds:g}",
                fastest=ENGINES[self.models.fastest],
            )
        )

    def estimator(self, *chosen: Any) -> HandEstimator:
        """`Models.get`.

        Raises:
            RefusedError: the settings cannot be used.
        """
        try:
            return self.models.get(*chosen)
        except HandkpError as error:
            log.warning("settings were refused: %r", str(error))
            raise refusal("setting", error=error) from error

    def blocks(self, texts: Texts) -> Any:
        """The ``gradio.Blocks`` of the page."""
        gradio = import_gradio()
        cache = (SWEEP_SECONDS, self.limits.keep_seconds)
        title = "Hand keypoints · 手部关键点"
        with gradio.Blocks(title=title, analytics_enabled=False, delete_cache=cache) as blocks:
            with gradio.Column(elem_id="head"):
                gradio.Markdown(texts("title"), elem_id="title")
                gradio.Markdown(texts("subtitle"), elem_id="subtitle")
            settings = _settings(self.models, texts)
            with gradio.Tabs():
                with gradio.Tab(texts("image_tab"), id="image"):
                    _image_tab(self, texts, settings)
                with gradio.Tab(texts("camera_tab"), id="camera"):
                    _camera_tab(self, texts, settings)
                with gradio.Tab(texts("video_tab"), id="video"):
                    _video_tab(self, texts, settings)
            with gradio.Accordion(texts("settings"), open=False, elem_id="settings"):
                for row in (settings[:2], settings[2:]):
                    with gradio.Row():
                        for setting in row:
                            setting.render()
            gradio.Markdown(texts("privacy"), elem_classes="hint-line")
        return blocks


def _settings(models: Models, texts: Texts) -> list[Any]:
    """The components of model, engine and both thresholds, not rendered yet."""
    share = {"minimum": 0, "maximum": 1, "value": 0, "step": 0.01}
    names = [(texts("embedded") if name == EMBEDDED else Path(name).name, name) for name in models.names]
    engines = [(_engine(name, models, texts), name) for name in models.engines]
    infos = [texts(f"{kind}_threshold_info") for kind in ("hand", "keypoint")]
    return [
        setting_as_sent("Radio", choices=names, value=models.names[0], label=texts("model"), render=False),
        setting_as_sent("Radio", choices=engines, value=models.engines[0], label=texts("engine"), render=False),
        setting_as_sent("Slider", **share, label=texts("hand_threshold"), info=infos[0], render=False),
        setting_as_sent("Slider", **share, label=texts("keypoint_threshold"), info=infos[1], render=False),
    ]


def _engine(name: str, models: Models, texts: Texts) -> Any:
    return texts("fastest_engine") if name == models.fastest and len(models.engines) > 1 else ENGINES[name]


def _image_tab(page: Page, texts: Texts, settings: list[Any]) -> None:
    import gradio

    with gradio.Row():
        with gradio.Column(min_width=SHOWN["min_width"]):
            given = image_file(
                label=texts("image_in"), sources=["upload", "clipboard"], **SHOWN, elem_id="image-in", buttons=[]
            )
            gradio.Markdown(texts("image_hint"), elem_classes="hint-line")
            if page.examples:
                gradio.Examples([[str(path)] for path in page.examples], [given], label=texts("examples"))
        with gradio.Column(min_width=SHOWN["min_width"]):
            drawn = image_file(
                label=texts("image_out"),
                interactive=False,
                buttons=["fullscreen", "download"],
                **SHOWN,
                elem_id="image-out",
            )
            words, files = _answer_parts("image", texts)

    def on_image(
        image: Any,
        model: str,
        engine: str,
        hand_threshold: float,
        keypoint_threshold: float,
        request: gradio.Request,
    ) -> Any:
        """The hands of an image file: a table as HTML, the drawing as the data URL of a JPEG, a JSON and a CSV file."""

        def answer(language: str) -> Answer:
            if image is None:  # it was taken away
                return Answer("")
            path, name = given_file(image)
            estimator = page.estimator(model, engine, hand_threshold, keypoint_threshold, ALL_VIEWS)
            return answer_image(path, name, estimator, page.limits, page.folder, language)

        return _shown(_said(answer, request))

    shared: dict[str, Any] = {
        "trigger_mode": "always_last",
        "concurrency_limit": page.limits.images,
        "concurrency_id": "image",
    }
    inputs, outputs = [given, *settings], [words, drawn, *files]
    _cleared(given.change, words)
    given.change(on_image, inputs, outputs, api_name="image", show_progress_on=drawn, **shared)
    for setting in settings:
        setting.change(on_image, inputs, outputs, api_visibility="private", show_progress_on=drawn, **shared)


def _camera_tab(page: Page, texts: Texts, settings: list[Any]) -> None:
    import gradio

    gradio.HTML('<div id="camera-note"></div>', elem_id="camera-words", padding=False)
    width, height = CAMERA_SIZE
    wanted = {"video": {"width": {"ideal": width}, "height": {"ideal": height}, "facingMode": "user"}}
    options = gradio.WebcamOptions(mirror=True, constraints=wanted)
    with gradio.Row():
        with gradio.Column(min_width=SHOWN["min_width"]):
            given = image_file(
                label=texts("camera_in"), sources=["webcam"], streaming=True, **SHOWN, elem_id="camera-in",
                webcam_options=options,
            )  # fmt: skip
            gradio.Markdown(texts("camera_hint"), elem_classes="hint-line")
        with gradio.Column(min_width=SHOWN["min_width"]):
            drawn = image_file(
                label=texts("camera_out"), interactive=False, streaming=True, **SHOWN, elem_id="camera-out", buttons=[]
            )
            status = gradio.HTML(elem_id="camera-status", padding=False)
    state = gradio.State(None, time_to_live=STATE_SECONDS)

    def on_frame(
        payload: Any,
        live: Live | None,
        model: str,
        engine: str,
        hand: float,
        keypoint: float,
        request: gradio.Request,
    ) -> Any:
        def answer(language: str) -> Answer:
            nonlocal live
            chosen = model, engine, hand, keypoint
            if live is None or live.settings != chosen:
                live = Live(page.estimator(*chosen, ONE_VIEW), chosen)
            drawn, words = live.answer(load_image(given_frame(payload, page.limits.frame_pixels)), language)
            return Answer(words, drawn)

        said = _said(answer, request)
        return said.drawn, said.words, live

    given.stream(
        on_frame, [given, state, *settings], [drawn, status, state], api_visibility="private",
        stream_every=FRAME_SECONDS, time_limit=page.limits.camera_seconds, concurrency_limit=page.limits.cameras,
        show_progress="hidden",
    )  # fmt: skip


def _video_tab(page: Page, texts: Texts, settings: list[Any]) -> None:
    import gradio

    with gradio.Row():
        with gradio.Column(min_width=SHOWN["min_width"]):
            given = video_file(label=texts("video_in"), sources=["upload"], **SHOWN, elem_id="video-in")
            gradio.Markdown(texts("video_hint"), elem_classes="hint-line")
            button = gradio.Button(texts("follow"), variant="primary", elem_id="follow")
        with gradio.Column(min_width=SHOWN["min_width"]):
            drawn = video_file(
                label=texts("video_out"), interactive=False, buttons=["download"], **SHOWN, elem_id="video-out"
            )
            words, files = _answer_parts("video", texts)

    def on_video(
        video: Any,
        model: str,
        engine: str,
        hand_threshold: float,
        keypoint_threshold: float,
        request: gradio.Request,
        progress: gradio.Progress = gradio.Progress(),  # noqa: B008  Gradio looks for it here
    ) -> Any:
        """The tracked hands of a video file: a table as HTML, the drawing as an mp4, a JSON and a CSV file."""

        def answer(language: str) -> Answer:
            path, name = given_file(video)
            estimator = page.estimator(model, engine, hand_threshold, keypoint_threshold, ONE_VIEW)
            return answer_video(path, name, estimator, page.limits, page.folder, language, progress)

        return _shown(_said(answer, request))

    outputs = [words, drawn, *files]
    given.change(lambda: _shown(Answer("")), None, outputs, queue=False, api_visibility="private")
    _cleared(button.click, words)
    button.click(
        on_video, [given, *settings], outputs, api_name="video", show_progress_on=drawn,
        concurrency_limit=page.limits.videos,
    )  # fmt: skip


def _answer_parts(name: str, texts: Texts) -> tuple[Any, list[Any]]:
    """The words of an answer, and the buttons of its files."""
    gradio = import_gradio()
    words = gradio.HTML(elem_id=f"{name}-words", padding=False)
    with gradio.Row():
        files = [
            gradio.DownloadButton(texts(f"{format}_file"), visible=False, size="sm", elem_id=f"{name}-{format}")
            for format in FILES
        ]
    return words, files


def _cleared(event: Any, words: Any) -> None:
    """Drop the words of the last answer at once, in the browser."""
    event(None, None, words, js="() => ''", api_visibility="private")


def _shown(answer: Answer) -> tuple[Any, ...]:
    """What Gradio sets the words, the drawing and the buttons of files to."""
    button = import_gradio().DownloadButton
    files = answer.files or (None,) * len(FILES)
    return answer.words, answer.drawn, *(button(value=path, visible=path is not None) for path in files)


def _said(answer: Callable[[str], Answer], request: Any) -> Answer:
    """An answer, or why there is none, in the language of the request."""
    language = language_of(request.headers.get("accept-language"))
    try:
        return answer(language)
    except RefusedError as error:
        return Answer(note(error.in_language(language), "bad"))
    except HandkpError as error:
        log.warning("a file was refused: %r", str(error))
        return Answer(note(say(language, "refused", error=error), "bad"))
    except Exception:
        log.exception("an answer failed")
        return Answer(note(say(language, "failed"), "bad"))
