// The three gestures as drawn hands: fingers are thick rounded lines in a box of one around the hand's middle.

const FINGER = 0.135;
const SHAPES = {
  open_palm: {
    palm: [-0.23, -0.06, 0.42, 0.5, 0.17],
    lines: [
      [[-0.15, 0], [-0.2, -0.39]], [[-0.04, -0.04], [-0.05, -0.5]], [[0.07, -0.02], [0.1, -0.45]],
      [[0.14, 0.08], [0.24, -0.28]], [[-0.12, 0.28], [-0.28, 0.16], [-0.4, -0.02]],
    ],
    tip: [0, 0.08],
  },
  fist: {
    palm: [-0.27, -0.12, 0.52, 0.5, 0.18],
    lines: [
      [[-0.2, -0.16], [-0.2, 0.08]], [[-0.065, -0.2], [-0.065, 0.08]], [[0.07, -0.19], [0.07, 0.08]],
      [[0.2, -0.14], [0.2, 0.07]], [[-0.26, 0.1], [-0.16, 0.2], [0.06, 0.18]],
    ],
    tip: [0, 0.06],
  },
  pinch: {
    palm: [-0.06, -0.02, 0.42, 0.46, 0.18],
    lines: [
      [[0.28, 0.08], [0.33, -0.14], [0.28, -0.28]], [[0.2, 0], [0.21, -0.25], [0.13, -0.39]],
      [[0.1, -0.02], [0.08, -0.29], [-0.04, -0.42]], [[0.01, 0.06], [-0.05, -0.19], [-0.29, -0.22]],
      [[0.04, 0.32], [-0.16, 0.2], [-0.29, -0.1]],
    ],
    tip: [-0.32, -0.16],
  },
};

/**
 * Draws a hand.
 * @param {CanvasRenderingContext2D} context
 * @param {"pinch"|"fist"|"open_palm"} gesture
 * @param {number} x of the middle, or of the point that acts if atTip
 * @param {number} y
 * @param {number} size of the box around the hand
 * @param {{fill?: string, edge?: string, atTip?: boolean}} style
 */
export function drawHand(context, gesture, x, y, size, { fill = "#ffe3c4", edge = "#3b2a4a", atTip = false } = {}) {
  const { palm, lines, tip } = SHAPES[gesture];
  context.save();
  context.translate(x, y);
  context.scale(size, size);
  if (atTip) context.translate(-tip[0], -tip[1]);
  context.lineCap = context.lineJoin = "round";
  context.beginPath();
  context.roundRect(...palm);
  outline(context, edge);
  for (const line of lines) finger(context, line, FINGER + 0.05, edge);
  context.beginPath();
  context.roundRect(...palm);
  context.fillStyle = fill;
  context.fill();
  for (const line of lines) {
    if (gesture !== "open_palm") finger(context, line, FINGER + 0.05, edge);
    finger(context, line, FINGER, fill);
  }
  context.restore();
}

function outline(context, colour) {
  context.strokeStyle = colour;
  context.lineWidth = 0.05;
  context.stroke();
}

function finger(context, line, width, colour) {
  context.beginPath();
  context.moveTo(...line[0]);
  for (const joint of line.slice(1)) context.lineTo(...joint);
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke();
}
