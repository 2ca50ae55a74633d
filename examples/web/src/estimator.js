// Images -> hands: detect -> crop -> network -> refine, as `HandEstimator` of the package with tta "none".

import { clipped } from "./boxes.js";
import { Detector } from "./detector.js";
import { KeypointReader } from "./keypoints.js";
import { meanScore, Refinement } from "./refine.js";

/**
 * One hand. box and keypoints in image pixels; score: of the detector; confidence: that it is a hand.
 * @typedef {{box: import("./boxes.js").Box, keypoints: import("./keypoints.js").Keypoint[], score: number,
 *   confidence: number}} Hand
 */

export class Estimator {
  /**
   * @param {object} about export.json
   * @param {{keypoints: import("./networks.js").Network, detector?: import("./networks.js").Network}} networks
   */
  constructor(about, networks) {
    this.detector = about.detector ? new Detector(about.detector, networks.detector) : null;
    this.reader = new KeypointReader(about.keypoints, networks.keypoints);
    this.refinement = new Refinement(about.refinement);
    this.threshold = this.detector ? about.keypoints.hand_threshold : null; // null: every box is a hand
  }

  /**
   * @param {import("./pixels.js").Image} image
   * @returns {Promise<Hand[]>}
   */
  async find(image) {
    const candidates = await this.candidates(image);
    for (const candidate of candidates) await this.look(image, candidate, candidate.box);
    const hands = this.threshold === null ? candidates : await this.confirmed(image, candidates);
    return hands.map((hand) => ({ ...hand, confidence: this.refinement.confidence(hand) }));
  }

  /**
   * @param {import("./pixels.js").Image} image
   * @returns {Promise<import("./refine.js").Candidate[]>} without keypoints as yet
   */
  async candidates(image) {
    if (!this.detector) return [{ box: [0, 0, image.width, image.height], score: 1, keypoints: null }];
    const found = await this.detector.detect(image);
    const most = this.threshold === null ? found.length : this.refinement.numbers.max_candidates;
    return found.slice(0, most).map((candidate) => ({ ...candidate, keypoints: null }));
  }

  /**
   * The hands among candidates, looked at again where they lie beside their box.
   * @param {import("./pixels.js").Image} image
   * @param {import("./refine.js").Candidate[]} candidates
   */
  async confirmed(image, candidates) {
    const { width, height } = image;
    for (const candidate of candidates) {
      const box = this.refinement.secondBox(candidate, width, height);
      if (box) await this.look(image, candidate, box);
    }
    const share = this.refinement.numbers.confirmed_share;
    const seen = this.refinement.kept(candidates, share * this.threshold, width, height);
    const kept = this.refinement.kept(seen, this.threshold, width, height);
    return kept.map((hand) => ({ ...hand, box: this.refinement.localised(hand, width, height) }));
  }

  /**
   * Gives a candidate the keypoints of a look at a box, unless it has better ones.
   * @param {import("./pixels.js").Image} image
   * @param {import("./refine.js").Candidate} candidate
   * @param {import("./boxes.js").Box} box
   */
  async look(image, candidate, box) {
    const keypoints = await this.reader.read(image, box);
    if (candidate.keypoints && meanScore(keypoints) <= meanScore(candidate.keypoints)) return;
    candidate.keypoints = keypoints;
    candidate.box = clipped(box, image.width, image.height);
  }
}
