// The game in the stage: it is given the hands, and moves at the display's rate.

import { Game } from "../game/game.js";
import { language } from "./texts.js";

export class Play {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.game = new Game(canvas, { language, onScore: (score) => (canvas.dataset.score = score) });
    this.pointers = [];
    this.isOpen = false;
    this.last = 0;
  }

  open() {
    if (this.isOpen) return;
    this.isOpen = true;
    this.last = performance.now();
    requestAnimationFrame((now) => this.#frame(now));
  }

  close() {
    this.isOpen = false;
    this.game.pause();
  }

  #frame(now) {
    if (!this.isOpen) return;
    this.game.update(this.pointers, Math.max(now - this.last, 0) / 1000);
    this.last = now;
    requestAnimationFrame((next) => this.#frame(next));
  }
}
