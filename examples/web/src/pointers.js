// Hands -> what the game takes.

const THUMB_TIP = 4;
const INDEX_TIP = 8;
const PALM = [0, 5, 9, 13, 17];

/**
 * Where a hand points: x and y in 0..1 of the mirrored camera view.
 * @typedef {{id: number, x: number, y: number, gesture: string, confidence: number, source: "hand"}} Pointer
 */

/**
 * @param {{id: number, keypoints: import("./keypoints.js").Keypoint[], gesture: import("./gestures.js").Gesture}[]}
 *   hands
 * @param {number} width pixels of the camera's image
 * @param {number} height
 * @returns {Pointer[]} between thumb and forefinger for a pinch, else in the middle of the palm
 */
export function pointersOf(hands, width, height) {
  return hands.map(({ id, keypoints, gesture }) => {
    const points = gesture.name === "pinch" ? [THUMB_TIP, INDEX_TIP] : PALM;
    const [x, y] = [0, 1].map((axis) => points.reduce((sum, i) => sum + keypoints[i][axis], 0) / points.length);
    return { id, x: 1 - x / width, y: y / height, gesture: gesture.name, confidence: gesture.confidence, source: "hand" };
  });
}
