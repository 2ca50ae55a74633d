// Pointers -> hands: smooth places at the display's rate, and gestures that forgive a camera's flicker.

// Gestures of modelscope_handkp.gestures.GESTURE_NAMES -> what they do here; a camera takes one for its neighbour.
const ACTIONS = {
  pinch: "pinch",
  ok: "pinch",
  fist: "fist",
  thumbs_up: "fist",
  thumbs_down: "fist",
  open_palm: "open_palm",
  four: "open_palm",
};
const SMOOTH_SECONDS = { hand: 0.07, mouse: 0 };
const KEEP_SECONDS = { hand: 0.28, mouse: 0 }; // that a gesture or a hand lasts unseen
const FRESH_SECONDS = { hand: 0.75, mouse: 0.4 }; // from its begin on, in which a gesture does something
const TRAIL_SECONDS = 0.22; // a hand's place jumps from the palm to the finger tips when it pinches
const NEAR = 0.2; // of the view: a new id this near to a lost one is the same hand
/** Seconds for which an open palm is held still to pause. */
export const PALM_SECONDS = 1.1;
const STILL_SPEED = 0.45; // of the view a second, up to which a palm is still

/**
 * @typedef {{id: number|string, x: number, y: number, gesture: string, confidence: number,
 *   source: "hand"|"mouse"}} Pointer
 */

/** One hand, or a mouse: its place, and what it does. */
export class Hand {
  /** @param {Pointer} pointer */
  constructor(pointer) {
    this.id = pointer.id;
    this.source = pointer.source;
    this.x = pointer.x;
    this.y = pointer.y;
    /** Where it was a moment ago. */
    this.trail = { x: pointer.x, y: pointer.y };
    /** "pinch", "fist", "open_palm" or null. */
    this.action = null;
    /** Seconds since the action began. */
    this.held = 0;
    /** Seconds for which a palm has been held still. */
    this.palm = 0;
    this.unseen = 0;
    this.history = [];
    this.quiet = 0;
  }

  /** Whether the action has just begun, so that it does something: a gesture that is only kept up does nothing. */
  get fresh() {
    return (this.action === "pinch" || this.action === "fist") && this.held < FRESH_SECONDS[this.source];
  }

  /** @param {Pointer} pointer @param {number} seconds since the update before */
  follow(pointer, seconds) {
    this.unseen = 0;
    this.id = pointer.id;
    const smooth = SMOOTH_SECONDS[this.source];
    const share = smooth ? 1 - Math.exp(-seconds / smooth) : 1;
    const [dx, dy] = [(pointer.x - this.x) * share, (pointer.y - this.y) * share];
    this.x += dx;
    this.y += dy;
    this.#leaveTrail(seconds);
    this.#act(ACTIONS[pointer.gesture] ?? null, seconds);
    const still = Math.hypot(dx, dy) <= STILL_SPEED * seconds;
    this.palm = this.action === "open_palm" && still ? this.palm + seconds : 0;
  }

  /** Forgets the gesture: it has done what it should, or began on another screen. */
  spend() {
    this.held = Infinity;
    this.palm = 0;
  }

  #leaveTrail(seconds) {
    for (const place of this.history) place.age += seconds;
    this.history.push({ x: this.x, y: this.y, age: 0 });
    while (this.history[0].age > TRAIL_SECONDS) this.history.shift();
    this.trail = this.source === "hand" ? this.history[0] : { x: this.x, y: this.y };
  }

  #act(action, seconds) {
    this.held += seconds;
    if (action === this.action) {
      this.quiet = 0;
    } else if (action || this.quiet >= KEEP_SECONDS[this.source]) {
      this.action = action;
      this.held = 0;
      this.quiet = 0;
    } else {
      this.quiet += seconds;
    }
  }
}

/** The hands in view. */
export class Hands {
  constructor() {
    /** @type {Hand[]} */
    this.all = [];
  }

  /**
   * @param {Pointer[]} pointers the latest ones
   * @param {number} seconds since the update before
   */
  update(pointers, seconds) {
    const seen = new Set();
    for (const pointer of pointers) {
      if (!Number.isFinite(pointer.x) || !Number.isFinite(pointer.y)) continue;
      const hand = this.#find(pointer, pointers, seen) ?? this.#add(pointer);
      seen.add(hand);
      hand.follow(pointer, seconds);
    }
    for (const hand of this.all) if (!seen.has(hand)) hand.unseen += seconds;
    this.all = this.all.filter((hand) => seen.has(hand) || hand.unseen < KEEP_SECONDS[hand.source]);
  }

  #find(pointer, pointers, seen) {
    const free = this.all.filter((hand) => hand.source === pointer.source && !seen.has(hand));
    const same = free.find((hand) => hand.id === pointer.id);
    if (same) return same;
    const lost = free.filter((hand) => !pointers.some((other) => other.id === hand.id));
    const away = (hand) => Math.hypot(hand.x - pointer.x, hand.y - pointer.y);
    return pointer.source === "hand" ? lost.find((hand) => away(hand) < NEAR) : undefined;
  }

  #add(pointer) {
    const hand = new Hand(pointer);
    this.all.push(hand);
    return hand;
  }
}
