// Draws the game: the scene from back to front, then the screens. It reads the world and changes nothing in it.

import { CREAM, FIRE, GOLD, ICE, glow } from "./brush.js";
import { Effects, FLIGHT_SECONDS } from "./effects.js";
import { drawHand } from "./handshapes.js";
import { PALM_SECONDS } from "./hands.js";
import { Notes } from "./notes.js";
import {
  drawBanner, drawButtons, drawLesson, drawNote, drawOver, drawPaused, drawReady, drawScore, layout,
} from "./screens.js";
import { drawMoon, paintSky } from "./sky.js";
import { drawBubble, drawThing, joinConstellation } from "./things.js";
import { Village } from "./village.js";
import { WINDOWS } from "./world.js";

const MOST_RATIO = 2; // device pixels to a CSS pixel; more costs time and is not seen
const BANNER_SECONDS = 2;
const RINGS = { pinch: GOLD, fist: FIRE, open_palm: ICE };

export class Drawing {
  /** @param {HTMLCanvasElement} canvas @param {object} words */
  constructor(canvas, words) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.words = words;
    this.village = new Village();
    this.effects = new Effects();
    this.notes = new Notes();
    this.motion = matchMedia("(prefers-reduced-motion: reduce)");
    this.coarse = matchMedia("(pointer: coarse)");
    this.banner = null;
    this.age = 0;
    canvas.setAttribute("role", "application");
    canvas.style.cursor = "none"; // the drawn hand stands there
    this.#fit();
    new ResizeObserver(() => this.#fit()).observe(canvas);
  }

  /** Clears what the last round left. */
  begin() {
    this.village.begin();
    this.effects.clear();
    this.notes.begin();
    this.banner = null;
  }

  /** The name of the button at a place in 0..1 of the canvas, or null. */
  buttonAt(x, y) {
    const { width, height, buttons } = this.size;
    const hit = ([, button]) => Math.hypot(x * width - button.x, y * height - button.y) <= button.radius * 1.2;
    const name = Object.entries(buttons).find(hit)?.[0];
    return name === "pause" && !this.playing ? null : (name ?? null);
  }

  /** Shows what happened in the world. */
  show(event, world) {
    const { effects, village, words } = this;
    const { width, height, unit, text } = this.size;
    const still = this.motion.matches;
    const [x, y] = [event.x * width, event.y * height];
    this.notes.show(event);
    if (event.name === "caught") {
      effects.burst(x, y, event.kind, unit, still);
      effects.float(`+${event.points}`, x, y - unit * 0.05, text * 1.3, event.kind === "comet" ? ICE : GOLD);
      if (still) return;
      effects.fly(x, y, village.window(event.window));
      village.expect(event.window, FLIGHT_SECONDS);
      if (world.lit === WINDOWS) effects.lantern(...village.window(event.window), unit);
    } else if (event.name === "crushed") {
      effects.burst(x, y, event.kind, unit, still);
      effects.float(`+${event.points}`, x, y - unit * 0.05, text * 1.3, FIRE);
      effects.shake = still ? 0 : 0.35;
    } else if (event.name === "landed") {
      effects.burst(x, y, event.kind, unit * 1.3, still);
      effects.shake = still ? 0 : 1;
    } else if (event.name === "constellation") this.#announce(words.constellation(event.points));
    else if (event.name === "hurry") this.#announce(words.hurry);
    else if (event.name === "lesson") this.#announce(words.lesson_done);
    else if (event.name === "festival") this.#festival();
  }

  /**
   * Draws one frame.
   * @param {import("./game.js").Game} game
   * @param {number} seconds since the frame before
   */
  draw(game, seconds) {
    const { context, effects, size, words } = this;
    const { width, height } = size;
    const still = this.motion.matches;
    const { world, state } = game;
    const running = state === "paused" ? 0 : seconds;
    world.shape(width / height);
    this.age += seconds;
    this.playing = state === "playing" || state === "paused";
    effects.step(running, height);
    if (state === "playing") this.notes.step(world, running);
    if (this.banner && (this.banner.age += running) > BANNER_SECONDS) this.banner = null;

    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.drawImage(this.sky, 0, 0, width, height);
    context.save();
    if (effects.shake) context.translate(...this.#shake(effects.shake));
    drawMoon(context, width, height, world.progress);
    effects.drawBehind(context);
    this.village.draw(context, this.#litShown(game), running, still, size);
    this.#things(world, still);
    effects.drawBefore(context, still);
    context.restore();

    if (this.playing) drawScore(context, size, world, words);
    const ways = this.#ways(game.usesCamera);
    if (state === "playing" && world.lesson)
      drawLesson(context, size, words, ways, world.lesson.gesture, this.age, still);
    const { line, strength } = this.notes;
    if (state === "playing" && line) drawNote(context, size, words.notes[line], strength);
    if (this.banner) drawBanner(context, size, this.banner, still);
    if (state === "ready") drawReady(context, size, words, ways, game.best.score, this.age, still);
    if (state === "paused") drawPaused(context, size, words, ways, game.reason);
    if (state === "over") drawOver(context, size, words, ways, world, game.best.score, game.record, game.age);
    drawButtons(context, size, state === "paused", game.sounds.on, words, this.playing);
    for (const hand of game.hands.all) this.#hand(hand, state);
  }

  /** Of "hand", "mouse" and "touch" the way that the words tell first, and the other one that this device has. */
  #ways(usesCamera) {
    const pointer = this.coarse.matches ? "touch" : "mouse";
    return usesCamera ? ["hand", pointer] : [pointer, "hand"];
  }

  /** On the first screen some windows are lit, to greet. */
  #litShown({ state, world }) {
    return state === "ready" ? 9 : world.lit;
  }

  #things(world, still) {
    const { context } = this;
    const groups = new Map();
    const placed = world.things.map((thing) => ({ thing, at: this.#place(thing) }));
    for (const { thing, at } of placed) {
      if (thing.group) groups.set(thing.group, [...(groups.get(thing.group) ?? []), at]);
    }
    for (const places of groups.values()) joinConstellation(context, places);
    for (const { thing, at } of placed) {
      drawThing(context, thing, at, still);
      if (thing.hint) this.#hint(thing, at);
    }
  }

  #place(thing) {
    const { width, height, unit } = this.size;
    return {
      x: thing.x * width,
      y: thing.y * height,
      radius: thing.radius * unit,
      vx: thing.vx * width,
      vy: thing.vy * height,
    };
  }

  /** Over a thing that a wrong gesture touched: the right one. */
  #hint(thing, { x, y, radius }) {
    const above = y - radius * 2.2;
    drawBubble(this.context, x, above, radius * 0.95);
    drawHand(this.context, thing.kind === "meteor" ? "fist" : "pinch", x, above, radius * 1.4);
  }

  #hand(hand, state) {
    const { context } = this;
    const { width, height, unit } = this.size;
    const [x, y] = [hand.x * width, hand.y * height];
    const action = hand.action;
    const colour = RINGS[action] ?? CREAM;
    const radius = Math.max(20, unit * 0.046);
    if (hand.fresh) glow(context, x, y, radius * 2.4, action === "fist" ? "255, 138, 92" : "255, 209, 102");
    context.lineWidth = hand.fresh ? 4 : 2.5;
    context.beginPath();
    context.arc(x, y, radius * (hand.fresh ? 0.85 : 1), 0, 2 * Math.PI);
    context.strokeStyle = colour;
    context.globalAlpha = 0.9;
    context.stroke();
    context.globalAlpha = hand.unseen ? 0.4 : 1;
    drawHand(context, action ?? "open_palm", x, y, radius * 1.8, { atTip: action === "pinch" });
    context.globalAlpha = 1;
    if (state !== "playing" || hand.palm < 0.15) return;
    context.beginPath();
    context.arc(x, y, radius * 1.45, -Math.PI / 2, -Math.PI / 2 + (2 * Math.PI * hand.palm) / PALM_SECONDS);
    context.lineWidth = 6;
    context.lineCap = "round";
    context.strokeStyle = ICE;
    context.stroke();
  }

  #shake(amount) {
    const reach = this.size.unit * 0.012 * amount;
    return [Math.sin(this.age * 70) * reach, Math.cos(this.age * 57) * reach];
  }

  #announce(words) {
    this.banner = { words, age: 0 };
  }

  #festival() {
    this.#announce(this.words.festival);
    if (this.motion.matches) return;
    for (let i = 0; i < 12; i++) this.effects.lantern(...this.village.window(i * 5), this.size.unit);
  }

  #fit() {
    const { canvas } = this;
    const [width, height] = [Math.max(1, canvas.clientWidth), Math.max(1, canvas.clientHeight)];
    this.ratio = Math.min(MOST_RATIO, devicePixelRatio || 1);
    canvas.width = Math.round(width * this.ratio);
    canvas.height = Math.round(height * this.ratio);
    this.size = layout(width, height);
    this.sky = paintSky(width, height, this.ratio);
    this.village.resize(width, height, this.ratio);
  }
}
