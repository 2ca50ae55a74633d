// Which hand is which from one frame to the next: the pairs whose keypoints are nearest, best first.

const GATE = 0.6; // hand lengths by which a hand may be away from where it is expected
const GATE_GROWTH = 2.5; // hand lengths a second by which that grows while it is not seen
const MOST_RATIO = 2.5; // of the lengths of a hand now and before
const KEPT_SECONDS = 2; // for which a hand that is not seen keeps its id
const OVERLAP = 0.6; // of two hands' distance to their length, below which they cross

/**
 * @typedef {import("./keypoints.js").Keypoint} Keypoint
 * @typedef {{id: number, keypoints: Keypoint[], velocity: [number, number], time: number}} Track
 */

export class Identities {
  constructor() {
    this.reset();
  }

  /** Forgets all hands; ids begin at 1. */
  reset() {
    /** @type {Track[]} */
    this.tracks = [];
    this.nextId = 1;
  }

  /**
   * Gives each hand an id, in place.
   * @template {{keypoints: Keypoint[]}} T
   * @param {T[]} hands
   * @param {number} time seconds, later than that of the frame before
   * @returns {(T & {id: number})[]}
   */
  update(hands, time) {
    this.tracks = this.tracks.filter((track) => time - track.time <= KEPT_SECONDS);
    const pairs = this.tracks
      .flatMap((track) => hands.map((hand) => ({ track, hand, cost: costOf(track, hand, time) })))
      .filter(({ cost }) => cost < Infinity)
      .sort((a, b) => a.cost - b.cost);
    const known = new Map();
    for (const { track, hand } of pairs) {
      if (known.has(hand) || [...known.values()].includes(track)) continue;
      known.set(hand, track);
    }
    for (const hand of hands) {
      const track = known.get(hand) ?? this.#newTrack();
      follow(track, hand.keypoints, time);
      hand.id = track.id;
    }
    return hands;
  }

  #newTrack() {
    const track = { id: this.nextId++, keypoints: null, velocity: [0, 0], time: 0 };
    this.tracks.push(track);
    return track;
  }
}

/**
 * Whether two of the hands cross, so that their keypoints may be mixed up.
 * @param {{keypoints: Keypoint[]}[]} hands
 */
export function doHandsCross(hands) {
  return hands.some((hand, i) =>
    hands.slice(0, i).some((other) => {
      const [a, b] = [middleOf(hand.keypoints), middleOf(other.keypoints)];
      const size = Math.max(lengthOf(hand.keypoints), lengthOf(other.keypoints));
      return Math.hypot(a[0] - b[0], a[1] - b[1]) < OVERLAP * size;
    }),
  );
}

function follow(track, keypoints, time) {
  const seconds = time - track.time;
  if (track.keypoints && seconds > 0) {
    const [now, before] = [middleOf(keypoints), middleOf(track.keypoints)];
    track.velocity = [(now[0] - before[0]) / seconds, (now[1] - before[1]) / seconds];
  }
  Object.assign(track, { keypoints, time });
}

function costOf(track, { keypoints }, time) {
  const seconds = time - track.time;
  const [length, before] = [lengthOf(keypoints), lengthOf(track.keypoints)];
  if (Math.max(length / before, before / length) > MOST_RATIO) return Infinity;
  const moved = track.velocity.map((speed) => speed * Math.min(seconds, 0.3)); // a hand does not fly on for long
  const expected = track.keypoints.map(([x, y]) => [x + moved[0], y + moved[1]]);
  const [now, then] = [middleOf(keypoints), middleOf(expected)];
  const scale = Math.max(length, before);
  if (Math.hypot(now[0] - then[0], now[1] - then[1]) / scale > GATE + GATE_GROWTH * seconds) return Infinity;
  const distances = keypoints.map(([x, y], i) => Math.hypot(x - expected[i][0], y - expected[i][1]));
  return distances.reduce((sum, value) => sum + value, 0) / distances.length / scale;
}

/** Pixels of the longer side of the keypoints' extent. */
function lengthOf(keypoints) {
  const extent = [0, 1].map((axis) => {
    const values = keypoints.map((point) => point[axis]);
    return Math.max(...values) - Math.min(...values);
  });
  return Math.max(...extent, 1);
}

function middleOf(keypoints) {
  return [0, 1].map((axis) => keypoints.reduce((sum, point) => sum + point[axis], 0) / keypoints.length);
}
