// Hands drawn on a canvas, each in the colour of its identity.

const GOLDEN = 0.618034; // of the hue circle from one id to the next, so that near ids have colours well apart
const FIRST_HUE = 0.32;
const LINE = 1 / 45; // of a hand's longer side
const LINE_RANGE = [2, 9]; // pixels of the screen
const LABEL = 15; // pixels of the screen

/**
 * The colour of a hand.
 * @param {number} id
 */
export const colorOf = (id) => `hsl(${Math.round(((FIRST_HUE + id * GOLDEN) % 1) * 360)} 85% 62%)`;

/**
 * A hand as it is drawn.
 * @typedef {{id: number, keypoints: import("./keypoints.js").Keypoint[], label: string}} Drawn
 */

/**
 * Draws hands on a canvas that lies over their image.
 * @param {HTMLCanvasElement} canvas takes the size that it has on the screen
 * @param {Drawn[]} hands
 * @param {{width: number, height: number, links: [number, number][], mirrored: boolean}} how width, height: of the
 *   image, pixels, which fills the canvas along one side at least; links: which keypoints are joined
 */
export function drawHands(canvas, hands, { width, height, links, mirrored }) {
  const density = window.devicePixelRatio || 1;
  const [columns, rows] = [canvas.clientWidth, canvas.clientHeight].map((side) => Math.round(side * density));
  if (canvas.width !== columns || canvas.height !== rows) Object.assign(canvas, { width: columns, height: rows });
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, columns, rows);
  context.lineCap = "round";
  context.lineJoin = "round";
  const scale = Math.min(columns / width, rows / height);
  const [left, top] = [(columns - width * scale) / 2, (rows - height * scale) / 2];
  for (const { id, keypoints, label } of hands) {
    const points = keypoints.map(([x, y]) => [left + (mirrored ? width - x : x) * scale, top + y * scale]);
    drawHand(context, points, links, colorOf(id), density);
    if (label) drawLabel(context, points, label, colorOf(id), density);
  }
}

function drawHand(context, points, links, color, density) {
  const [x, y] = [0, 1].map((axis) => points.map((point) => point[axis]));
  const side = Math.max(Math.max(...x) - Math.min(...x), Math.max(...y) - Math.min(...y));
  const line = Math.min(Math.max(side * LINE, LINE_RANGE[0] * density), LINE_RANGE[1] * density);
  strokeLinks(context, points, links, line * 2, "rgb(0 0 0 / 45%)");
  strokeLinks(context, points, links, line, color);
  for (const point of points) drawDot(context, point, line, color);
}

function strokeLinks(context, points, links, width, style) {
  context.beginPath();
  for (const [start, end] of links) {
    context.moveTo(...points[start]);
    context.lineTo(...points[end]);
  }
  context.lineWidth = width;
  context.strokeStyle = style;
  context.stroke();
}

function drawDot(context, [x, y], line, color) {
  context.beginPath();
  context.arc(x, y, line * 0.95, 0, 2 * Math.PI);
  context.fillStyle = "white";
  context.fill();
  context.lineWidth = line * 0.6;
  context.strokeStyle = color;
  context.stroke();
}

/** The gesture's name above the hand, inside the canvas. */
function drawLabel(context, points, label, color, density) {
  const size = LABEL * density;
  context.font = `600 ${size}px system-ui, sans-serif`;
  const [width, height] = [context.measureText(label).width + 1.4 * size, 1.9 * size];
  const middle = points.reduce((sum, [x]) => sum + x, 0) / points.length;
  const top = Math.min(...points.map(([, y]) => y)) - height - size;
  const x = Math.min(Math.max(middle - width / 2, 4), context.canvas.width - width - 4);
  const y = Math.min(Math.max(top, 4), context.canvas.height - height - 4);
  context.beginPath();
  context.roundRect(x, y, width, height, height / 2);
  context.fillStyle = "rgb(10 13 20 / 78%)";
  context.fill();
  context.lineWidth = 2 * density;
  context.strokeStyle = color;
  context.stroke();
  context.fillStyle = "white";
  context.textBaseline = "middle";
  context.fillText(label, x + 0.7 * size, y + height / 2 + density);
}
