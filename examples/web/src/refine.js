// What keypoints say of the box that they were found in; the numbers are those of `refinement` in export.json, and the
// rules those of pose/refine.py in the package.

import { clipped, iou, isSolid, longerSide } from "./boxes.js";

/**
 * What is known of a hand on its way through the line.
 * @typedef {{box: import("./boxes.js").Box, score: number, keypoints: import("./keypoints.js").Keypoint[]}} Candidate
 */

/** @param {import("./keypoints.js").Keypoint[]} keypoints */
export const meanScore = (keypoints) => keypoints.reduce((sum, [, , score]) => sum + score, 0) / keypoints.length;

export class Refinement {
  /** @param {object} numbers `refinement` of export.json */
  constructor(numbers) {
    this.numbers = numbers;
  }

  /**
   * How sure it is that there is a hand.
   * @param {Candidate} candidate
   */
  confidence({ score, keypoints }) {
    return Math.max(score, 0) ** this.numbers.score_power * meanScore(keypoints);
  }

  /**
   * The candidates with a confidence of at least `threshold`, one for each real hand, in their order.
   * @param {Candidate[]} candidates
   * @param {number} threshold
   * @param {number} width pixels of the image
   * @param {number} height
   */
  kept(candidates, threshold, width, height) {
    const best = [...candidates].sort((a, b) => meanScore(b.keypoints) - meanScore(a.keypoints));
    const kept = [];
    const side = ({ box }) => longerSide(clipped(box, width, height));
    for (const candidate of best) {
      if (this.confidence(candidate) < threshold) continue;
      const isOther = (hand) => {
        const near = this.numbers.same_distance * Math.min(side(hand), side(candidate));
        return shareOfNear(hand.keypoints, candidate.keypoints, near) < this.numbers.same_share;
      };
      if (kept.every(isOther)) kept.push(candidate);
    }
    return candidates.filter((candidate) => kept.includes(candidate));
  }

  /**
   * Where a hand is looked for again: around keypoints that lie beside their box.
   * @param {Candidate} candidate
   * @param {number} width pixels of the image
   * @param {number} height
   * @returns {import("./boxes.js").Box | null} null: the box is well localised
   */
  secondBox({ box, keypoints }, width, height) {
    const found = this.around(keypoints, width, height);
    const overlap = iou(found, clipped(box, width, height));
    const isPoor = overlap > 0 && overlap < this.numbers.localised_iou;
    return isPoor && this.isPlausible(keypoints) ? found : null;
  }

  /**
   * The box around keypoints that say where their hand is, else the candidate's own.
   * @param {Candidate} candidate
   * @param {number} width pixels of the image
   * @param {number} height
   */
  localised({ box, keypoints }, width, height) {
    const found = this.around(keypoints, width, height);
    return isSolid(found) && this.isPlausible(keypoints) ? found : clipped(box, width, height);
  }

  /** @param {import("./keypoints.js").Keypoint[]} keypoints */
  isPlausible(keypoints) {
    return meanScore(keypoints) >= this.numbers.plausible_mean;
  }

  /**
   * The box around keypoints as far as the hand reaches, inside the image.
   * @param {import("./keypoints.js").Keypoint[]} keypoints
   * @param {number} width pixels of the image
   * @param {number} height
   */
  around(keypoints, width, height) {
    const [x, y] = [0, 1].map((axis) => keypoints.map((point) => point[axis]));
    const box = [Math.min(...x), Math.min(...y), Math.max(...x), Math.max(...y)];
    const margin = this.numbers.margin * longerSide(box);
    return clipped([box[0] - margin, box[1] - margin, box[2] + margin, box[3] + margin], width, height);
  }
}

/**
 * The share of the keypoints of two hands that are less than `near` pixels apart.
 * @param {import("./keypoints.js").Keypoint[]} a
 * @param {import("./keypoints.js").Keypoint[]} b
 * @param {number} near
 */
function shareOfNear(a, b, near) {
  return a.filter(([x, y], i) => Math.hypot(x - b[i][0], y - b[i][1]) < near).length / a.length;
}
