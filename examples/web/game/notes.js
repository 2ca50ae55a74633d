// The rules that the lesson leaves out: each is told in one line, once, when it first matters.

const SECONDS = 4.5; // of a line
const FADE = 0.5; // seconds at its begin and at its end
const SIGNS = {
  combo: (world) => world.combo > 0,
  comet: (world) => world.things.some(({ kind }) => kind === "comet"),
  constellation: (world) => world.things.some(({ group, y }) => group && y > 0),
};

export class Notes {
  constructor() {
    this.told = new Set();
    this.begin();
  }

  /** Drops what is still to be said. */
  begin() {
    this.due = [];
    this.age = 0;
  }

  /** The name of the line that stands now, or null. */
  get line() {
    return this.due[0] ?? null;
  }

  /** How far the line has come in, 0 to 1. */
  get strength() {
    return Math.max(0, Math.min(1, this.age / FADE, (SECONDS - this.age) / FADE));
  }

  /** @param {import("./world.js").Event} event of the world */
  show(event) {
    if (event.name === "landed") this.#tell(event.name);
  }

  /**
   * @param {import("./world.js").World} world
   * @param {number} seconds since the step before
   */
  step(world, seconds) {
    if (this.line) this.age += seconds;
    if (this.age > SECONDS) {
      this.due.shift();
      this.age = 0;
    }
    if (world.lesson || world.over) return;
    for (const [name, holds] of Object.entries(SIGNS)) if (holds(world)) this.#tell(name);
  }

  #tell(name) {
    if (this.told.has(name)) return;
    this.told.add(name);
    this.due.push(name);
  }
}
