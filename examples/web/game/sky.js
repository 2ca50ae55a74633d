// What does not move: the evening sky, its stars and the hills, painted once for each size of the canvas.

import { Random } from "./random.js";
import { disc, glow, newLayer } from "./brush.js";

const SKY = [
  [0, "8, 12, 44", 0.74], [0.42, "30, 33, 92", 0.64], [0.72, "92, 62, 128", 0.6], [0.88, "214, 116, 122", 0.66],
  [1, "255, 178, 112", 0.8],
]; // stop, colour, opacity
const HILLS = [
  [0.76, 0.07, "rgba(62, 50, 110, 0.92)", 3], [0.83, 0.055, "rgba(38, 36, 88, 0.96)", 5],
  [0.9, 0.03, "rgb(19, 20, 56)", 2],
]; // level, swing, colour, waves
const FAINT_STARS = 90;

/** @returns {HTMLCanvasElement} the painted sky: width and height in CSS pixels, ratio device pixels to one of them */
export function paintSky(width, height, ratio) {
  const { canvas, context } = newLayer(width, height, ratio);
  const fade = context.createLinearGradient(0, 0, 0, height);
  for (const [stop, rgb, alpha] of SKY) fade.addColorStop(stop, `rgba(${rgb}, ${alpha})`);
  context.fillStyle = fade;
  context.fillRect(0, 0, width, height);
  paintStars(context, width, height);
  for (const hill of HILLS) paintHill(context, width, height, ...hill);
  return canvas;
}

function paintStars(context, width, height) {
  const random = new Random(11);
  for (let i = 0; i < FAINT_STARS; i++) {
    const [x, y] = [random.next() * width, random.next() ** 1.4 * height * 0.7];
    disc(context, x, y, 0.5 + random.next() * 1.1, `rgba(255, 250, 230, ${0.25 + 0.5 * random.next()})`);
  }
}

function paintHill(context, width, height, level, swing, colour, waves) {
  context.beginPath();
  context.moveTo(0, height);
  for (let i = 0; i <= 60; i++) {
    const share = i / 60;
    const wave = Math.sin(share * waves * 2.1 + waves) * 0.6 + Math.sin(share * waves * 4.7 + 1) * 0.4;
    context.lineTo(share * width, height * (level - swing * wave));
  }
  context.lineTo(width, height);
  context.fillStyle = colour;
  context.fill();
}

/** The moon, which crosses the sky as the round passes; it rises and sets beside the words, not behind them. */
export function drawMoon(context, width, height, progress) {
  const unit = Math.min(width, height);
  const x = width * (0.1 + 0.8 * progress);
  const y = height * (0.6 - 0.43 * Math.sin(Math.PI * progress));
  const radius = unit * 0.055;
  glow(context, x, y, radius * 3.4, "255, 240, 205", 0.7);
  disc(context, x, y, radius, "#fff3d2");
  for (const [dx, dy, size] of [
    [-0.3, -0.2, 0.22],
    [0.32, 0.1, 0.16],
    [-0.1, 0.42, 0.13],
  ]) {
    disc(context, x + dx * radius, y + dy * radius, size * radius, "rgba(226, 200, 150, 0.55)");
  }
}
