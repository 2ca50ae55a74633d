// Boxes -> crops -> 21 keypoints, as `keypoints` of export.json says.

import { cropSteps, Planes } from "./pixels.js";

/**
 * A keypoint: x and y in image pixels, and its score.
 * @typedef {[number, number, number]} Keypoint
 */

export class KeypointReader {
  /**
   * @param {object} about `keypoints` of export.json, of a network that decodes
   * @param {import("./networks.js").Network} network
   */
  constructor(about, network) {
    this.about = about;
    this.network = network;
  }

  /**
   * @param {import("./pixels.js").Image} image
   * @param {import("./boxes.js").Box} box
   * @returns {Promise<Keypoint[]>} 21 keypoints
   */
  async read(image, box) {
    const { zoom, shift, planes } = this.crop(image, box);
    const { keypoints } = await this.network.run(planes.data, planes.shape);
    const found = [];
    for (let i = 0; i < keypoints.length; i += 3) {
      found.push([(keypoints[i] - shift[0]) / zoom, (keypoints[i + 1] - shift[1]) / zoom, keypoints[i + 2]]);
    }
    return found;
  }

  /**
   * The box, grown around its centre to the input's ratio of sides and then by the padding.
   * @param {import("./pixels.js").Image} image
   * @param {import("./boxes.js").Box} box
   * @returns {{zoom: number, shift: [number, number], planes: Planes}} zoom: crop pixels of an image pixel; shift: of
   *   the image's corner, crop pixels
   */
  crop(image, [x0, y0, x1, y1]) {
    const [height, width] = this.about.input.shape.slice(2);
    const zoom = 1 / (this.about.crop.padding * Math.max((x1 - x0) / width, (y1 - y0) / height));
    const shift = [width / 2 - (zoom * (x0 + x1)) / 2, height / 2 - (zoom * (y0 + y1)) / 2];
    const planes = new Planes(width, height, this.about.input);
    const across = cropSteps(image.width, width, zoom, shift[0]);
    planes.draw(image, across, cropSteps(image.height, height, zoom, shift[1]));
    return { zoom, shift, planes };
  }
}
