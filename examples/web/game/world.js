// The rules of the game: what falls, what a gesture does to it, and the score. Pure: no canvas, no clock, no chance but
// the seed's. Positions are shares of the view, x and y in 0..1 from the top left; lengths are shares of its short
// side.

import { Rain } from "./rain.js";
import { Lesson } from "./lesson.js";

/** Seconds of a round, the lesson not counted. */
export const ROUND_SECONDS = 75;
/** Windows of the village; each caught star lights one. */
export const WINDOWS = 60;
/** Where the ground is, as a share of the view's height. */
export const GROUND = 0.93;

const KINDS = {
  star: { gesture: "pinch", points: 10, radius: 0.06 },
  comet: { gesture: "pinch", points: 50, radius: 0.065 },
  meteor: { gesture: "fist", points: 15, radius: 0.068 },
};
const REACH = { hand: 0.075, mouse: 0.035 }; // beyond a thing's radius: a hand is seen late and shakily
const COMBO_STEP = 5; // catches in a row that raise the multiplier by one
const MOST_MULTIPLIER = 5;
const CONSTELLATION_POINTS = 100;
const DARKENED = 3; // windows that a meteor puts out
const SKILL_RATE = 0.12; // weight of the latest thing in the running share of things not missed

/**
 * A thing in the sky.
 * @typedef {{id: number, kind: "star"|"comet"|"meteor", x: number, y: number, vx: number, vy: number, radius: number,
 *   spin: number, age: number, group: number, hint: number, still: boolean}} Thing
 * What happened in a step; the drawing and the sounds live on it.
 * @typedef {{name: "caught"|"crushed"|"missed"|"landed"|"wrong"|"constellation"|"festival"|"lesson"|"hurry"|"over",
 *   x?: number, y?: number, kind?: string, points?: number, window?: number}} Event
 */

export class World {
  /**
   * @param {number} seed of what falls and where
   * @param {boolean} lesson whether the round begins with the lesson
   */
  constructor(seed, lesson = false) {
    /** @type {Thing[]} */
    this.things = [];
    this.rain = new Rain(seed);
    this.lesson = lesson ? new Lesson() : null;
    this.score = 0;
    this.combo = 0;
    this.longest = 0;
    this.caught = 0;
    this.crushed = 0;
    this.lit = 0;
    this.left = ROUND_SECONDS;
    this.skill = 0.6;
    this.over = false;
    this.groups = new Map(); // of a constellation: how many of its stars are caught, and how many there are
    this.count = 0;
    this.stretch = [1, 1];
  }

  /** How many times the points of a thing count. */
  get multiplier() {
    return Math.min(MOST_MULTIPLIER, 1 + Math.floor(this.combo / COMBO_STEP));
  }

  /** The share of the round that is over, 0 to 1. */
  get progress() {
    return 1 - this.left / ROUND_SECONDS;
  }

  /** @param {number} aspect width over height of the view */
  shape(aspect) {
    this.stretch = aspect > 1 ? [aspect, 1] : [1, 1 / aspect];
  }

  /**
   * Moves the world on.
   * @param {number} seconds since the step before
   * @param {import("./hands.js").Hand[]} hands
   * @returns {Event[]}
   */
  step(seconds, hands) {
    if (this.over) return [];
    /** @type {Event[]} */
    const events = [];
    this.#move(seconds, events);
    for (const hand of hands) this.#touch(hand, events);
    if (this.lesson) {
      this.lesson.step(this, seconds, hands, events);
      if (this.lesson.done) this.lesson = null;
    } else {
      this.#pass(seconds, events);
    }
    return events;
  }

  /** Adds a thing; what is not given is that of its kind. */
  add(kind, fields) {
    const thing = {
      id: this.count++,
      kind,
      x: 0.5,
      y: -0.08,
      vx: 0,
      vy: 0.15,
      spin: 1,
      age: 0,
      group: 0,
      hint: 0,
      still: false,
      radius: KINDS[kind].radius,
      ...fields,
    };
    this.things.push(thing);
    if (thing.group) {
      const group = this.groups.get(thing.group) ?? { caught: 0, size: 0 };
      group.size += 1;
      this.groups.set(thing.group, group);
    }
    return thing;
  }

  #pass(seconds, events) {
    const before = this.rain.wave(this.progress);
    this.left = Math.max(0, this.left - seconds);
    if (this.rain.wave(this.progress) > before) events.push({ name: "hurry" });
    this.rain.step(this, seconds);
    if (this.left === 0) {
      this.over = true;
      events.push({ name: "over" });
    }
  }

  #move(seconds, events) {
    for (const thing of this.things) {
      thing.age += seconds;
      thing.hint = Math.max(0, thing.hint - seconds);
      if (thing.still) continue;
      thing.x += thing.vx * seconds;
      thing.y += thing.vy * seconds;
    }
    const gone = this.things.filter((thing) => thing.y > GROUND || thing.x < -0.2 || thing.x > 1.2);
    for (const thing of gone) this.#miss(thing, events);
    this.#remove(gone);
  }

  #miss(thing, events) {
    this.skill += SKILL_RATE * (0 - this.skill);
    if (thing.kind === "meteor") {
      this.combo = 0;
      this.lit = Math.max(0, this.lit - DARKENED);
      events.push({ name: "landed", x: thing.x, y: GROUND, kind: thing.kind });
    } else {
      if (thing.kind === "star") this.combo = Math.max(0, this.combo - COMBO_STEP);
      events.push({ name: "missed", x: thing.x, y: Math.min(thing.y, GROUND), kind: thing.kind });
    }
  }

  #touch(hand, events) {
    if (!hand.fresh) return;
    const reached = this.things.filter((thing) => this.#distance(thing, hand) < thing.radius + REACH[hand.source]);
    const taken = reached.filter((thing) => KINDS[thing.kind].gesture === hand.action);
    for (const thing of taken) this.#take(thing, events);
    this.#remove(taken);
    if (taken.length) return;
    for (const thing of reached) {
      if (!thing.hint) events.push({ name: "wrong", x: thing.x, y: thing.y, kind: thing.kind });
      thing.hint = 1;
    }
  }

  #take(thing, events) {
    const points = KINDS[thing.kind].points * this.multiplier;
    this.score += points;
    this.combo += 1;
    this.longest = Math.max(this.longest, this.combo);
    this.skill += SKILL_RATE * (1 - this.skill);
    if (thing.kind === "meteor") {
      this.crushed += 1;
      events.push({ name: "crushed", x: thing.x, y: thing.y, kind: thing.kind, points });
      return;
    }
    this.caught += 1;
    events.push({ name: "caught", x: thing.x, y: thing.y, kind: thing.kind, points, window: this.#window() });
    this.#light(events);
    if (thing.group) this.#join(thing, events);
  }

  /** The window that the next light flies to: a dark one while there is one. */
  #window() {
    return this.lit < WINDOWS ? this.lit : this.caught % WINDOWS;
  }

  #light(events) {
    if (this.lit >= WINDOWS) return;
    this.lit += 1;
    if (this.lit === WINDOWS) events.push({ name: "festival" });
  }

  #join(thing, events) {
    const group = this.groups.get(thing.group);
    group.caught += 1;
    if (group.caught < group.size) return;
    this.score += CONSTELLATION_POINTS;
    events.push({ name: "constellation", x: thing.x, y: thing.y, points: CONSTELLATION_POINTS });
  }

  /** From a thing to the way that a hand went lately, in shares of the short side. */
  #distance(thing, hand) {
    const [wide, high] = this.stretch;
    const [ax, ay] = [(hand.trail.x - thing.x) * wide, (hand.trail.y - thing.y) * high];
    const [bx, by] = [(hand.x - thing.x) * wide, (hand.y - thing.y) * high];
    const [dx, dy] = [bx - ax, by - ay];
    const length = dx * dx + dy * dy;
    const share = length ? Math.min(1, Math.max(0, -(ax * dx + ay * dy) / length)) : 0;
    return Math.hypot(ax + share * dx, ay + share * dy);
  }

  #remove(things) {
    if (things.length) this.things = this.things.filter((thing) => !things.includes(thing));
  }
}
