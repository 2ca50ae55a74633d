"""Spheres become surfaces: coverage, depth, normals and the nearest sphere of each pixel; flesh around the bones."""

import pytest
import torch

from modelscope_handkp.synthetic import Rng
from modelscope_handkp.synthetic.figures import sample_hands
from modelscope_handkp.synthetic.kinematics import FOREARM, PALM
from modelscope_handkp.synthetic.surface import hand_spheres, splat

SIDE = 33


def draw(centers, radii, depths, axes=None, ends=None, images=None, shape=(1, SIDE, SIDE), mm=1.0):
    """Spheres whose radius in mm is `mm` times the one in px -> depth, coverage, winner (B, H, W), normal (..., 3)."""
    centers, radii = torch.tensor(centers, dtype=torch.float32), torch.tensor(radii, dtype=torch.float32)
    count = len(radii)
    axes = torch.zeros(count, 3) if axes is None else torch.tensor(axes, dtype=torch.float32)
    ends = torch.zeros(count, 2) if ends is None else torch.tensor(ends, dtype=torch.float32)
    images = torch.zeros(count, dtype=torch.int64) if images is None else torch.tensor(images)
    depths = torch.tensor(depths, dtype=torch.float32)
    buffers = splat(centers, radii, depths, radii * mm, axes, ends, images, shape)
    flat = (buffers.depth, buffers.coverage, buffers.winner)
    return *(values.reshape(shape) for values in flat), buffers.normal.reshape(*shape, 3)


def test_the_nearer_sphere_covers_the_farther_one():
    depth, coverage, winner, normal = draw([[16, 16], [16, 16]], [4, 8], [100, 300])
    assert winner[0, 16, 16] == 0 and winner[0, 16, 23] == 1 and winner[0, 0, 0] == -1
    torch.testing.assert_close(normal[0, 16, 16], torch.tensor([0.0, 0, -1]), atol=1e-5, rtol=0)
    assert abs(depth[0, 16, 16] - 96) < 0.01 and depth[0, 0, 0] > 1e5
    assert coverage[0, 16, 16] == 1 and coverage[0, 0, 0] == 0


@pytest.mark.parametrize("radius", [1.5, 3.3, 7.4, 15.8])
def test_coverage_is_the_area_of_the_disc(radius):
    _, coverage, _, _ = draw([[16.3, 15.8]], [radius], [100], shape=(1, 40, 40))
    assert abs(coverage.sum() / (torch.pi * radius**2) - 1) < 0.12
    partly = (coverage > 0) & (coverage < 1)
    assert partly.any() and coverage[partly].std() > 0.1


def test_a_sphere_larger_than_the_image_fills_it():
    depth, coverage, winner, _ = draw([[16, 16]], [300], [1000])
    assert (coverage == 1).all() and (winner == 0).all()
    assert abs(depth[0, 16, 16] - 700) < 0.1 and depth[0, 0, 0] > 700.5


def test_normals_point_from_the_centre_to_the_camera():
    _, _, winner, normal = draw([[16, 16]], [12], [500])
    inside = winner[0] == 0
    torch.testing.assert_close(normal[0][inside].norm(dim=1), torch.ones(int(inside.sum())), atol=1e-4, rtol=0)
    assert normal[0, 16, 24, 0] > 0.6 and normal[0, 16, 8, 0] < -0.6
    assert normal[0, 24, 16, 1] > 0.6 and normal[0, 8, 16, 1] < -0.6
    assert (normal[0][inside][:, 2] <= 0).all()


def test_a_row_of_spheres_is_a_smooth_tube_with_a_round_end():
    centers = [[4.0 + 3 * index, 16.0] for index in range(8)]
    axes, ends = [[1, 0, 0]] * 8, [[0, 0]] * 7 + [[0, 1]]
    _, _, _, tube = draw(centers, [6] * 8, [100] * 8, axes, ends)
    _, _, _, balls = draw(centers, [6] * 8, [100] * 8)
    assert tube[0, 16, 6:24, 0].abs().max() < 1e-4 and balls[0, 16, 6:24, 0].abs().max() > 0.03
    assert tube[0, 16, 29, 0] > 0.5, "the last sphere's far side looks along the row"
    assert tube[0, 11, 12, 1] < -0.6, "across the row it stays round"


def test_spheres_of_nearly_the_same_depth_blend():
    one, both = draw([[14, 16]], [8], [100])[3], draw([[14, 16], [20, 16]], [8, 8], [100, 100])[3]
    seam = 17
    assert one[0, 16, seam, 0] > 0.3 and abs(both[0, 16, seam, 0]) < 0.05
    depth = draw([[14, 16], [20, 16]], [8, 8], [100, 100])[0][0, 16]
    crease = depth[seam] - depth[14]
    assert 0 < crease < 0.63, "unblended it would be 100 - 55 ** 0.5 - 92 = 0.58"
    far = draw([[14, 16], [20, 16]], [8, 8], [100, 160])[3]
    assert far[0, 16, seam, 0] > 0.3, "what is far behind does not blend"


def test_a_faint_rim_does_not_hide_what_is_behind_it():
    _, _, winner, _ = draw([[10.0, 16.0], [16.0, 16.0]], [5.2, 14.0], [100, 150], mm=2.0)
    assert winner[0, 16, 14] == 0 and winner[0, 16, 16] == 1
    column = next(x for x in range(10, 20) if winner[0, 16, x] == 1)
    assert column in (15, 16), "from where less than half of the pixel is covered"


def test_each_image_gets_its_own_spheres():
    _, coverage, _, _ = draw([[5, 16], [28, 16], [-50, 16]], [4, 4, 10], [100, 100, 100], images=[0, 1, 1],
                             shape=(2, SIDE, SIDE))  # fmt: skip
    assert coverage[0, 16, 5] == coverage[1, 16, 28] == 1
    assert coverage[0, :, 12:].max() == 0 and coverage[1, :, :20].max() == 0


def test_spheres_at_the_border_are_cut_off():
    _, coverage, _, _ = draw([[0, 0], [SIDE, SIDE - 1]], [4, 4], [100, 100])
    assert coverage[0, 0, 0] == 1 and coverage[0, SIDE - 1, SIDE - 1] == 1
    whole = draw([[16, 16]], [4], [100])[1].sum()
    assert 0.2 * whole < coverage[0, :16].sum() < 0.4 * whole


@pytest.fixture(scope="module")
def flesh():
    hands = sample_hands(Rng(9), 6)
    return hands, hand_spheres(hands, hands.elbow * 2)


def test_every_joint_lies_in_the_flesh(flesh):
    hands, spheres = flesh
    gaps = torch.cdist(hands.joints, spheres.centers) - spheres.radii[:, None]
    assert (gaps.amin(2) < 0.5).all(), "the tips are at most half a millimetre before it"
    assert (gaps.amin(2)[:, [3, 7, 11, 15, 19]] < -5).all(), "the joints before them are well inside"


def test_fingers_taper_and_forearms_do_not(flesh):
    hands, spheres = flesh
    radii = spheres.radii / hands.thickness[:, None]
    for finger in (5, 9, 13, 17):
        first, last = (radii[0, spheres.bone == bone].mean() for bone in (finger, finger + 2))
        assert 7.5 < first < 10.5 and 5 < last < first - 1.5
    assert radii[0, spheres.bone == 3].mean() > radii[0, spheres.bone == 7].mean() + 1, "a thumb is thicker"
    arm = spheres.bone == FOREARM
    wrist, elbow = arm & (spheres.along < 0.1), arm & (spheres.along > 0.9) & (spheres.along <= 1)
    assert radii[0, wrist].max() < 20 and 30 < radii[0, elbow].mean() < 36


def test_spheres_are_as_thick_as_the_hand(flesh):
    hands, spheres = flesh
    torch.testing.assert_close(spheres.radii[0] / spheres.radii[1],
                               (hands.thickness[0] / hands.thickness[1]).expand(len(spheres.bone)))  # fmt: skip


def test_places_along_a_bone_run_from_its_start(flesh):
    hands, spheres = flesh
    for bone in (5, 6, 10, 2):
        own = spheres.bone == bone
        along = ((spheres.centers[:, own] - hands.start[:, bone, None]) * hands.along[:, bone, None]).sum(2)
        torch.testing.assert_close(along / hands.length[:, bone, None], spheres.along[own].expand(6, -1),
                                   atol=1e-2, rtol=0)  # fmt: skip
    upper = spheres.along > 1
    assert (spheres.bone[upper] == FOREARM).all() and upper.sum() > 8, "the upper arm follows the forearm"
    assert (spheres.centers[:, spheres.along == 2] - 2 * hands.elbow[:, None]).norm(dim=2).max() < 1e-2


def test_rows_leave_no_gaps(flesh):
    """Between the joints of every bone each point is inside a sphere."""
    hands, spheres = flesh
    share = torch.linspace(0, 0.8, 30)[:, None]
    for bone in (1, 2, 3, *range(5, 8), *range(9, 12), *range(17, 20), FOREARM):
        start, end = hands.start[0, bone], hands.start[0, bone] + hands.along[0, bone] * hands.length[0, bone]
        inner = start * (1 - share) + end * share
        own = spheres.bone == bone
        gap = torch.cdist(inner, spheres.centers[0, own]) - spheres.radii[0, own]
        assert gap.amin(1).max() < -3


def test_the_palm_is_closed_between_the_metacarpals(flesh):
    hands, spheres = flesh
    palm = spheres.bone == PALM
    for a, b in ((5, 9), (9, 13), (13, 17)):
        between = (hands.joints[:, a] + hands.joints[:, b]) * 0.4
        gap = torch.cdist(between[:, None], spheres.centers[:, palm]) - spheres.radii[:, None, palm]
        assert gap.amin() < -5 and gap.amin(2).max() < 0
    thumb_web = hands.joints[:, 2] * 0.5 + hands.joints[:, 5] * 0.3
    assert (torch.cdist(thumb_web[:, None], spheres.centers[:, palm]) - spheres.radii[:, None, palm]).amin() < 0


def test_only_the_ends_of_rows_are_round(flesh):
    _, spheres = flesh
    assert ((spheres.ends == 0).all(1)).float().mean() > 0.5
    assert set(map(tuple, spheres.ends.tolist())) == {(0.0, 0.0), (-1.0, 0.0), (0.0, 1.0)}
    first_of_index = ((spheres.bone == 5).nonzero()[0, 0], (spheres.bone == 5).nonzero()[-1, 0])
    assert spheres.ends[first_of_index[0]].tolist() == [-1, 0] and spheres.ends[first_of_index[1]].tolist() == [0, 1]
    torch.testing.assert_close(spheres.axis.norm(dim=2), torch.ones(spheres.axis.shape[:2]), atol=1e-4, rtol=0)
