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
    this.#wait();
  }

  close() {
    this.isOpen = false;
    cancelAnimationFrame(this.next);
    this.game.pause();
  }

  #wait() {
    this.next = requestAnimationFrame((now) => this.#frame(now));
  }

  #frame(now) {
    this.game.update(this.pointers, Math.max(now - this.last, 0) / 1000);
    this.last = now;
    this.#wait();
  }
}
