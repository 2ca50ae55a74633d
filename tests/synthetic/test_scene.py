"""Whole scenes: what is drawn of hands, clothes, objects and shadows, and what the annotations say about it."""

from dataclasses import replace

import pytest
import torch

from modelscope_handkp.skeleton import KEYPOINT_NAMES
from modelscope_handkp.synthetic import EASY, Rng, render_batch, render_crops, scene
from modelscope_handkp.synthetic.figures import sample_hands
from modelscope_handkp.synthetic.scene import cast_on_wall, only

NAIL, BLUE = (0.1, 0.9, 0.1), (0.1, 0.1, 0.8)
AT = {name: index for index, name in enumerate(KEYPOINT_NAMES)}


def colored(image, low, high):
    """Where (H, W) an image (3, H, W) has a hue: each channel's share of the sum between `low` and `high`."""
    share = image / image.sum(0, keepdim=True).clamp(min=1e-3)
    bounds = [torch.tensor(bound)[:, None, None] for bound in (low, high)]
    return ((share >= bounds[0]) & (share <= bounds[1])).all(0) & (image.sum(0) > 0.05)


def nails(image):
    return colored(image, (0.0, 0.55, 0.0), (0.3, 1.0, 0.3))


def at_keypoint(rendered, name):
    x, y = rendered.keypoints[0, AT[name], :2].round().int().tolist()
    return x, y


@pytest.mark.parametrize("left", [False, True])
def test_backs_have_nails_and_palms_have_lines(photo, left):
    """A right hand whose back is seen, fingers up, has its thumb on the left of the image; a left hand on the right."""
    back, palm = photo("back", left), photo("palm", left)
    for rendered, thumb_is_left in ((back, not left), (palm, left)):
        assert bool(rendered.is_left) == left
        assert (rendered.keypoints[0, AT["thumb4"], 0] < rendered.keypoints[0, AT["pinky_finger4"], 0]) == thumb_is_left
        assert rendered.keypoints[0, AT["middle_finger4"], 1] < rendered.keypoints[0, AT["wrist"], 1] - 60
    of_back, of_palm = nails(back.images[0]), nails(palm.images[0])
    assert of_back.sum() > 40 and of_palm.sum() < 0.2 * of_back.sum()
    for finger in ("thumb", "forefinger", "middle_finger", "ring_finger", "pinky_finger"):
        x, y = at_keypoint(back, f"{finger}4")
        assert of_back[y : y + 9, x - 5 : x + 6].any(), "each nail is just below its finger's tip"


def test_creases_cross_the_fingers_of_a_palm(photo):
    """Along the middle finger the skin gets dark at each of its joints, and not on the back."""
    palm, back = photo("palm", size=300), photo("back", size=300)
    darkness = []
    for rendered in (palm, back):
        (x0, y0), (x1, y1) = at_keypoint(rendered, "middle_finger1"), at_keypoint(rendered, "middle_finger3")
        steps = torch.linspace(0.1, 0.95, 120)
        x, y = (x0 + (x1 - x0) * steps).round().long(), (y0 + (y1 - y0) * steps).round().long()
        row = rendered.images[0, 2, y, x]
        darkness.append(row.min() / row.median())
    assert darkness[0] < 0.75 and darkness[0] < darkness[1] - 0.05


def test_the_light_gives_its_colour_and_brightness(photo, light):
    dark = {"sky": (0.02, 0.02, 0.02), "ground": (0.02, 0.02, 0.02)}
    white, red = (photo(light=light(key=key, **dark)).images[0] for key in ((1.0, 1.0, 1.0), (1.0, 0.2, 0.2)))
    hand = white.sum(0) > 0.3
    assert (red[0][hand] / white[0][hand]).mean() > 0.98
    assert 0.15 < (red[2][hand] / white[2][hand]).mean() < 0.35


def test_the_side_toward_the_light_is_bright(photo, light):
    """A finger lit from the left is brighter on its left."""
    dark = {"sky": (0.05, 0.05, 0.05), "ground": (0.05, 0.05, 0.05)}
    images = [photo(light=light((side, 0.0, -0.4), **dark), size=200).images[0, 2] for side in (-0.9, 0.9)]
    difference = images[0] - images[1]
    x, y = at_keypoint(photo(size=200), "middle_finger2")
    assert difference[y, x - 7 : x - 3].mean() > 0.05 and difference[y, x + 4 : x + 8].mean() < -0.05


def test_sleeves_cover_the_forearm_from_where_they_begin(photo, looks):
    def cloth(start):
        image = photo(looks=looks(sleeve_from=torch.tensor([start])), level=replace(EASY, dress=1.0)).images[0]
        return colored(image, (0.0, 0.0, 0.6), (0.25, 0.25, 1.0))

    none, long = cloth(3.0), cloth(0.0)
    assert none.sum() == 0 and long.sum() > 200
    wrist = at_keypoint(photo(), "wrist")[1]
    assert long.nonzero()[:, 0].min() > wrist - 8, "it begins at the wrist"
    half = cloth(0.1)
    assert 0 < half.sum() < long.sum() and half.nonzero()[:, 0].min() > long.nonzero()[:, 0].min() + 4


def test_a_sleeve_is_wider_than_the_arm(photo, looks):
    bare, sleeved = (
        photo(looks=looks(sleeve_from=torch.tensor([start]))).images[0].sum(0) > 0.02 for start in (3.0, -0.5)
    )
    assert sleeved.sum() > bare.sum() + 25 and (sleeved | ~bare).float().mean() > 0.995


def test_rings_are_drawn_on_their_finger(photo, looks):
    ring = looks(band=torch.tensor([[9.0, 0.5, 0.12]]), band_color=torch.tensor([BLUE]))
    blue = colored(photo(looks=ring).images[0], (0.0, 0.0, 0.5), (0.3, 0.3, 1.0))
    (x0, y0), (x1, y1) = (at_keypoint(photo(), f"middle_finger{joint}") for joint in (1, 2))
    y, x = blue.nonzero().float().mean(0)
    assert 8 < blue.sum() < 120 and abs(x - (x0 + x1) / 2) < 3 and abs(y - (y0 + y1) / 2) < 4


def test_held_things_and_occluders_hide_parts_of_the_hand(photo):
    plain = photo("palm").images[0]
    free = photo("palm").keypoints[0, :, 2]
    assert (free == 2).all()
    hidden = {}
    for name in ("held", "occlusion"):
        drawn = [photo("palm", level=replace(EASY, **{name: 1.0}), seed=seed) for seed in range(5)]
        hidden[name] = torch.stack([(rendered.keypoints[0, :, 2] == 1).float().mean() for rendered in drawn])
        shown = torch.stack([rendered.shown[0] for rendered in drawn])
        assert (shown < 1).float().mean() > 0.3
    assert hidden["held"].mean() > 0.1 and hidden["occlusion"].mean() > 0.04
    assert plain.max() < 1.2


def test_a_hand_holds_things_on_the_palms_side_only(photo):
    """Seen from the back what it holds is behind it."""
    back = [photo("back", level=replace(EASY, held=1.0), seed=seed).shown[0] for seed in range(5)]
    palm = [photo("palm", level=replace(EASY, held=1.0), seed=seed).shown[0] for seed in range(5)]
    assert torch.stack(back).mean() > 0.93 and torch.stack(back).mean() > torch.stack(palm).mean() + 0.1


def test_bent_fingers_hide_their_own_joints(photo):
    """From the back of a fist the tips are behind the palm: hidden, but shown as far as nothing else is before them."""
    fist = photo("back", curl=85)
    states = fist.keypoints[0, :, 2]
    assert (states[[AT["middle_finger4"], AT["ring_finger4"]]] == 1).all() and states[AT["wrist"]] == 2
    assert (states[[AT["middle_finger1"], AT["forefinger1"]]] == 2).all()
    assert fist.shown[0] == 1


def test_boxes_touch_the_fingers_and_leave_the_arm_out(photo):
    rendered = photo("back", size=160)
    hand = rendered.images[0].sum(0) > 0.02
    x0, y0, x1, y1 = rendered.boxes[0].tolist()
    assert abs((y1 - y0) - 128) < 0.5 and y1 - y0 > x1 - x0, "the long side is the one asked for"
    rows, columns = hand.nonzero().unbind(1)
    above_wrist = rows < at_keypoint(rendered, "wrist")[1]
    assert (
        abs(rows.min() - y0) < 2
        and abs(columns[above_wrist].min() - x0) < 2
        and abs(columns[above_wrist].max() - x1) < 2
    )
    assert rows.max() > y1 + 5, "the arm goes on below"
    points = rendered.keypoints[0, :, :2]
    assert (points > torch.tensor([x0, y0])).all() and (points < torch.tensor([x1, y1])).all()


def test_later_hands_are_in_front(monkeypatch):
    """A small hand before a large one is seen whole; the other way round it is hidden and not annotated."""

    def both_in_one_place(sizes):
        return lambda *_: (torch.zeros(2, dtype=torch.int64), torch.tensor([[48.0, 36.0]] * 2), torch.tensor(sizes))

    kept = {}
    for sizes in ((6.0, 90.0), (90.0, 6.0)):
        monkeypatch.setattr("modelscope_handkp.synthetic.batches.scatter_hands", both_in_one_place(sizes))
        with torch.no_grad():
            rendered = render_batch(Rng(1), [2], (96, 72), EASY)
        assert (
            len({len(getattr(rendered, name)) for name in ("keypoints", "boxes", "image_index", "pose", "is_left")})
            == 1
        )
        kept[sizes] = (rendered.boxes[:, 2:] - rendered.boxes[:, :2]).amax(1)
    assert len(kept[6.0, 90.0]) == 1 and kept[6.0, 90.0][0] > 60
    assert len(kept[90.0, 6.0]) == 2 and kept[90.0, 6.0].min() < 7


def test_hands_of_other_images_hide_nothing():
    """Rendered together or alone a hand has the same layer: two images of one batch do not cover one another."""
    with torch.no_grad():
        crops = render_crops(Rng(5), 24, 48, EASY, jitter=0.0)
    assert crops.shown.median() == 1 and crops.shown.mean() > 0.95


def test_a_hand_behind_its_own_arm_is_not_annotated(monkeypatch):
    """Arms that lead straight to the camera, past the middle of their hands."""

    def with_arm_before_it(rng, count, variety):
        hands = sample_hands(rng, count, variety)
        return replace(hands, elbow=hands.joints.mean(1) * 1.2 - torch.tensor([0.0, 0.0, 280.0]))

    with torch.no_grad():
        free = render_batch(Rng(2), [1] * 8, (96, 96), EASY)
        monkeypatch.setattr(scene, "sample_hands", with_arm_before_it)
        covered = render_batch(Rng(2), [1] * 8, (96, 96), EASY)
    assert len(free.boxes) == 8 and len(covered.boxes) <= 4


def test_what_is_right_before_the_lens_is_not_drawn(monkeypatch):
    """Arms toward the camera, as seen by their owner: nothing nearer than six centimetres is drawn."""
    nearest = []

    def toward_camera(rng, count, variety):
        hands = sample_hands(rng, count, variety)
        return replace(hands, elbow=torch.tensor([[0.0, 60.0, -600.0]]).repeat(count, 1))

    def noted(center, radius_px, depth, radius, *more):
        nearest.append((depth - radius).min())
        return original(center, radius_px, depth, radius, *more)

    original = scene.splat
    monkeypatch.setattr(scene, "sample_hands", toward_camera)
    monkeypatch.setattr(scene, "splat", noted)
    for seed in range(8):
        with torch.no_grad():
            assert render_batch(Rng(seed), [1], (48, 48), EASY).images.isfinite().all()
    assert 60 <= min(nearest) < 80


def test_joints_outside_the_image_have_state_zero():
    with torch.no_grad():
        cut = render_crops(Rng(0), 40, 32, EASY, jitter=4.0)
    points, states = cut.keypoints[..., :2], cut.keypoints[..., 2]
    outside = ((points < -0.5) | (points > 31.5)).any(-1)
    assert outside.any() and (states[outside] == 0).all() and (states[~outside] > 0).all()
    for low in (-0.5, 30.5):
        border = ((points > low) & (points < low + 1)).any(-1) & ~outside
        assert border.sum() > 2 and (states[border] > 0).all(), "the outermost pixels are inside"
    assert cut.boxes.min() >= 0 and cut.boxes.max() <= 32
    assert (cut.shown[outside.any(1)] < 1).all()


def test_hands_near_a_wall_cast_their_shadow_on_it(light):
    """A square before a grey wall, lit from the upper left: in some images the wall right below it is darker."""
    count, side = 60, 64
    cover = torch.zeros(count, 1, side, side)
    cover[..., 24:40, 24:40] = 1
    wall = torch.full((count, 3, side, side), 0.5)
    lamp = light(direction=(-0.6, -0.6, -0.5), shadow=1.0)
    lamps = type(lamp)(*(getattr(lamp, name).repeat(count, *([1] * (getattr(lamp, name).ndim - 1)))
                         for name in lamp.__dataclass_fields__))  # fmt: skip
    shaded = cast_on_wall(Rng(0), wall, cover, lamps)
    dark = (wall - shaded).mean(1)
    near = dark.amax((1, 2)) > 0.01
    assert 0.25 < near.float().mean() < 0.55
    assert dark[near].amax((1, 2)).min() > 0.3 and dark.max() <= 0.5 * 0.75 + 1e-4
    y, x = torch.meshgrid(torch.arange(float(side)), torch.arange(float(side)), indexing="ij")
    for values in dark[near]:
        assert (values * x).sum() / values.sum() > 31.4 and (values * y).sum() / values.sum() > 31.4
    shift = torch.stack([(values * x).sum() / values.sum() for values in dark[near]]) - 31.5
    assert shift.max() > 4, "some walls are farther behind"
    soft = replace(lamps, shadow=torch.zeros(count))
    assert torch.equal(cast_on_wall(Rng(0), wall, cover, soft), wall)


def test_scenery_is_lit_by_the_light_of_the_hands(monkeypatch, light):
    lamp = light(key=(0.8, 0.1, 0.1), sky=(0.2, 0.05, 0.05))
    monkeypatch.setattr(scene, "sample_light", lambda *_: lamp)
    with torch.no_grad():
        images = render_batch(Rng(0), [0], (32, 32), replace(EASY, clutter=0.0)).images
    assert images[:, 0].mean() > 1.8 * images[:, 2].mean()


def test_half_a_dozen_hands_differ_in_skin_from_the_others_of_their_image(monkeypatch):
    tones = []

    def noted(rng, count, dress, tone):
        tones.append(tone)
        return original(rng, count, dress, tone)

    original = scene.sample_looks
    monkeypatch.setattr(scene, "sample_looks", noted)
    with torch.no_grad():
        render_batch(Rng(0), [10] * 6, (64, 64), EASY)
    same = [(tone[:, None] == tone[None]).all(2).float().mean(1) for tone in tones[0].split(10)]
    other = torch.cat([(share < 0.15).float() for share in same]).mean()
    assert 0.05 < other < 0.3


def test_only_keeps_all_images_and_some_hands():
    with torch.no_grad():
        rendered = render_batch(Rng(0), [2, 2], (64, 64), EASY)
    kept = only(rendered, rendered.image_index == 1)
    assert len(kept.images) == 2 and (kept.image_index == 1).all() and len(kept.keypoints) == len(kept.shown)
    assert len(kept.boxes) < len(rendered.boxes)


def test_the_forearm_is_skin_without_a_palms_colour(photo):
    """Seen from the palm's side the hand is redder than the arm."""
    rendered = photo("palm", size=160)
    image, wrist = rendered.images[0], at_keypoint(rendered, "wrist")[1]
    red = image[0] / image[1].clamp(min=1e-3)
    hand = image.sum(0) > 0.3
    rows = torch.arange(160)[:, None]
    assert red[hand & (rows < wrist - 20)].median() > 1.25 * red[hand & (rows > wrist + 12)].median()


def test_the_shadow_on_the_wall_is_in_the_image(monkeypatch):
    """Of the same scenes with shadows and without, some differ, and only by getting darker."""
    with torch.no_grad():
        shaded = render_batch(Rng(0), [1] * 12, (48, 48), replace(EASY, light=0.0)).images
        monkeypatch.setattr(scene, "cast_on_wall", lambda rng, scenery, cover, light: (rng.chance(0.4, 12),
                            rng.uniform(0.02, 0.35, 12, 1), scenery)[-1])  # fmt: skip
        plain = render_batch(Rng(0), [1] * 12, (48, 48), replace(EASY, light=0.0)).images
    darker = (plain - shaded).mean(1)
    assert darker.min() > -1e-5 and 0.2 < (darker.amax((1, 2)) > 0.02).float().mean() < 0.8


def test_hands_before_images_of_others():
    level, backdrops = replace(EASY, camera=0.0, light=0.0), torch.rand(2, 3, 8, 8).repeat_interleave(20, 2)
    backdrops = backdrops.repeat_interleave(20, 3)
    rendered = render_batch(Rng(4), [1, 0], (160, 160), level, backdrops)
    torch.testing.assert_close(rendered.images[1], backdrops[1], atol=2e-3, rtol=0)
    changed = (rendered.images[0] - backdrops[0]).abs().amax(0) > 0.02
    left, top, right, bottom = rendered.boxes[0].round().int().tolist()
    assert changed[top:bottom, left:right].float().mean() > 0.3
    x, y = at_keypoint(rendered, "middle_finger1")
    assert changed[y, x]
