// The lesson before the first round: one star to pinch, one meteor to crush, one palm to show. Nothing is lost in it,
// and each part ends by itself, so that a gesture that a camera does not see holds nobody up.

const PARTS = ["pinch", "fist", "open_palm"];
const MOST_SECONDS = 14; // of a part
const WAIT = 0.8; // before the next part's thing comes
const COME_AFTER = 3; // seconds, after which the thing comes to the hand
const COME_SPEED = 0.14; // of the view a second
const PLACE = { x: 0.5, y: 0.6 }; // below the words

export class Lesson {
  constructor() {
    this.part = 0;
    this.age = 0;
    this.thing = null;
  }

  get done() {
    return this.part >= PARTS.length;
  }

  /** The gesture that is taught now. */
  get gesture() {
    return PARTS[this.part];
  }

  /** Ends the part. */
  next() {
    this.part += 1;
    this.age = 0;
    this.thing = null;
  }

  /**
   * @param {import("./world.js").World} world
   * @param {number} seconds
   * @param {import("./hands.js").Hand[]} hands
   * @param {import("./world.js").Event[]} events those of the step
   */
  step(world, seconds, hands, events) {
    this.age += seconds;
    if (this.gesture !== "open_palm" && !this.thing && this.age >= WAIT) {
      const kind = this.gesture === "pinch" ? "star" : "meteor";
      this.thing = world.add(kind, { ...PLACE, y: -0.08, vx: 0, vy: 0, still: true, spin: 0.2 });
    }
    if (this.thing) this.#bring(seconds, hands);
    const taken = this.thing && !world.things.includes(this.thing);
    if (!taken && this.age < MOST_SECONDS) return;
    world.things = world.things.filter((thing) => thing !== this.thing);
    this.next();
    events.push({ name: "lesson" });
  }

  #bring(seconds, hands) {
    const hand = this.age > COME_AFTER ? hands.find(({ source }) => source === "hand") : null;
    const goal = hand ?? PLACE;
    const far = Math.hypot(goal.x - this.thing.x, goal.y - this.thing.y);
    const speed = hand ? COME_SPEED : 0.45;
    const share = far ? Math.min(1, (speed * seconds) / far) : 0;
    this.thing.x += (goal.x - this.thing.x) * share;
    this.thing.y += (goal.y - this.thing.y) * share;
  }
}
