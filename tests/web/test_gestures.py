"""The page names gestures as the package does, one by one and over time."""

import runpy
from typing import Any

import numpy as np
from node import WEB, in_node, needs_node

from modelscope_handkp import Hands
from modelscope_handkp.gestures import GestureStream, confidences, recognize
from modelscope_handkp.synthetic import GESTURE_POSES, Rng
from modelscope_handkp.synthetic.figures import sample_figures, stand

pytestmark = needs_node

RULES = runpy.run_path(str(WEB / "build.py"))["rules"]()
IMPORT = 'import { Gestures } from "./src/gestures.js"; import { GestureStream } from "./src/stream.js";'


def shown(gesture: str, count: int, seed: int) -> np.ndarray:
    """Keypoints (N, 21, 3) of hands that show a gesture, from anywhere."""
    joints = stand(sample_figures(Rng(seed), count, 0.3, gesture)).joints[..., :2].numpy() * 2 + 400
    return np.concatenate([joints, np.ones((count, 21, 1), np.float32)], 2)


def hands_of(keypoints: np.ndarray, ids: Any = None) -> Hands:
    return Hands(keypoints, np.zeros((len(keypoints), 4)), np.ones(len(keypoints)), ids=ids)


def test_each_hand_has_the_packages_confidences_and_name() -> None:
    keypoints = np.concatenate([shown(gesture, 12, seed) for seed, gesture in enumerate(GESTURE_POSES)])
    keypoints[::3, :, 2] = np.random.default_rng(0).uniform(-0.1, 1.1, keypoints[::3, :, 2].shape)
    keypoints[-1, :, :2] = 70  # a hand of no size
    answers = in_node(
        IMPORT,
        """const gestures = new Gestures(given.rules);
        return given.hands.map((hand) => [gestures.confidences(hand), gestures.recognize(hand)]);""",
        rules=RULES,
        hands=keypoints.tolist(),
    )
    names, table = confidences(hands_of(keypoints))
    for (found, gesture), row, expected in zip(answers, table, recognize(hands_of(keypoints))):
        assert tuple(found) == names
        np.testing.assert_allclose(list(found.values()), row, atol=1e-6)
        assert gesture["name"] == expected.name
        np.testing.assert_allclose(gesture["confidence"], expected.confidence, atol=1e-6)
    assert len({gesture["name"] for _, gesture in answers}) > 10


def test_gestures_start_are_held_and_end_as_in_the_package() -> None:
    rng = np.random.default_rng(3)
    hands = {gesture: shown(gesture, 4, 9) for gesture in ("fist", "open_palm", "victory", "pinch")}
    frames, time = [], 0.0
    for _ in range(60):
        gesture = rng.choice(list(hands))
        for _ in range(rng.integers(1, 6)):
            time += rng.choice([0.03, 0.1, 0.25])
            ids = [i for i in (1, 2) if rng.random() < 0.85]
            frames.append((float(time), ids, [hands[gesture][rng.integers(4)].tolist() for _ in ids]))
    answers = in_node(
        IMPORT,
        """const stream = new GestureStream(new Gestures(given.rules));
        return given.frames.map(([time, ids, keypoints]) => {
          const { shown, started } = stream.update(ids.map((id, i) => ({ id, keypoints: keypoints[i] })), time);
          return { started, shown: [...shown].map(([id, { name }]) => [id, name]).sort() };
        });""",
        rules=RULES,
        frames=frames,
    )
    stream, held, starts = GestureStream(), {}, 0
    for (moment, ids, keypoints), answer in zip(frames, answers):
        events = stream.update(hands_of(np.array(keypoints).reshape(-1, 21, 3), np.array(ids, int)), moment)
        for event in events:
            if event.kind == "ended" and held.get(event.id) == event.name:
                del held[event.id]
            if event.kind == "started":
                held[event.id] = event.name
        started = [event.id for event in events if event.kind == "started"]
        assert sorted(answer["started"]) == sorted(started)
        assert answer["shown"] == [[i, held[i]] for i in sorted(held)]
        starts += len(started)
    assert starts > 20
