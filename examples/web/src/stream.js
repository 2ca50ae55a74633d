// Gestures over time, without flicker: as `GestureStream` of the package, with its times (`stream` of gestures.json).

const ROUNDING = 1e-6; // seconds

/**
 * A gesture that a hand shows, or may come to show; times in seconds.
 * @typedef {{name: string, since: number, last: number, confidence: number}} Shown
 */

export class GestureStream {
  /** @param {import("./gestures.js").Gestures} gestures */
  constructor(gestures) {
    this.gestures = gestures;
    this.reset();
  }

  /** Forgets all hands. */
  reset() {
    /** @type {Map<number, Shown>} by the hand's id */
    this.shown = new Map();
    /** @type {Map<number, Shown>} */
    this.coming = new Map();
  }

  /**
   * The gesture of each hand, by its id, that has been seen for long enough; and the ids whose gesture began now.
   * @param {{id: number, keypoints: import("./keypoints.js").Keypoint[]}[]} hands
   * @param {number} time seconds, later than that of the frame before
   * @returns {{shown: Map<number, Shown>, started: number[]}}
   */
  update(hands, time) {
    const ids = new Set(hands.map(({ id }) => id));
    for (const id of this.coming.keys()) if (!ids.has(id)) this.coming.delete(id);
    const started = hands.filter((hand) => this.#see(hand, time)).map(({ id }) => id);
    for (const [id, { last }] of this.shown) {
      const isOver = last < time && time - last >= this.gestures.rules.stream.end_seconds - ROUNDING;
      if (isOver) this.shown.delete(id);
    }
    return { shown: this.shown, started };
  }

  /** Whether a gesture of this hand begins. */
  #see({ id, keypoints }, time) {
    const { rules, names } = this.gestures;
    const table = this.gestures.confidences(keypoints);
    const name = names.reduce((best, other) => (table[other] > table[best] ? other : best));
    const isSure = table[name] >= rules.least_confidence;
    const shown = this.shown.get(id);
    if (shown) {
      const goesOn = table[shown.name] >= rules.stream.kept_share * rules.least_confidence;
      if (goesOn && (name === shown.name || !isSure)) {
        Object.assign(shown, { last: time, confidence: table[shown.name] });
      }
    }
    if (!isSure || name === shown?.name) {
      this.coming.delete(id);
      return false;
    }
    const coming = this.coming.get(id);
    if (coming?.name !== name) {
      this.coming.set(id, { name, since: time, last: time, confidence: table[name] });
      return false;
    }
    Object.assign(coming, { last: time, confidence: table[name] });
    if (time - coming.since < rules.stream.start_seconds - ROUNDING) return false;
    this.coming.delete(id);
    this.shown.set(id, coming);
    return true;
  }
}
