// "Starlit Village": pinch the stars that fall, and each lights a window; crush the meteors; an open palm pauses.

import { Best } from "./best.js";
import { Drawing } from "./drawing.js";
import { Hands, PALM_SECONDS } from "./hands.js";
import { Mouse } from "./mouse.js";
import { Sounds } from "./sounds.js";
import { words } from "./words.js";
import { World } from "./world.js";

const MOST_STEP = 0.1; // seconds; what a slow frame takes longer is lost, not jumped over
const RESUME_SECONDS = 1.2; // in which time comes back to its pace
const ACCEPT_SECONDS = { ready: 0.5, paused: 0.6, over: 2 }; // before which a pinch does not leave a screen
const LOST_SECONDS = 3; // without a hand in view, after which the game pauses

/**
 * The game in a canvas. The page calls `update` once for each animation frame, also while the game is paused; the game
 * follows the canvas's size. The sky is translucent: lay the dimmed camera image, or a dark colour, behind the canvas.
 * Mouse, touch and keyboard are heard on the canvas itself; sounds are off until the player switches them on.
 */
export class Game {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {{language?: string, onScore?: (score: number) => void}} [options] language: "zh" (or "zh-CN" ...) or "en";
   *   onScore is called when the score changes
   */
  constructor(canvas, { language = "en", onScore = () => {} } = {}) {
    this.canvas = canvas;
    this.onScore = onScore;
    this.words = words(language);
    this.best = new Best();
    this.sounds = new Sounds();
    this.hands = new Hands();
    this.world = new World(1);
    this.drawing = new Drawing(canvas, this.words);
    this.mouse = new Mouse(canvas, { pause: () => this.#togglePause(), sound: () => this.sounds.toggle() });
    /** Why the game is paused: "palm", "lost" or null. */
    this.reason = null;
    this.record = false;
    this.usesCamera = false;
    this.lost = 0;
    this.#enter("ready");
    document.addEventListener("visibilitychange", () => document.hidden && this.pause());
  }

  /** Points of this round, or of the last one. */
  get score() {
    return this.world.score;
  }

  /** "ready", "playing", "paused" or "over". */
  get state() {
    return this.current;
  }

  /** Begins a round; the first one with a lesson. */
  start() {
    this.world = new World(Math.floor(Math.random() * 2 ** 32), !this.best.played);
    this.drawing.begin();
    this.record = false;
    this.canvas.focus({ preventScroll: true }); // the keys play
    this.#enter("playing");
    this.onScore(0);
  }

  /** Stops time. Does nothing unless a round is running. */
  pause() {
    this.#pause(null);
  }

  /** Time runs again, slowly at first. Does nothing unless the game is paused. */
  resume() {
    if (this.current === "paused") this.#enter("playing");
  }

  /**
   * Moves the game on and draws it.
   * @param {import("./hands.js").Pointer[]} pointers the latest ones: x and y in 0..1 of the mirrored camera view,
   *   gesture one of `modelscope_handkp.gestures.GESTURE_NAMES`
   * @param {number} seconds since the call before
   */
  update(pointers, seconds) {
    const step = Math.min(MOST_STEP, Math.max(0, seconds || 0));
    this.age += step;
    this.hands.update([...pointers, ...this.mouse.pointers(step)], step);
    this.#noticeCamera();
    this.#press();
    if (this.current === "playing") this.#play(step);
    else if (this.age >= ACCEPT_SECONDS[this.current] && this.#anyFresh()) this.#leave();
    this.drawing.draw(this, step);
  }

  #play(step) {
    if (this.#wantsPause(step)) return;
    const pace = Math.min(1, 0.15 + this.age / RESUME_SECONDS);
    const before = this.world.score;
    for (const event of this.world.step(step * pace, this.hands.all)) {
      this.drawing.show(event, this.world);
      this.sounds.play(event, this.world);
      if (event.name === "over") this.#end();
    }
    if (this.world.score !== before) this.onScore(this.world.score);
  }

  #wantsPause(step) {
    const { all } = this.hands;
    this.lost = this.#seesHand() || !this.usesCamera ? 0 : this.lost + step;
    if (all.some((hand) => hand.palm >= PALM_SECONDS)) this.#pause("palm");
    else if (this.lost >= LOST_SECONDS) this.#pause("lost");
    return this.current === "paused";
  }

  #pause(reason) {
    if (this.current !== "playing") return;
    if (this.world.lesson?.gesture === "open_palm") this.world.lesson.next();
    this.reason = reason;
    this.#enter("paused");
  }

  #togglePause() {
    if (this.current === "paused") this.resume();
    else this.pause();
  }

  #end() {
    this.record = this.best.add(this.world.score);
    this.#enter("over");
  }

  #leave() {
    if (this.current === "paused") this.resume();
    else this.start();
  }

  /** Whether the player plays by hand: a hand is seen, or was, and no mouse has been pressed since. */
  #noticeCamera() {
    this.usesCamera = this.#seesHand() || (this.usesCamera && !this.#anyFresh());
  }

  #seesHand() {
    return this.hands.all.some((hand) => hand.source === "hand" && !hand.unseen);
  }

  #anyFresh() {
    return this.hands.all.some((hand) => hand.fresh);
  }

  /** The drawn buttons, which are for mouse and touch: a hand that catches a star there means the star. */
  #press() {
    for (const hand of this.hands.all) {
      if (hand.source !== "mouse" || !hand.fresh) continue;
      const button = this.drawing.buttonAt(hand.x, hand.y);
      if (!button) continue;
      hand.spend();
      if (button === "pause") this.#togglePause();
      else this.sounds.toggle();
    }
  }

  #enter(state) {
    this.current = state;
    this.age = 0;
    this.lost = 0;
    for (const hand of this.hands.all) hand.spend();
    this.canvas.setAttribute("aria-label", this.words.label(state, this.world.score));
  }
}
