// What becomes of the hands of an image: identities, gestures, the drawing, the words.

import { drawHands } from "./drawing.js";
import { doHandsCross, Identities } from "./identities.js";
import { GestureStream } from "./stream.js";
import { texts } from "./texts.js";

const SLOW = 250; // milliseconds a frame, beyond which a gesture is missed now and then
const QUICK = 200; // milliseconds a frame, below which a slow device is so no more
const KEPT_PACE = 0.8; // of the mean so far, to which a new frame is added
const SURE_FRAMES = 10; // after which the speed is judged
const LONELY_SECONDS = 3; // without a hand, after which help is offered

const nameOf = ({ name }) => texts.gestures[name] ?? name;

/**
 * A hand as the page shows it. gesture: of this image alone; steady: without flicker.
 * @typedef {import("./estimator.js").Hand & {id: number, gesture: import("./gestures.js").Gesture,
 *   steady: import("./gestures.js").Gesture}} ShownHand
 */

export class Results {
  /**
   * @param {HTMLCanvasElement} overlay lies over the image
   * @param {import("./panel.js").Panel} panel
   */
  constructor(overlay, panel) {
    this.overlay = overlay;
    this.panel = panel;
    this.identities = new Identities();
    this.links = [];
    /** @type {GestureStream | null} */
    this.steady = null;
    this.clear();
  }

  /**
   * @param {import("./gestures.js").Gestures} gestures
   * @param {[number, number][]} links which keypoints are joined
   */
  use(gestures, links) {
    this.gestures = gestures;
    this.links = links;
    this.steady = new GestureStream(gestures);
  }

  /** Forgets all hands, as before another source. */
  clear() {
    this.#forget();
    this.forgetSpeed();
    this.panel.speed(null);
    this.panel.say("");
    this.#show([], { width: 1, height: 1 }, false);
  }

  /** Time that the page spent in the background is no slowness. */
  forgetSpeed() {
    this.frames = 0;
    this.pace = 0;
    /** @type {string | null} frames a second that a slow device managed when it was found slow */
    this.slowRate = null;
    this.lastHand = performance.now();
  }

  /**
   * @param {import("./finder.js").Found} found of an image
   * @returns {ShownHand[]}
   */
  image({ hands, milliseconds, ...size }) {
    this.#recognize(hands, 0);
    for (const hand of hands) hand.steady = hand.gesture;
    this.#show(hands, size, false);
    this.panel.speed(texts.took(Math.round(milliseconds)));
    this.panel.notice(hands.length ? texts.count(hands.length) : texts.noHandInFile);
    this.panel.say(hands.map((hand) => texts.said(hand.id, nameOf(hand.steady))).join(texts.between));
    return hands;
  }

  /**
   * @param {import("./live.js").LookedAt} found of a camera or video
   * @param {{mirrored: boolean, hint: string | null}} how hint: what is said while all is well; null: the count
   * @returns {ShownHand[]}
   */
  frame({ hands, time, rate, milliseconds, ...size }, { mirrored, hint }) {
    if (time < this.time) this.#forget(); // a video began again
    this.#recognize(hands, time);
    const { shown, started } = this.steady.update(hands, time);
    for (const hand of hands) hand.steady = shown.get(hand.id) ?? { name: this.gestures.rules.none, confidence: 0 };
    this.#show(hands, size, mirrored);
    const took = Math.round(milliseconds);
    this.panel.speed(rate ? texts.speed(rate.toFixed(rate < 10 ? 1 : 0), took) : texts.took(took));
    const begun = hands.filter(({ id }) => started.includes(id));
    if (begun.length) this.panel.say(begun.map((hand) => texts.said(hand.id, nameOf(hand.steady))).join(texts.between));
    this.#advise(hands, milliseconds, hint ?? texts.count(hands.length), mirrored ? texts.slow : texts.slowFile);
    return hands;
  }

  /** Draws the last result, as when the size changes. */
  draw() {
    const label = ({ steady }) => (steady.name === this.gestures.rules.none ? "" : nameOf(steady));
    const drawn = this.hands.map((hand) => ({ id: hand.id, keypoints: hand.keypoints, label: label(hand) }));
    const { width, height, links, mirrored } = this;
    drawHands(this.overlay, drawn, { width, height, links, mirrored });
  }

  #forget() {
    this.time = 0;
    this.identities.reset();
    this.steady?.reset();
  }

  #recognize(hands, time) {
    this.time = time;
    this.identities.update(hands, time);
    for (const hand of hands) hand.gesture = this.gestures.recognize(hand.keypoints);
  }

  #show(hands, { width, height }, mirrored) {
    Object.assign(this, { hands, width, height, mirrored });
    this.panel.hands(hands);
    this.draw();
  }

  #advise(hands, milliseconds, hint, slow) {
    const now = performance.now();
    this.pace = this.frames++ ? KEPT_PACE * this.pace + (1 - KEPT_PACE) * milliseconds : milliseconds;
    if (this.pace < QUICK) this.slowRate = null;
    // one number, as each change is read to those who listen
    else if (this.frames > SURE_FRAMES && this.pace > SLOW) this.slowRate ??= (1000 / this.pace).toFixed(1);
    if (hands.length) this.lastHand = now;
    if (now - this.lastHand > LONELY_SECONDS * 1000) this.panel.notice(texts.noHand);
    else if (doHandsCross(hands)) this.panel.notice(texts.crossing);
    else if (this.slowRate) this.panel.notice(slow(this.slowRate));
    else this.panel.notice(hint);
  }
}
