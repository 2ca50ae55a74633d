// The worker in which hands are found, so that the page stays smooth. Messages: see finder.js.

import { Estimator } from "./estimator.js";
import { fetched } from "./fetched.js";
import { loadNetworks } from "./networks.js";

const BASE = new URL("../", import.meta.url);

/** @type {Estimator | null} */
let estimator = null;
/** @type {OffscreenCanvasRenderingContext2D | null} */
let context = null;
let before = Promise.resolve(); // a session runs one image at a time

self.onmessage = ({ data }) => {
  before = before.then(() => answer(data));
};

async function answer({ id, call, argument }) {
  try {
    const value = call === "load" ? await load(argument) : await find(argument);
    self.postMessage({ id, value }, value.bitmap ? [value.bitmap] : []);
  } catch (error) {
    self.postMessage({ id, error: String(error?.message ?? error) });
  }
}

/**
 * @param {{backend: string | null}} wanted
 * @returns {Promise<import("./networks.js").Computer & {about: object}>}
 */
async function load({ backend }) {
  const sizes = await (await fetched("files.json")).json();
  const about = await (await fetched("model/export.json")).json();
  const progress = new Progress(sizes);
  const { networks, computer } = await loadNetworks(about, BASE, (path) => progress.load(path), backend);
  estimator = new Estimator(about, networks);
  return { ...computer, about: { names: about.keypoints.names, links: about.keypoints.links } };
}

/** Adds up what was loaded of the large files and tells the page. */
class Progress {
  /** @param {Record<string, number>} sizes path -> bytes */
  constructor(sizes) {
    this.sizes = sizes;
    this.total = 0;
    this.loaded = 0;
  }

  /** @param {string} path */
  async load(path) {
    this.total += this.sizes[path] ?? 0;
    const response = await fetched(path);
    const chunks = [];
    for (const reader = response.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      chunks.push(value);
      this.loaded += value.length;
      self.postMessage({ progress: { loaded: Math.min(this.loaded, this.total), total: this.total } });
    }
    return new Blob(chunks).arrayBuffer();
  }
}

/**
 * @param {ImageBitmap} bitmap
 * @returns {Promise<import("./finder.js").Found>}
 */
async function find(bitmap) {
  const start = performance.now();
  const { width, height } = bitmap;
  const image = pixelsOf(bitmap);
  const hands = await estimator.find(image);
  return { bitmap, hands, width, height, milliseconds: performance.now() - start };
}

/** @param {ImageBitmap} bitmap */
function pixelsOf(bitmap) {
  const { width, height } = bitmap;
  if (context?.canvas.width !== width || context.canvas.height !== height) {
    context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true, alpha: false });
  }
  context.fillStyle = "white"; // behind what is transparent
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, width, height);
}
