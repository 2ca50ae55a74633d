"""Small videos, some with sound, as files of several formats."""

from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

SIZE = (64, 48)  # width, height
BLIP, PITCH = 0.1, 1000  # s, Hz: each second begins with a tone


def write_clip(
    path: Path,
    format: str = "mp4",
    codec: str = "libx264",
    audio: str | None = "aac",
    rate: int = 48_000,
    layout: str = "stereo",
    seconds: float = 3,
    offset: float = 0,
) -> Path:
    """A video of 25 frames a second whose time stamps begin at ``offset`` s, with a tone at each whole second."""
    import av

    with av.open(str(path), "w", format=format) as container:
        video = container.add_stream(codec, 25)
        video.width, video.height = SIZE
        video.pix_fmt = "yuv420p"
        sound: Any = None
        if audio is not None:
            sound = container.add_stream(audio, rate)
            sound.codec_context.layout = layout
            resampler = av.AudioResampler(sound.codec_context.format.name, layout, rate)
        for index in range(round(25 * seconds)):
            frame = av.VideoFrame.from_ndarray(np.full((*SIZE[::-1], 3), 3 * index % 256, np.uint8), "bgr24")
            frame.pts, frame.time_base = index + round(25 * offset), Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if sound is not None:
            times = np.arange(round(rate * seconds)) / rate
            tone = (0.8 * np.sin(2 * np.pi * PITCH * times) * (times % 1 < BLIP)).astype(np.float32)
            for begin in range(0, len(tone), 1024):
                samples = np.repeat(tone[None, begin : begin + 1024], sound.codec_context.channels, axis=0)
                chunk = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), "fltp", layout)
                chunk.sample_rate, chunk.pts, chunk.time_base = rate, begin + round(rate * offset), Fraction(1, rate)
                for part in resampler.resample(chunk):
                    container.mux(sound.encode(part))
            for part in resampler.resample(None):
                container.mux(sound.encode(part))
            container.mux(sound.encode(None))
    return path


class Decoded(NamedTuple):
    """What a video is found to hold: times in seconds, images (H, W, 3) BGR, the times at which tones begin."""

    times: list[float]
    images: list[np.ndarray]
    duration: float
    audio: str | None
    tones: list[float]
    sound: tuple[float, float] | None  # from when to when there is sound


def decode(path: Path) -> Decoded:
    import av

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [(frame.time, frame.to_ndarray(format="bgr24")) for frame in container.decode(stream)]
        duration = float(stream.duration * stream.time_base)
        audio = container.streams.audio[0].codec_context.codec.canonical_name if container.streams.audio else None
    tones, span = ([], None) if audio is None else _tones(path)
    return Decoded([time for time, _ in frames], [image for _, image in frames], duration, audio, tones, span)


def _tones(path: Path) -> tuple[list[float], tuple[float, float]]:
    import av

    tones, last, span = [], -1.0, []
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("fltp", "mono", container.streams.audio[0].codec_context.sample_rate)
        for decoded in container.decode(audio=0):
            for frame in resampler.resample(decoded):
                samples = np.abs(frame.to_ndarray()[0])
                span += [frame.time, frame.time + frame.samples / frame.sample_rate]
                for place in np.nonzero(samples > 0.3)[0]:
                    time = frame.time + place / frame.sample_rate
                    if time > last + 0.3:
                        tones.append(time)
                    last = time
    return tones, (span[0], span[-1])
