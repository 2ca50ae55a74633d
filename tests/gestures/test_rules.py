"""The rules as JSON say all that another language needs: here they are followed with nothing but Python's numbers."""

import cmath
import json
import math

import numpy as np
import pytest

from modelscope_handkp.gestures import confidences, gesture_rules, write_rules


def angle(u, v):
    return abs(cmath.phase(u.conjugate() * v))


def cosine(u, v):
    return (u.conjugate() * v).real / (abs(u) * abs(v) + 1e-12)


def logistic(value):
    return 1 / (1 + math.exp(-value))


def chance(weights, measures):
    return logistic(sum(weight * (1 if name == "bias" else measures[name]) for name, weight in weights.items()))


def measured(rules, z):
    """The states of each finger of one hand, by name."""
    wrist, (first, middle, _, last) = z[rules["keypoints"]["wrist"]], [z[k] for k in rules["keypoints"]["knuckles"]]
    size = math.hypot(abs(middle - wrist), abs(last - first))
    chains = {name: [z[k] for k in chain] for name, chain in rules["keypoints"]["fingers"].items()}
    b, m, d, t = thumb = chains.pop("thumb")
    measures = {
        "turn": angle(m - b, t - d), "across": cosine(t - m, last - first), "away": abs(t - last) / size,
        "reach": (abs(t - wrist) - abs(m - wrist)) / size, "length": (abs(m - b) + abs(d - m) + abs(t - d)) / size,
    }  # fmt: skip
    states = {"thumb": {state: chance(weights, measures) for state, weights in rules["thumb_weights"].items()}}
    for name, (k, p, d, t) in chains.items():
        measures = {
            "knuckle": angle(k - wrist, p - k), "turn": angle(p - k, t - d), "span": abs(t - k) / size,
            "reach": (abs(t - wrist) - abs(p - wrist)) / size, "heading": cosine(k - wrist, t - p),
            "gap": abs(t - thumb[3]) / size,
        }  # fmt: skip
        states[name] = {state: chance(weights, measures) for state, weights in rules["finger_weights"].items()}
    for values in states.values():
        values |= {f"not {state}": 1 - value for state, value in values.items()}
    return states, -(thumb[3] - thumb[1]).imag / abs(thumb[3] - thumb[1])


def followed(rules, keypoints):
    """The confidence of each gesture for one hand (21, 3)."""
    states, up = measured(rules, [complex(x, y) for x, y, _ in keypoints.tolist()])
    clear = [min(max(score / rules["clear_score"], 0), 1) for score in keypoints[:, 2].tolist()]
    palm = min(clear[k] for k in (rules["keypoints"]["wrist"], *rules["keypoints"]["knuckles"]))
    found = {}
    for name, needed in rules["gestures"].items():
        found[name] = palm
        for finger, wanted in needed.items():
            found[name] *= min(clear[k] for k in rules["keypoints"]["fingers"][finger])
            found[name] *= math.prod(states[finger][state] for state in wanted)
        if name in rules["upright"]["ways"]:
            way = rules["upright"]["ways"][name]
            found[name] *= logistic(rules["upright"]["steepness"] * (way * up - rules["upright"]["least"]))
    return found


def test_the_file_is_enough_to_name_the_same_gestures(tmp_path, from_all_sides, as_hands):
    write_rules(tmp_path / "rules.json")
    rules = json.loads((tmp_path / "rules.json").read_text())
    keypoints = from_all_sides[1][::37].copy()
    keypoints[..., 2] = np.random.default_rng(0).uniform(0.1, 1.1, keypoints.shape[:2])
    names, table = confidences(as_hands(keypoints))
    for row, hand in zip(table, keypoints):
        found = followed(rules, hand)
        assert list(found) == list(names)
        np.testing.assert_allclose(list(found.values()), row, atol=1e-6)
    assert rules["none"] == "none" and 0 < rules["least_confidence"] < 1


def test_the_values_are_plain_and_written_whole(tmp_path):
    write_rules(tmp_path / "rules.json")
    assert json.loads((tmp_path / "rules.json").read_text()) == json.loads(json.dumps(gesture_rules()))
    with pytest.raises(OSError):
        write_rules(tmp_path / "no" / "rules.json")


def test_the_rules_that_are_given_out_may_be_changed_without_harm(hands_of):
    before = confidences(hands_of("fist", 3))[1]
    given = gesture_rules()
    given["finger_weights"]["extended"]["bias"] = 100.0
    given["gestures"].clear()
    np.testing.assert_array_equal(confidences(hands_of("fist", 3))[1], before)


def test_weights_are_those_that_were_measured(keypoints_of, as_hands):
    """A hand in each of three gestures, and its confidences when benchmarks/gestures.py was run."""
    for gesture, expected in RECORDED.items():
        names, table = confidences(as_hands(keypoints_of(gesture, 1, seed=31, variety=0.0)))
        np.testing.assert_allclose(
            [dict(zip(names, table[0]))[name] for name in expected], list(expected.values()), atol=2e-3
        )


RECORDED = {
    "fist": {"fist": 0.498, "pinch": 0.031, "pointing": 0.005},
    "ok": {"ok": 0.612, "open_palm": 0.021, "four": 0.02},
    "thumbs_up": {"thumbs_up": 0.656, "pinch": 0.085, "fist": 0.067},
    "call": {"call": 0.528, "rock": 0.008},
}
