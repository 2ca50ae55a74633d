"""Colours of surfaces: skin with its creases, nails and palms, clothes, and what light, shadows and gloss do to them.

`surface_color` shades spots whose place on the hand is given; `photo` is a whole hand (conftest.py).
"""

import pytest
import torch

from modelscope_handkp.synthetic.kinematics import FOREARM, PALM
from modelscope_handkp.synthetic.surface import OBJECT, SLEEVE

INDEX_FIRST, INDEX_LAST = 5, 7
SKIN, PALM_SKIN, NAIL = torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.6, 0.35, 0.3]), torch.tensor([0.1, 0.9, 0.1])


@pytest.fixture
def albedo(surface_color, light):
    """Colours under a light that leaves them as they are: no key, white all around."""
    plain = light(key=(0.0, 0.0, 0.0), sky=(1.0, 1.0, 1.0), ground=(1.0, 1.0, 1.0))
    return lambda **fields: surface_color(light=plain, **fields)


def dark_places(colors):
    """Number of separate stretches of a row of colours (n, 3) that are clearly darker than its brightest spot."""
    dark = colors.sum(1) < 0.93 * colors.sum(1).max()
    return int((dark[1:] & ~dark[:-1]).sum() + dark[0])


def test_palms_have_the_palms_colour_and_backs_the_skins(albedo):
    back, palm = albedo(bone=PALM, facing=[1.0, -1.0], lengthwise=25.0, across=30.0)
    torch.testing.assert_close(back, SKIN, atol=0.01, rtol=0)
    torch.testing.assert_close(palm, PALM_SKIN, atol=0.02, rtol=0)


def test_the_palms_colour_ends_at_the_wrist(albedo):
    at_wrist, beyond, arm = albedo(bone=FOREARM, facing=-1.0, along=[0.0, 0.04, 0.1])
    torch.testing.assert_close(at_wrist, PALM_SKIN, atol=0.02, rtol=0)
    torch.testing.assert_close(beyond, (SKIN + PALM_SKIN) / 2, atol=0.02, rtol=0)
    torch.testing.assert_close(arm, SKIN, atol=0.01, rtol=0)


def test_finger_tips_and_knuckles_are_red(albedo):
    def redness(**fields):
        colors = albedo(**fields)
        return colors[:, 0] / colors[:, 1]

    middle, tip = redness(bone=INDEX_LAST, facing=0.0, along=[0.3, 0.95])
    assert tip > 1.06 * middle
    away, knuckle = redness(bone=INDEX_FIRST, facing=1.0, along=[0.5, 0.0])
    assert knuckle > 1.04 * away
    palmar = redness(bone=INDEX_FIRST, facing=-1.0, along=[0.5, 0.0])
    assert abs(palmar[1] / palmar[0] - 1) < 0.01, "on the back only"
    assert abs(redness(bone=PALM, facing=1.0, along=[0.3, 0.95]).diff()) < 0.01


def test_fingers_have_creases_at_their_joints_on_the_palms_side(albedo):
    along = torch.linspace(0, 1, 101)
    palmar, dorsal = (albedo(bone=INDEX_FIRST, facing=facing, along=along).sum(1) for facing in (-1.0, 1.0))
    middle = palmar[50]
    assert palmar[2] < 0.72 * middle and palmar[98] < 0.72 * middle, "a third darker at both ends"
    assert (palmar[12:88] > 0.98 * middle).all(), "and only there"
    assert dorsal[98] > 0.8 * dorsal[50]
    for bone in (PALM, FOREARM):
        elsewhere = albedo(bone=bone, facing=-1.0, along=along, lengthwise=25.0, across=30.0).sum(1)
        assert elsewhere.min() > 0.9 * elsewhere.max()


def test_knuckles_have_wrinkles_on_the_back(albedo):
    along = torch.linspace(0, 0.2, 200)
    dorsal, palmar, side = (albedo(bone=INDEX_FIRST, facing=f, along=along).sum(1) for f in (1.0, -1.0, 0.0))
    assert int((dorsal.diff().sign().diff() != 0).sum()) >= 4
    assert (palmar[30:].diff() > -1e-3).all(), "where the crease of the palm's side ends it only gets brighter"
    assert dorsal.max() - dorsal.min() > 0.25 and side.max() - side.min() < 0.1
    middle = albedo(bone=INDEX_FIRST, facing=1.0, along=0.3 + along).sum(1)
    assert middle.max() - middle.min() < 0.02, "not between the joints"


def test_a_palm_has_three_lines(albedo):
    lengthwise = torch.linspace(0, 90, 361)
    rows = {
        across: albedo(bone=PALM, facing=-1.0, lengthwise=lengthwise, across=across) for across in (-15.0, 10.0, 30.0)
    }
    assert [dark_places(row) for row in rows.values()] == [3, 2, 1], "one around the thumb's ball, two that meet"
    near_fingers = lengthwise[rows[10.0].sum(1) < 0.8 * rows[10.0].sum(1).max()]
    assert 58 < near_fingers.min() < 64 and 70 < near_fingers.max() < 75
    around_thumb = lengthwise[rows[-15.0].sum(1) < 0.8 * rows[-15.0].sum(1).max()]
    assert 50 < around_thumb.min() < 70
    darkness = [float(row.sum(1).min() / row.sum(1).max()) for row in rows.values()]
    assert 0.64 < darkness[1] < 0.72 and 0.4 < darkness[2] < 0.6, "darker where two meet"
    back = albedo(bone=PALM, facing=1.0, lengthwise=lengthwise, across=10.0)
    assert dark_places(back) == 0
    assert dark_places(albedo(bone=FOREARM, facing=-1.0, along=0.5, lengthwise=lengthwise, across=10.0)) == 0


def test_nails_are_on_the_backs_of_finger_tips(albedo):
    def share(**fields):
        """How much of the nail's colour there is."""
        return (albedo(**fields)[:, 1] - SKIN[1]) / (NAIL[1] - SKIN[1])

    on_back, on_side, on_palm = share(bone=INDEX_LAST, facing=[1.0, 0.3, -1.0], along=0.8)
    assert on_back > 0.7 and on_side < 0.1 and on_palm < 0.1
    start, nail, beyond = share(bone=INDEX_LAST, facing=1.0, along=[0.2, 0.7, 1.4])
    assert start < 0.05 and nail > 0.7 and beyond < 0.05
    tips = [float(share(bone=bone, facing=1.0, along=0.8)) for bone in range(22)]
    assert [bone for bone in range(22) if tips[bone] > 0.5] == [3, 7, 11, 15, 19]


def test_gloves_hide_nails_creases_and_redness(albedo, looks):
    gloved = looks(gloved=torch.tensor([True]), palm=SKIN[None], nail=NAIL[None])
    for fields in ({"facing": 1.0, "along": 0.8}, {"facing": -1.0, "along": 0.02}, {"facing": 0.0, "along": 0.95}):
        torch.testing.assert_close(albedo(looks=gloved, bone=INDEX_LAST, **fields)[0], SKIN, atol=0.01, rtol=0)


def test_rings_have_their_own_colour_where_they_sit(albedo, looks):
    ring = looks(band=torch.tensor([[5.0, 0.5, 0.08]]))
    colors = albedo(looks=ring, bone=5, facing=1.0, along=[0.5, 0.45, 0.6, 0.4])
    gold = torch.tensor([0.9, 0.8, 0.1])
    assert [bool((color - gold).abs().max() < 0.02) for color in colors] == [True, True, False, False]
    assert (albedo(looks=ring, bone=9, facing=1.0, along=0.5)[0] - gold).abs().max() > 0.2


def test_sleeves_have_their_own_colour_with_folds_or_stripes(albedo, looks):
    along = torch.linspace(0.1, 0.9, 300)
    texture = torch.zeros(1, 6)
    plain, folded, striped = (texture.clone() for _ in range(3))
    folded[0, 4], striped[0, 5] = 3.0, 6.0
    rows = [
        albedo(looks=looks(texture=t), material=SLEEVE, bone=FOREARM, along=along)[:, 2]
        for t in (plain, folded, striped)
    ]
    assert (rows[0] - 0.8).abs().max() < 0.01
    assert 0.15 < rows[1].max() - rows[1].min() < 0.25, "folds are soft"
    assert {round(float(value), 2) for value in rows[2]} == {0.4, 0.8}, "stripes are sharp"
    assert 8 < int((rows[2].diff().abs() > 0.1).sum()) < 60
    assert albedo(looks=looks(texture=folded), bone=FOREARM, along=along, facing=1.0).std(0).max() < 0.01, (
        "skin has none"
    )


def test_objects_have_the_colour_they_are_given(albedo):
    color = albedo(material=OBJECT, object_color=(0.2, 0.7, 0.4), facing=-1.0, along=0.02)[0]
    torch.testing.assert_close(color, torch.tensor([0.2, 0.7, 0.4]), atol=0.01, rtol=0)


def test_skin_is_uneven_by_some_per_cent(albedo):
    places = torch.rand(2000, 3, generator=torch.Generator().manual_seed(0)) * 60
    colors = albedo(local=places, bone=FOREARM, facing=1.0, along=0.5).sum(1)
    assert 0.01 < colors.std() / colors.mean() < 0.05


def test_what_faces_the_light_is_bright(surface_color, light):
    angles = torch.tensor([0.0, 0.6, 1.2, 2.5])
    normals = torch.stack([angles.sin(), torch.zeros(4), -angles.cos()], 1)
    dark = light(sky=(0.0, 0.0, 0.0), ground=(0.0, 0.0, 0.0))
    brightness = surface_color(light=dark, normal=normals, bone=PALM, facing=1.0, material=OBJECT)[:, 0]
    assert (brightness.diff() < 0).all() and brightness[3] == 0
    assert abs(brightness[1] / brightness[0] - 0.825) < 0.02, "Lambert's cosine"


def test_light_reaches_around_skin_and_most_of_all_red(surface_color, light):
    past_the_edge = torch.tensor([[1.0, 0.0, 0.1]])
    past_the_edge = past_the_edge / past_the_edge.norm()
    dark = light(sky=(0.0, 0.0, 0.0), ground=(0.0, 0.0, 0.0))
    fields = {"light": dark, "normal": past_the_edge, "bone": PALM, "facing": 1.0}
    red, green, blue = surface_color(**fields)[0] / SKIN
    assert red > 0.1 and red > 2 * green > 2 * blue >= 0
    assert surface_color(**fields, material=OBJECT).max() == 0


def test_light_has_its_colour(surface_color, light):
    red = light(key=(1.0, 0.0, 0.0), sky=(0.0, 0.0, 0.0), ground=(0.0, 0.0, 0.0))
    color = surface_color(light=red, material=OBJECT)[0]
    assert color[0] > 0.4 and color[1] == color[2] == 0


def test_the_sky_lights_from_above_and_the_ground_from_below(surface_color, light):
    both = light(key=(0.0, 0.0, 0.0), sky=(0.0, 0.0, 1.0), ground=(1.0, 0.0, 0.0))
    up, down, aside = surface_color(light=both, normal=[[0.0, -1, 0], [0.0, 1, 0], [0.0, 0, -1]], material=OBJECT)
    assert up[2] > 0.45 and up[0] < 0.01 and down[0] > 0.45 and down[2] < 0.01
    assert abs(aside[0] - aside[2]) < 0.01


def test_gloss_shows_where_the_light_mirrors_in_the_surface(surface_color, light):
    """A key from the right above the camera: the highlight lies where the normal halves the angle between the two."""
    angles = torch.linspace(-1.0, 1.2, 45)
    normals = torch.stack([angles.sin(), torch.zeros(45), -angles.cos()], 1)
    fields = {"normal": normals, "bone": PALM, "facing": 1.0, "point": torch.tensor([[0.0, 0, 500]]).repeat(45, 1)}
    dull, glossy = (
        surface_color(light=light(direction=(1.0, 0, -1), gloss=gloss), **fields)[:, 2] for gloss in (0.0, 0.5)
    )
    gleam = glossy - dull
    assert abs(angles[gleam.argmax()] - torch.pi / 8) < 0.06
    assert gleam.max() > 0.4 and gleam[0] < 0.01 and (gleam >= 0).all()
    nail = surface_color(light=light(direction=(1.0, 0, -1), gloss=0.5), **{**fields, "bone": INDEX_LAST, "along": 0.8})
    nail_dull = surface_color(light=light(direction=(1.0, 0, -1)), **{**fields, "bone": INDEX_LAST, "along": 0.8})
    assert (nail - nail_dull)[:, 2].max() > 2 * gleam.max(), "nails shine more"


def test_grazing_skin_catches_some_sky(surface_color, light):
    only_sky = light(key=(0.0, 0.0, 0.0))
    fields = {"light": only_sky, "bone": PALM, "facing": 1.0, "normal": [[0.0, 0, -1], [1.0, 0, 0]]}
    facing, grazing = surface_color(**fields)
    assert (grazing - facing > 0.01).all()
    thing = surface_color(**fields, material=OBJECT)
    assert (thing[1] - thing[0]).abs().max() < 0.005


def ridge(height, start=110, width=8, length=240):
    """Depths (length,) of a plane half a metre away with a ridge of `height` mm, half a millimetre a spot."""
    depth = torch.full((length,), 500.0)
    depth[start : start + width] -= height
    return depth


def test_shadows_fall_away_from_the_light(surface_color, light):
    """Light from the right at 45 degrees: a ridge of 20 mm has a shadow as long on its left, and none on its right."""
    depth = ridge(20.0)
    from_right = {"direction": (1.0, 0.0, -1.0), "sky": (0.0, 0.0, 0.0), "ground": (0.0, 0.0, 0.0)}
    open_, shaded = (
        surface_color(light=light(**from_right, shadow=s), depth=depth, material=OBJECT)[:, 0] for s in (0.0, 0.9)
    )
    left = shaded / open_
    dark = (left < 0.8).nonzero()[:, 0]
    assert 60 < dark.min() < 85 and dark.max() < 110 and len(dark) > 20
    assert 0.05 < left.min() < 0.35, "of the key 0.9 are gone where the shadow is deepest"
    assert (left[118:] > 0.999).all() and (left[:50] > 0.999).all()
    from_left = {**from_right, "direction": (-1.0, 0.0, -1.0)}
    other = surface_color(light=light(**from_left, shadow=0.9), depth=depth, material=OBJECT)[:, 0] / open_
    assert (other[118:160] < 0.8).sum() > 15 and (other[:110] > 0.999).all()


def test_shadows_reach_five_centimetres_and_not_from_far_in_front(surface_color, light):
    from_right = light(direction=(1.0, 0.0, -1.0), sky=(0.0, 0.0, 0.0), ground=(0.0, 0.0, 0.0), shadow=0.9)
    shades = {
        height: surface_color(light=from_right, depth=ridge(height), material=OBJECT)[:, 0]
        for height in (3.0, 35.0, 200.0)
    }
    dark = {height: int((row[:110] < 0.8 * row[0]).sum()) for height, row in shades.items()}
    assert dark[3.0] < dark[35.0] and dark[200.0] == 0, "what is 20 cm before the surface is another thing's layer"


def test_shadows_take_the_key_and_its_gloss_but_leave_the_sky(surface_color, light):
    depth = ridge(20.0)
    blue_sky = light(direction=(1.0, 0.0, -1.0), key=(1.0, 0.0, 0.0), sky=(0.0, 0.0, 1.0), ground=(0.0, 0.0, 1.0),
                     gloss=0.4)  # fmt: skip
    color = surface_color(light=blue_sky, depth=depth, bone=PALM, facing=1.0)
    assert color[85:100, 0].min() < 0.3 * color[20, 0] and color[95, 2] > 0.7 * color[20, 2]


def test_ambient_light_does_not_reach_into_grooves(surface_color, light):
    soft = light(key=(0.0, 0.0, 0.0), sky=(1.0, 1.0, 1.0), ground=(1.0, 1.0, 1.0))
    groove, hill, plane = (surface_color(light=soft, depth=ridge(h), material=OBJECT)[:, 0] for h in (-15.0, 15.0, 0.0))
    assert (plane > 0.499).all()
    assert groove[111:117].max() < 0.95 * plane[0] and (groove[60:100] > 0.99 * plane[0]).all()
    assert hill[111:117].min() > 0.99 * plane[0] and hill[105:109].min() < 0.97 * plane[0], "beside a hill, not on it"
    deep = surface_color(light=soft, depth=ridge(-30.0), material=OBJECT)[:, 0]
    assert deep[113] < groove[113]


def test_fingers_cast_shadows_on_the_palm_and_seams_are_dark(photo, light):
    """Of a whole hand, bent: with cast shadows and without, lit from the side."""
    from_side = [photo("palm", curl=55, light=light((0.8, -0.5, -0.7), shadow=s)).images[0].sum(0) for s in (0.0, 0.95)]
    hand = from_side[0] > 0.2
    ratio = from_side[1][hand] / from_side[0][hand]
    assert 0.03 < (ratio < 0.7).float().mean() < 0.5 and (ratio > 0.98).float().mean() > 0.4
    assert ratio.max() < 1.001
    soft = light(key=(0.0, 0.0, 0.0), sky=(1.0, 1.0, 1.0), ground=(1.0, 1.0, 1.0))
    bent = photo("palm", curl=70, light=soft).images[0, 2]
    assert 0.02 < (bent[bent > 0.02] < 0.7 * bent[bent > 0.02].median()).float().mean() < 0.4
