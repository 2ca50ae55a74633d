// What falls in a round, and when: faster from wave to wave, and as the player keeps up.

import { Random } from "./random.js";

const WAVES = [0, 0.34, 0.68]; // shares of the round at which they begin
const EASE = 0.6; // pace of a player who misses all; of one who misses none it is 1 + LEAD
const LEAD = 0.45;
const INTERVAL = [1.45, 0.62]; // seconds between things, at the round's begin and end
const FALL = [0.135, 0.25]; // of the view's height a second
const METEORS = [0.14, 0.34]; // share of things that are meteors
const COMET_SECONDS = [13, 19]; // between comets
const CONSTELLATION_SECONDS = [15, 22];
const MARGIN = 0.13; // at the sides, where a hand would leave the camera's view
const APART = 0.16; // of two things that follow each other
const LAST_CALL = 0.965; // after which nothing new would reach the ground

// Of each constellation the stars' places in a box of one.
const CONSTELLATIONS = [
  [[0, 0.5], [0.26, 0.3], [0.5, 0.52], [0.76, 0.3], [1, 0.5]],
  [[0, 0.7], [0.2, 0.2], [0.5, 0], [0.8, 0.2], [1, 0.7]],
  [[0, 0], [0.3, 0.15], [0.52, 0.42], [0.62, 0.8], [1, 0.65]],
];

const between = ([low, high], share) => low + (high - low) * share;

export class Rain {
  /** @param {number} seed */
  constructor(seed) {
    this.random = new Random(seed);
    this.wait = 0.4;
    this.comet = between(COMET_SECONDS, this.random.next());
    this.constellation = between(CONSTELLATION_SECONDS, this.random.next());
    this.last = 0.5;
    this.groups = 0;
  }

  /** The number of the wave at a share of the round. */
  wave(progress) {
    return WAVES.findLastIndex((begin) => progress >= begin);
  }

  /**
   * Drops into the world what is due.
   * @param {import("./world.js").World} world
   * @param {number} seconds since the step before
   */
  step(world, seconds) {
    if (world.progress > LAST_CALL) return;
    const pace = EASE + (1 + LEAD - EASE) * world.skill;
    this.wait -= seconds * pace;
    this.comet -= seconds;
    this.constellation -= seconds;
    if (this.constellation <= 0) this.#constellation(world, pace);
    else if (this.comet <= 0) this.#comet(world);
    else if (this.wait <= 0) this.#one(world, pace);
  }

  #one(world, pace) {
    const { random } = this;
    const share = (this.wave(world.progress) + world.progress) / WAVES.length;
    this.wait = between(INTERVAL, share) * (0.75 + 0.5 * random.next());
    const meteor = world.count > 2 && random.next() < between(METEORS, share);
    const x = this.#place();
    const vy = between(FALL, share) * pace * (0.85 + 0.3 * random.next()) * (meteor ? 0.9 : 1);
    const vx = random.next() * 0.02 * (x > 0.5 ? -1 : 1); // inwards
    world.add(meteor ? "meteor" : "star", { x, vy, vx, spin: random.next() - 0.5 });
  }

  #comet(world) {
    this.comet = between(COMET_SECONDS, this.random.next());
    const left = this.random.next() < 0.5;
    const y = 0.12 + 0.2 * this.random.next();
    world.add("comet", { x: left ? -0.1 : 1.1, y, vx: left ? 0.26 : -0.26, vy: 0.07, spin: 0.2 });
  }

  #constellation(world, pace) {
    this.constellation = between(CONSTELLATION_SECONDS, this.random.next());
    this.wait = 2.2;
    const shape = CONSTELLATIONS[Math.floor(this.random.next() * CONSTELLATIONS.length)];
    const mirrored = this.random.next() < 0.5;
    const group = ++this.groups;
    for (const [x, y] of shape) {
      const place = 0.18 + 0.64 * (mirrored ? 1 - x : x);
      world.add("star", { x: place, y: -0.3 + 0.22 * y, vy: 0.11 * pace, spin: 0.1, group });
    }
  }

  #place() {
    const span = 1 - 2 * MARGIN;
    let x = MARGIN + span * this.random.next();
    if (Math.abs(x - this.last) < APART) x = MARGIN + ((x - MARGIN + span / 2) % span);
    this.last = x;
    return x;
  }
}
