// Keypoints -> the name of a hand's gesture, by the rules of model/gestures.json: modelscope_handkp.gestures writes it,
// and its measures.py and recognition.py say where each formula comes from.

const TINY = 1e-12;
const ROUNDING = 1e-6; // of coordinates, as a share of the largest

/** @typedef {[number, number]} Vector */

const minus = ([x, y], [u, v]) => [x - u, y - v];
const length = ([x, y]) => Math.hypot(x, y);
const distance = (a, b) => length(minus(a, b));
const dot = ([x, y], [u, v]) => x * u + y * v;
const angle = (a, b) => Math.abs(Math.atan2(a[0] * b[1] - a[1] * b[0], dot(a, b)));
const cosine = (a, b) => dot(a, b) / (length(a) * length(b) + TINY);
const logistic = (value) => 1 / (1 + Math.exp(-value));

/**
 * A gesture and how sure it is, 0 to 1; "none" where no gesture is sure enough.
 * @typedef {{name: string, confidence: number}} Gesture
 */

export class Gestures {
  /** @param {object} rules gestures.json */
  constructor(rules) {
    this.rules = rules;
    this.names = Object.keys(rules.gestures);
  }

  /**
   * @param {import("./keypoints.js").Keypoint[]} keypoints
   * @returns {Gesture}
   */
  recognize(keypoints) {
    const table = this.confidences(keypoints);
    const name = this.names.reduce((best, other) => (table[other] > table[best] ? other : best));
    if (table[name] >= this.rules.least_confidence) return { name, confidence: table[name] };
    const seen = Object.values(this.#seen(keypoints));
    const clear = seen.reduce((sum, value) => sum + value, 0) / seen.length;
    return { name: this.rules.none, confidence: (1 - table[name]) * clear };
  }

  /**
   * How sure each gesture is.
   * @param {import("./keypoints.js").Keypoint[]} keypoints
   * @returns {Record<string, number>}
   */
  confidences(keypoints) {
    const { states, up } = this.#read(keypoints.map(([x, y]) => [x, y]));
    const seen = this.#seen(keypoints);
    const { ways, least, steepness } = this.rules.upright;
    const found = {};
    for (const [name, needed] of Object.entries(this.rules.gestures)) {
      found[name] = seen.palm;
      for (const [finger, wanted] of Object.entries(needed)) {
        found[name] *= seen[finger];
        for (const state of wanted) found[name] *= states[finger][state];
      }
      if (name in ways) found[name] *= logistic(steepness * (ways[name] * up - least));
    }
    return found;
  }

  /** How well the palm and each finger are seen, by the lowest score of their keypoints; 0 for a hand of no size. */
  #seen(keypoints) {
    const { wrist, knuckles, fingers } = this.rules.keypoints;
    const largest = Math.max(...keypoints.map(([x, y]) => Math.hypot(x, y)));
    const isHand = this.#palmSize(keypoints) > ROUNDING * (1 + largest);
    const clear = ([, , score]) => Math.min(Math.max(score / this.rules.clear_score, 0), 1);
    const lowest = (indices) => (isHand ? Math.min(...indices.map((index) => clear(keypoints[index]))) : 0);
    const seen = { palm: lowest([wrist, ...knuckles]) };
    for (const [finger, chain] of Object.entries(fingers)) seen[finger] = lowest(chain);
    return seen;
  }

  /** The chance of each state of each finger, and how far the thumb points up in the image, -1 to 1. */
  #read(points) {
    const { thumb, ...fingers } = this.rules.keypoints.fingers;
    const states = { thumb: this.#chances(this.rules.thumb_weights, this.#thumbMeasures(points)) };
    for (const [finger, chain] of Object.entries(fingers)) {
      states[finger] = this.#chances(this.rules.finger_weights, this.#fingerMeasures(points, chain));
    }
    const [, base, , tip] = thumb.map((index) => points[index]);
    return { states, up: (base[1] - tip[1]) / (distance(tip, base) + TINY) };
  }

  #chances(weights, measures) {
    const chances = {};
    for (const [state, { bias, ...own }] of Object.entries(weights)) {
      const sum = Object.entries(own).reduce((total, [name, weight]) => total + weight * measures[name], bias);
      chances[state] = logistic(sum);
      chances[`not ${state}`] = 1 - chances[state];
    }
    return chances;
  }

  #palmSize(points) {
    const { wrist, knuckles } = this.rules.keypoints;
    const [first, middle, , last] = knuckles.map((index) => points[index]);
    return Math.hypot(distance(middle, points[wrist]), distance(last, first)) + TINY;
  }

  #fingerMeasures(points, chain) {
    const wrist = points[this.rules.keypoints.wrist];
    const thumbTip = points[this.rules.keypoints.fingers.thumb[3]];
    const [knuckle, joint, end, tip] = chain.map((index) => points[index]);
    const size = this.#palmSize(points);
    return {
      knuckle: angle(minus(knuckle, wrist), minus(joint, knuckle)),
      turn: angle(minus(joint, knuckle), minus(tip, end)),
      reach: (distance(tip, wrist) - distance(joint, wrist)) / size,
      span: distance(tip, knuckle) / size,
      heading: cosine(minus(knuckle, wrist), minus(tip, joint)),
      gap: distance(tip, thumbTip) / size,
    };
  }

  #thumbMeasures(points) {
    const { wrist, knuckles, fingers } = this.rules.keypoints;
    const [base, middle, end, tip] = fingers.thumb.map((index) => points[index]);
    const [first, , , last] = knuckles.map((index) => points[index]);
    const size = this.#palmSize(points);
    return {
      turn: angle(minus(middle, base), minus(tip, end)),
      across: cosine(minus(tip, middle), minus(last, first)),
      reach: (distance(tip, points[wrist]) - distance(middle, points[wrist])) / size,
      length: (distance(middle, base) + distance(end, middle) + distance(tip, end)) / size,
      away: distance(tip, last) / size,
    };
  }
}
