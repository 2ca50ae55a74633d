// A live source: the frames of a video element, one after the other; those that come meanwhile are dropped.

import { reasonOf } from "./errors.js";

const KEPT = 12; // frames over which the speed is averaged
const LEAST = 5; // before which it is not told

/**
 * @typedef {import("./finder.js").Found & {time: number, rate: number}} LookedAt a frame's hands, the seconds at which
 *   it was shown and the frames a second that are managed, 0: not known yet
 */

export class Live {
  /**
   * @param {HTMLVideoElement} video
   * @param {import("./finder.js").HandFinder} finder
   * @param {(result: LookedAt) => void} onFound
   * @param {(reason: string) => void} onError
   */
  constructor(video, finder, onFound, onError) {
    Object.assign(this, { video, finder, onFound, onError });
    this.isRunning = false;
    this.ends = [];
    this.lastTime = -1;
  }

  start() {
    this.isRunning = true;
    this.#wait();
    // shows its frame again: a video that is paused, or has one frame alone, brings no other
    if (!this.video.srcObject) this.video.currentTime = this.video.currentTime;
  }

  stop() {
    this.isRunning = false;
  }

  #wait() {
    const next = () => this.isRunning && this.#frame();
    if (this.video.requestVideoFrameCallback) this.video.requestVideoFrameCallback(next);
    else requestAnimationFrame(next);
  }

  async #frame() {
    const { video, finder } = this;
    // a video file counts in its own time, so that pausing it stops time
    const time = video.srcObject ? performance.now() / 1000 : video.currentTime;
    if (!document.hidden && !finder.isBusy && video.readyState >= 2 && time !== this.lastTime) {
      this.lastTime = time;
      try {
        const found = await finder.find(await createImageBitmap(video));
        if (!this.isRunning) return;
        this.onFound({ ...found, time, rate: this.#rate() });
      } catch (error) {
        if (!this.isRunning) return;
        this.stop();
        this.onError(reasonOf(error));
        return;
      }
    }
    this.#wait();
  }

  #rate() {
    this.ends = [...this.ends, performance.now()].slice(-KEPT);
    const seconds = (this.ends.at(-1) - this.ends[0]) / 1000;
    return this.ends.length < LEAST ? 0 : (this.ends.length - 1) / seconds;
  }

  /** Time that the page spent in the background is no slowness. */
  forgetSpeed() {
    this.ends = [];
  }
}
