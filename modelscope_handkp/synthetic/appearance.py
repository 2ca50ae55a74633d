"""What light falls on an image and what its hands look like: colours, sleeves, rings, gloves."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .kinematics import FOREARM, KNUCKLES
from .paint import any_colors
from .rng import Rng

_PALE = (0.58, 0.33, 0.24)  # linear RGB of a pale palm
_REDDER = (1.06, 0.95, 0.95)  # a palm against the back of the same hand
_BARE = 3.0  # `Looks.sleeve_from` beyond the end of the arm


@dataclass(frozen=True)
class Light:
    """A key light, the sky above and the ground below, for each of B images.

    direction (B, 3): toward the key light, camera space; key, sky, ground (B, 3) linear RGB; shadow (B,) depth of the
    cast shadows, 0 to 1; gloss (B,) strength of highlights.
    """

    direction: Tensor
    key: Tensor
    sky: Tensor
    ground: Tensor
    shadow: Tensor
    gloss: Tensor


@dataclass(frozen=True)
class Looks:
    """Colours of N hands, linear RGB (N, 3) each: skin (of the back), palm, sleeve, nail, band_color.

    sleeve_from (N,): where the sleeve begins on the forearm, in its lengths from the wrist (3: bare arm). band (N, 3):
    bone, place on the bone and half width (in bone lengths) of a ring or bracelet; bone -1: none. gloved (N,) bool.
    texture (N, 6): phases of the skin's and cloth's patterns.
    """

    skin: Tensor
    palm: Tensor
    sleeve: Tensor
    nail: Tensor
    sleeve_from: Tensor
    band: Tensor
    band_color: Tensor
    gloved: Tensor
    texture: Tensor


def sample_light(rng: Rng, count: int, strength: float) -> Light:
    """Draw the light of `count` images.

    strength 0: soft daylight from above; 1: anything from a dim room to a bare sun, any colour cast.
    """
    direction = rng.normal(1.0, count, 3)
    direction[:, 1] -= 0.7
    direction[:, 2] = -direction[:, 2].abs() - 0.2
    back_lit = rng.chance(0.14 * strength, count)
    direction[:, 2] = torch.where(back_lit, -direction[:, 2] * 0.6, direction[:, 2])
    direction = direction / direction.norm(dim=1, keepdim=True)
    exposure = 0.95 * (rng.normal(0.42, count, 1) * strength).exp()
    dim = rng.chance(0.13 * strength, count, 1)
    exposure = torch.where(dim, exposure * rng.uniform(0.1, 0.5, count, 1), exposure)
    warm = rng.normal(0.16 * strength + 0.02, count, 1)
    cast = torch.cat([1 + warm, torch.ones_like(warm), 1 - warm], 1) * (1 + rng.normal(0.05 * strength, count, 3))
    tinted = rng.chance(0.05 * strength, count, 1)
    cast = torch.where(tinted, rng.uniform(0.3, 1.5, count, 3), cast).clamp(0.2, 2)
    hard = (0.45 + (rng.uniform(0, 1, count, 1) - 0.45) * strength).clamp(0.05, 0.95)
    key = cast * exposure * (0.25 + 0.85 * hard)
    other = torch.cat([1 - warm, torch.ones_like(warm), 1 + warm], 1).clamp(0.3, 1.7)
    sky = exposure * (0.75 - 0.5 * hard) * torch.where(rng.chance(0.5, count, 1), cast, other)
    ground = sky * rng.uniform(0.35, 1.0, count, 1) * (1 + rng.normal(0.08 * strength, count, 3)).clamp(0.3, 2)
    shadow = (hard[:, 0] * rng.uniform(0.5, 1.1, count)).clamp(0, 0.95)
    return Light(direction, key, sky, ground, shadow, rng.uniform(0, 1, count) ** 2 * 0.5 * strength + 0.03)


def sample_looks(rng: Rng, count: int, dress: float, tone: Tensor) -> Looks:
    """Draw colours and clothing of `count` hands.

    dress 0..1: chance of sleeves, rings, bracelets, gloves; tone (count, 3): skin of the back, linear RGB.
    """
    brightness = tone.mean(1, keepdim=True)
    # Palms are paler and redder than backs, the more so the darker the skin.
    pale = torch.tensor(_PALE, device=rng.device).expand(count, 3)
    paler = ((0.45 - brightness) * 1.5).clamp(0.05, 0.6) * rng.uniform(0.5, 1, count, 1)
    palm = torch.lerp(tone, pale, paler) * torch.tensor(_REDDER, device=rng.device)
    polished = rng.chance(0.12 * dress, count, 1)
    nail = torch.where(polished, any_colors(rng, count), torch.lerp(palm, pale * 1.25, 0.45))
    gloved = rng.chance(0.05 * dress, count)
    glove = any_colors(rng, count)
    skin, palm, nail = (torch.where(gloved[:, None], glove, color) for color in (tone, palm, nail))
    sleeved = rng.chance(0.15 + 0.5 * dress, count)
    sleeve_from = torch.where(
        sleeved, rng.uniform(-0.05, 0.9, count), torch.full_like(sleeved, _BARE, dtype=torch.float)
    )
    band = _sample_bands(rng, count, dress)
    sleeve, metal = any_colors(rng, count), any_colors(rng, count)
    return Looks(skin, palm, sleeve, nail, sleeve_from, band, metal, gloved, rng.uniform(0, 6.28, count, 6))


def _sample_bands(rng: Rng, count: int, dress: float) -> Tensor:
    """`Looks.band` (count, 3): rings on the first bone of a finger, bracelets on the forearm."""
    ringed, bracelet = rng.chance(0.12 * dress, count), rng.chance(0.16 * dress, count)
    finger = torch.tensor(KNUCKLES, device=rng.device)[rng.integers(0, 4, count)].float()
    wrist = torch.full_like(finger, float(FOREARM))
    rings = torch.stack([finger, rng.uniform(0.35, 0.7, count), rng.uniform(0.04, 0.1, count)], 1)
    bracelets = torch.stack([wrist, rng.uniform(0.03, 0.3, count), rng.uniform(0.01, 0.08, count)], 1)
    none = torch.full((count, 3), -1.0, device=rng.device)
    return torch.where(bracelet[:, None], bracelets, torch.where(ringed[:, None], rings, none))
