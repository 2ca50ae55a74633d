"""A studio for the renderer: surfaces under a known light, and a hand in a known pose before a black wall."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from modelscope_handkp.synthetic import EASY, Rng, figures, scene
from modelscope_handkp.synthetic.appearance import Light, Looks
from modelscope_handkp.synthetic.poses import Angles
from modelscope_handkp.synthetic.shading import Spots, shade
from modelscope_handkp.synthetic.surface import SKIN, Buffers

INDEX_TIP, MIDDLE_FINGER = 7, 9  # bones: the last one of the forefinger, the first one of the middle finger
TO_CAMERA = (0.0, 0.0, -1.0)


def a_light(
    direction=TO_CAMERA, key=(1.0, 1.0, 1.0), sky=(0.3, 0.3, 0.3), ground=(0.3, 0.3, 0.3), shadow=0.9, gloss=0.0
):
    """One light; the direction need not be of unit length."""
    toward = torch.tensor([direction], dtype=torch.float32)
    colors = (torch.tensor([color], dtype=torch.float32) for color in (key, sky, ground))
    return Light(toward / toward.norm(), *colors, torch.tensor([shadow]), torch.tensor([gloss]))


def plain_looks(count=1, **changes):
    """Bare hands of one skin, with palms that are redder and nails that are green, without patterns."""

    def color(*rgb):
        return torch.tensor([rgb], dtype=torch.float32).repeat(count, 1)

    looks = Looks(color(0.5, 0.4, 0.3), color(0.6, 0.35, 0.3), color(0.1, 0.1, 0.8), color(0.1, 0.9, 0.1),
                  torch.full((count,), 3.0), torch.full((count, 3), -1.0), color(0.9, 0.8, 0.1),
                  torch.zeros(count, dtype=torch.bool), torch.zeros(count, 6))  # fmt: skip
    return replace(looks, **changes)


@pytest.fixture(scope="session")
def surface_color():
    """surface_color(light=, looks=, object_color=, depth=, **fields of Spots) -> (n, 3) colours of n spots in a row.

    The spots are half a millimetre apart, face the camera from `depth` (n,) mm, by default a plane half a metre away,
    and belong to the middle of a finger's bone.
    """

    def make(light=None, looks=None, object_color=(0.5, 0.5, 0.5), depth=500.0, **fields):
        fields = {name: torch.as_tensor(value) for name, value in fields.items()}
        depth = torch.as_tensor(depth)
        count = max([len(value) for value in (depth, *fields.values()) if value.ndim], default=1)
        place, zeros = torch.arange(count), torch.zeros(count)
        point = torch.stack([place * (depth + zeros) / 1000, zeros, depth + zeros], 1)
        normal = torch.tensor([TO_CAMERA]).repeat(count, 1)
        none = torch.zeros(count, dtype=torch.int64)
        spots = Spots(place, place, none, none, none, none + MIDDLE_FINGER, none + SKIN, none, point, normal,
                      zeros + 1000.0, zeros + 0.5, zeros, zeros, zeros, torch.zeros(count, 3))  # fmt: skip
        full = {name: value.expand(count, *value.shape[1:]) if value.ndim else value.expand(count)
                for name, value in fields.items()}  # fmt: skip
        spots = replace(spots, **full)
        buffers = Buffers(depth + zeros, zeros + 1.0, none, spots.normal)
        color = torch.tensor([object_color])
        return shade(buffers, spots, light or a_light(), looks or plain_looks(), color, (1, 1, count))

    return make


@pytest.fixture(scope="session")
def light():
    """light(direction=, key=, sky=, ground=, shadow=, gloss=) -> Light; by default white, from the camera."""
    return a_light


@pytest.fixture(scope="session")
def looks():
    """looks(**fields of Looks) -> the looks of one hand, otherwise plain (plain_looks)."""
    return plain_looks


VIEWS = {  # rotations from the hand's frame to the camera's
    "back": ((1, 0, 0), (0, -1, 0), (0, 0, -1)),
    "palm": ((-1, 0, 0), (0, -1, 0), (0, 0, 1)),
    "tips": ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
}


@pytest.fixture
def photo(monkeypatch):
    """photo(side="back", left=False, curl=0, light=, looks=, level=, size=, seed=) -> Rendered, images in linear light.

    One hand with its fingers up and apart, of which the camera sees the back, the palm or the tips; `curl` (degrees)
    bends every joint of the fingers. The wall is black, and no camera spoils the image.
    """

    def make(side="back", left=False, curl=0.0, light=None, looks=None, level=EASY, size=120, seed=0):
        thumb = torch.tensor([[40.0, 15.0, 5.0, 5.0]])
        angles = Angles(torch.full((1, 4, 3), float(curl)), torch.tensor([[11.0, 2.0, -7.0, -13.0]]), thumb)
        view = torch.tensor([VIEWS[side]], dtype=torch.float32)
        place = torch.zeros(1, dtype=torch.int64), torch.tensor([[size / 2, size / 2]]), torch.tensor([size * 0.8])
        with monkeypatch.context() as patch:
            patch.setattr(figures, "sample_angles", lambda *_: (angles, place[0]))
            patch.setattr(figures, "sample_views", lambda *_: view)
            patch.setattr(scene, "sample_light", lambda *_: light or a_light())
            patch.setattr(scene, "sample_looks", lambda *_: looks or plain_looks())
            patch.setattr(scene, "backgrounds", lambda rng, count, height, width, *_: torch.zeros(1, 3, height, width))
            patch.setattr(scene, "capture", lambda rng, light, *_: light)
            for attempt in range(20):
                with torch.no_grad():
                    result = scene.render(Rng(seed + 1000 * attempt), level, (size, size), 1, *place)
                if bool(result.is_left) == left:
                    return result
        raise AssertionError("no hand of that side in twenty draws")

    return make
