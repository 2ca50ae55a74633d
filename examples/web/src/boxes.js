// Boxes [x0, y0, x1, y1] in pixels.

/** @typedef {[number, number, number, number]} Box */

/**
 * @param {Box} box
 * @param {number} width pixels of the image
 * @param {number} height
 * @returns {Box} the part inside the image
 */
export function clipped([x0, y0, x1, y1], width, height) {
  const within = (value, most) => Math.min(Math.max(value, 0), most);
  return [within(x0, width), within(y0, height), within(x1, width), within(y1, height)];
}

/** @param {Box} box */
export const isSolid = ([x0, y0, x1, y1]) => x1 > x0 && y1 > y0;

/** @param {Box} box */
export const longerSide = ([x0, y0, x1, y1]) => Math.max(x1 - x0, y1 - y0);

/**
 * Intersection over union.
 * @param {Box} a
 * @param {Box} b
 */
export function iou(a, b) {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  const intersection = Math.max(width, 0) * Math.max(height, 0);
  const area = (box) => (box[2] - box[0]) * (box[3] - box[1]);
  return intersection / Math.max(area(a) + area(b) - intersection, Number.MIN_VALUE);
}

/**
 * Greedy non-maximum suppression.
 * @param {{box: Box, score: number}[]} found
 * @param {number} threshold a box goes when its overlap with a better one is above this
 * @returns {{box: Box, score: number}[]} those that stay, best first
 */
export function suppressed(found, threshold) {
  const kept = [];
  for (const candidate of [...found].sort((a, b) => b.score - a.score)) {
    if (kept.every((better) => iou(better.box, candidate.box) <= threshold)) kept.push(candidate);
  }
  return kept;
}
