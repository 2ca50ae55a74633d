// Images -> boxes of hands, as `detector` of export.json says.

import { clipped, isSolid, suppressed } from "./boxes.js";
import { Planes, resizeSteps } from "./pixels.js";

/**
 * @param {import("./pixels.js").Image} image
 * @param {object} shape `detector.input` of export.json
 * @returns {{planes: Planes, scale: [number, number]}} the input, and its pixels of an image pixel in x and y
 */
export function detectorInput(image, shape) {
  const { width, height } = image;
  if (shape.resize !== "letterbox") {
    const planes = new Planes(shape.size, shape.size, shape);
    planes.draw(image, resizeSteps(width, shape.size), resizeSteps(height, shape.size));
    return { planes, scale: [shape.size / width, shape.size / height] };
  }
  const ratio = Math.min(shape.size / width, shape.size / height);
  const columns = Math.max(Math.trunc(width * ratio), 1);
  const rows = Math.max(Math.trunc(height * ratio), 1);
  const whole = (side) => Math.ceil(side / shape.step) * shape.step;
  const planes = new Planes(whole(columns), whole(rows), shape);
  planes.fill(shape.padding);
  planes.draw(image, resizeSteps(width, columns), resizeSteps(height, rows));
  return { planes, scale: [ratio, ratio] };
}

export class Detector {
  /**
   * @param {object} about `detector` of export.json
   * @param {import("./networks.js").Network} network
   */
  constructor(about, network) {
    this.about = about;
    this.network = network;
  }

  /**
   * @param {import("./pixels.js").Image} image
   * @returns {Promise<{box: import("./boxes.js").Box, score: number}[]>} boxes in image pixels, best first
   */
  async detect(image) {
    const { planes, scale } = detectorInput(image, this.about.input);
    const { boxes, scores } = await this.network.run(planes.data, planes.shape);
    const found = [];
    for (let i = 0; i < scores.length; i++) {
      if (!(scores[i] > this.about.score_threshold)) continue;
      const box = clipped(
        [0, 1, 2, 3].map((side) => boxes[4 * i + side] / scale[side % 2]),
        image.width,
        image.height,
      );
      if (isSolid(box)) found.push({ box, score: scores[i] });
    }
    return suppressed(found, this.about.iou_threshold).slice(0, this.about.at_most);
  }
}
