// The hands of images, found in a worker. Other pages may use it alone:
//
//   import { HandFinder } from "./src/finder.js";
//   const finder = await HandFinder.load();
//   const { hands } = await finder.find(await createImageBitmap(video));

/**
 * What was found in an image of `width` x `height` pixels, and the image itself.
 * @typedef {{bitmap: ImageBitmap, hands: import("./estimator.js").Hand[], width: number, height: number,
 *   milliseconds: number}} Found
 */

export class HandFinder {
  /**
   * Loads runtime and networks.
   * @param {{backend?: "webgpu" | "wasm" | null, onProgress?: (loaded: number, total: number) => void}} [options]
   *   backend: null takes the best; onProgress: bytes
   * @returns {Promise<HandFinder>}
   */
  static async load({ backend = null, onProgress = () => {} } = {}) {
    const finder = new HandFinder(onProgress);
    const { about, ...computer } = await finder.#call("load", { backend });
    /** @type {import("./networks.js").Computer} */
    finder.computer = computer;
    /** @type {[number, number][]} which keypoints are joined */
    finder.links = about.links;
    return finder;
  }

  /** @param {(loaded: number, total: number) => void} onProgress */
  constructor(onProgress) {
    this.worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.waiting = new Map();
    this.calls = 0;
    this.worker.onmessage = ({ data: { id, value, error, progress } }) => {
      if (progress) return onProgress(progress.loaded, progress.total);
      const { resolve, reject } = this.waiting.get(id);
      this.waiting.delete(id);
      return error === undefined ? resolve(value) : reject(new Error(error));
    };
    this.worker.onerror = (event) => {
      for (const { reject } of this.waiting.values()) reject(new Error(event.message || "the worker does not start"));
      this.waiting.clear();
    };
  }

  /** Whether an image is being looked at: a live source drops its frames meanwhile. */
  get isBusy() {
    return this.waiting.size > 0;
  }

  /**
   * @param {ImageBitmap} bitmap is handed over, and comes back with what was found
   * @returns {Promise<Found>}
   */
  find(bitmap) {
    return this.#call("find", bitmap, [bitmap]);
  }

  #call(call, argument, transfer = []) {
    return new Promise((resolve, reject) => {
      const id = ++this.calls;
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, call, argument }, transfer);
    });
  }
}
