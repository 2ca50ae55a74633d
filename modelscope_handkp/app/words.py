"""What the page says, in English and Chinese."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

LANGUAGES = ("en", "zh")
LOCALES = {"en": ("en",), "zh": ("zh", "zh-CN", "zh-TW")}  # by which Gradio calls them

# Sentences that Gradio shows in the language of the browser, name -> (English, Chinese).
LABELS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "title": ("# Hand keypoints", "# 手部关键点"),
        "subtitle": (
            "Finds every hand in an image, a video or your camera, and the 21 keypoints and the gesture of each.",
            "找出图像、视频或摄像头画面中的每一只手，标出各自的 21 个关键点，并识别手势。",
        ),
        "privacy": (
            "Uploads stay on this server and are deleted after {minutes} minutes.",
            "上传的文件只保存在本服务器上，{minutes} 分钟后删除。",
        ),
        "image_tab": ("Image", "图像"),
        "camera_tab": ("Camera", "摄像头"),
        "video_tab": ("Video", "视频"),
        "image_in": ("Your image", "你的图像"),
        "image_out": ("Hands found", "检测结果"),
        "camera_in": ("Your camera", "你的摄像头"),
        "camera_out": ("Hands, live", "实时结果"),
        "video_in": ("Your video", "你的视频"),
        "video_out": ("Tracked hands", "跟踪结果"),
        "follow": ("Track hands", "开始跟踪"),
        "examples": ("Or try one of these rendered images", "或者试试这些渲染的图像"),
        "settings": ("Settings", "设置"),
        "model": ("Model", "模型"),
        "embedded": ("embedded", "内置模型"),
        "engine": ("Engine", "推理引擎"),
        "fastest_engine": ("{fastest} (fastest)", "{fastest}（最快）"),
        "hand_threshold": ("Minimum hand confidence", "手的最低置信度"),
        "hand_threshold_info": ("0: the model's default", "0：采用模型的默认值"),
        "keypoint_threshold": ("Minimum keypoint score", "关键点的最低得分"),
        "keypoint_threshold_info": ("0: all keypoints are shown", "0：显示所有关键点"),
        "json_file": ("Download JSON", "下载 JSON"),
        "csv_file": ("Download CSV", "下载 CSV"),
        "image_hint": (
            "JPEG, PNG, WebP, HEIC and others, up to {pixels} and {size} MB.",
            "支持 JPEG、PNG、WebP、HEIC 等格式，最多 {pixels}、{size} MB。",
        ),
        "camera_hint": (
            "Allow the camera, then press Start; nothing is saved. It stops after {camera_seconds} seconds; "
            "start it again as you like.",
            "允许使用摄像头，然后点击“开始”，画面不会保存。{camera_seconds} 秒后自动停止，可以随时重新开始。",
        ),
        "video_hint": ("Up to {video_seconds} seconds and {size} MB.", "最长 {video_seconds} 秒，最大 {size} MB。"),
        # Gradio's own, where it has none in one of the languages, or speaks of recording
        "common.complete": ("Done", "完成"),
        "common.progress": ("Progress", "进度"),
        "status.queue_position": ("Waiting: {{position}} of {{size}}", "排队中：第 {{position}} 位，共 {{size}} 位"),
        "image.no_webcam_support": ("This browser gives no camera here.", "浏览器在此页面无法使用摄像头。"),
        "image.allow_webcam_access": ("Allow the camera in your browser.", "请在浏览器中允许使用摄像头。"),
        "audio.record": ("Start", "开始"),
        "audio.stop": ("Stop", "停止"),
    }
)

# Sentences of answers, in the language that the request asks for.
SENTENCES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "no_hand": ("No hand found in this image.", "这张图像中没有找到手。"),
        "one_hand": ("1 hand was found.", "找到 1 只手。"),
        "hands": ("{count} hands were found.", "找到 {count} 只手。"),
        "frames": (
            "{frames} frames, {seconds} s. Tracked hands: {count}.",
            "共 {frames} 帧、{seconds} 秒，跟踪到 {count} 只手。",
        ),
        "cut_short": (
            "The time for one request was over: this is the video up to {seconds} s.",
            "单次请求的时间已用完，这是视频的前 {seconds} 秒。",
        ),
        "broke_off": ("The video breaks off: {error}", "视频在中途中断，之后的画面无法读取。"),
        "no_image": ("This is no image, but {kind}.", "这不是图像，而是{kind}。"),
        "no_video": ("This is no video, but {kind}.", "这不是视频，而是{kind}。"),
        "video_for_image": (
            "This is a video: open it under Video.",
            "这是视频，请在“视频”页打开。",
        ),
        "image_for_video": ("This is an image: open it under Image.", "这是图像，请在“图像”页打开。"),
        "too_many_pixels": (
            "The image has more than {pixels}: make it smaller.",
            "图像超过 {pixels}，请先缩小。",
        ),
        "too_many_pixels_a_frame": (
            "The video has more than {pixels} a frame: make it smaller.",
            "视频每帧超过 {pixels}，请先缩小。",
        ),
        "too_long": (
            "The video is {seconds} s long; up to {most} s are taken: trim it.",
            "视频长 {seconds} 秒，最多接受 {most} 秒，请先剪短。",
        ),
        "too_large": ("The file is larger than {most} MB.", "文件超过 {most} MB。"),
        "full": (
            "The server has no room for more files now: try again in some minutes.",
            "服务器暂存空间已满，请几分钟后再试。",
        ),
        "no_file": ("Upload a file first.", "请先上传文件。"),
        "gone": ("The file is no longer here: upload it again.", "文件已不在服务器上，请重新上传。"),
        "not_here": ("Nothing is offered at this address.", "此地址不提供内容。"),
        "no_url": ("Addresses are not fetched: upload the file.", "不会下载网址，请上传文件。"),
        "refused": ("It cannot be used: {error}", "无法处理：文件已损坏、不完整，或格式不受支持。"),
        "setting": ("It cannot be used: {error}", "当前设置无法使用，请更换模型、推理引擎或阈值。"),
        "failed": ("Something went wrong here; the log of the server has it.", "服务器出错，详情见服务器日志。"),
        "slow": (
            "{rate} frames a second: the server is busy or the connection slow. Move slowly.",
            "每秒 {rate} 帧：服务器繁忙或网络较慢，请放慢动作。",
        ),
        "rate": ("{rate} frames a second", "每秒 {rate} 帧"),
        "show_hand": ("Show a hand to the camera.", "请把手放到摄像头前。"),
        "hand": ("Hand", "手"),
        "gesture": ("Gesture", "手势"),
        "seconds": ("{seconds} s", "{seconds} 秒"),
        "confidence": ("Hand's confidence", "手的置信度"),
        "box": ("Box (x1, y1, x2, y2)", "边框（x1, y1, x2, y2）"),
        "from": ("From", "开始"),
        "to": ("To", "结束"),
        "html": ("an HTML page", "网页（HTML）"),
        "text": ("text", "文本"),
        "zip": ("a zip archive", "zip 压缩包"),
        "pdf": ("a PDF document", "PDF 文档"),
        "empty": ("an empty file", "空文件"),
    }
)

# Gradio's words that it shows in English alone; the script of the page replaces them.
OTHERS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "access": ("Use the camera", "使用摄像头"),
        "unplayable": (
            "The browser cannot show this video, but its hands can be tracked.",
            "浏览器无法预览此视频，但可以跟踪。",
        ),
        "heavy": ("The file is too large.", "文件太大。"),
        "lost": ("The server does not answer: try again.", "服务器没有响应，请重试。"),
        "notice": ("Note", "提示"),
    }
)
ENGINES = {"openvino": "OpenVINO", "onnxruntime": "ONNX Runtime", "eager": "PyTorch", "compile": "PyTorch (compiled)"}

# What the script of the page says of cameras.
CAMERA: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "denied": (
            "The camera is not allowed. Allow it beside the address in your browser, then start again; "
            "or use the tabs Image and Video.",
            "摄像头未获授权。请在浏览器地址栏旁允许使用摄像头后重试，或者使用“图像”和“视频”页。",
        ),
        "none": (
            "No camera was found. Connect one, or use the tabs Image and Video.",
            "没有找到摄像头。请连接摄像头，或者使用“图像”和“视频”页。",
        ),
        "busy": (
            "The camera is in use by another program. Close that, then start again.",
            "摄像头正被其他程序占用，请关闭该程序后重试。",
        ),
        "insecure": (
            "Browsers give the camera only to pages on https or on localhost.",
            "浏览器只允许 https 或 localhost 的页面使用摄像头。",
        ),
        "background": (
            "This tab was in the background, where browsers slow the camera down.",
            "页面刚才在后台，浏览器会放慢摄像头。",
        ),
    }
)

GESTURES: Mapping[str, tuple[str, str, str]] = MappingProxyType(  # name -> sign, English, Chinese
    {
        "fist": ("✊", "fist", "握拳"),
        "open_palm": ("✋", "open palm", "张开手掌"),
        "pointing": ("☝️", "pointing", "食指指向"),
        "victory": ("✌️", "victory", "剪刀手"),
        "three": ("3", "three", "三"),
        "four": ("4", "four", "四"),
        "ok": ("👌", "OK", "OK"),
        "thumbs_up": ("👍", "thumbs up", "竖起拇指"),
        "thumbs_down": ("👎", "thumbs down", "拇指向下"),
        "pinch": ("🤏", "pinch", "捏合"),
        "call": ("🤙", "call", "打电话"),
        "rock": ("🤘", "rock", "摇滚"),
        "none": ("–", "none", "无"),
    }
)


def language_of(accepted: str | None) -> str:
    """The language of `LANGUAGES` that a request's header Accept-Language asks for first; English for others."""
    first = (accepted or "").strip().lower()
    return "zh" if first.startswith("zh") else "en"


def say(language: str, name: str, **values: Any) -> str:
    """A sentence of `SENTENCES`."""
    return _filled(SENTENCES[name], language, values)


def gesture_text(language: str, name: str) -> str:
    """A gesture's sign and name; a name of one's own stays as it is."""
    if name not in GESTURES:
        return name
    sign, *names = GESTURES[name]
    return f"{sign} {names[LANGUAGES.index(language)]}"


def translations(**values: Any) -> dict[str, dict[str, str]]:
    """`LABELS` by locale, as ``gradio.I18n`` takes them."""
    return {
        locale: {name: _filled(texts, language, values) for name, texts in LABELS.items()}
        for language, locales in LOCALES.items()
        for locale in locales
    }


def _filled(texts: tuple[str, str], language: str, values: dict[str, Any]) -> str:
    """A text with its values; ``pixels``, a count, is told in the unit of the language."""
    if "pixels" in values:
        count = values["pixels"]
        told = f"{count / 10_000:g} 万像素" if language == "zh" else f"{count / 1_000_000:.3g} million pixels"
        values = {**values, "pixels": told}
    return texts[LANGUAGES.index(language)].format(**values)
