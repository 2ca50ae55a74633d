// Small means of drawing that all rooms of the scene share.

export const INK = "#0b0f2a";
export const CREAM = "#fff6df";
export const GOLD = "#ffd166";
export const FIRE = "#ff8a5c";
export const ICE = "#a6f0ff";

const FAMILY = '"PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans SC", "WenQuanYi Micro Hei"';

/**
 * Writes one line, with a dark rim so that it is read on any ground.
 * @param {CanvasRenderingContext2D} context
 * @param {string} text
 * @param {{size: number, colour?: string, align?: CanvasTextAlign, bold?: boolean, most?: number}} style most: width
 *   that the line is shrunk into
 */
export function write(context, text, x, y, { size, colour = CREAM, align = "center", bold = false, most = Infinity }) {
  context.font = font(size, bold);
  const wide = context.measureText(text).width;
  if (wide > most) context.font = font((size * most) / wide, bold);
  context.textAlign = align;
  context.textBaseline = "middle";
  context.lineJoin = "round";
  context.lineWidth = Math.max(3, size * 0.16);
  context.strokeStyle = "rgba(9, 12, 36, 0.75)";
  context.strokeText(text, x, y);
  context.fillStyle = colour;
  context.fillText(text, x, y);
}

/**
 * Breaks a text into lines of at most so many pixels and of about equal length, after spaces and Chinese stops.
 * @param {CanvasRenderingContext2D} context
 * @param {string} text
 * @param {{size: number, bold?: boolean, most: number}} style
 * @returns {string[]} a piece that is wider by itself has a line of its own
 */
export function breakLines(context, text, { size, bold = false, most }) {
  context.font = font(size, bold);
  const pieces = text.split(/(?<=[\s，；：])/);
  let lines = fill(context, pieces, most);
  for (let narrow = most; narrow > most / 2; narrow -= size) {
    const tried = fill(context, pieces, narrow);
    if (tried.length > lines.length) break;
    lines = tried;
  }
  return lines;
}

function fill(context, pieces, most) {
  const lines = [];
  for (const piece of pieces) {
    const longer = (lines.at(-1) ?? "") + piece;
    if (!lines.length || context.measureText(longer.trimEnd()).width > most) lines.push(piece);
    else lines[lines.length - 1] = longer;
  }
  return lines.map((line) => line.trimEnd());
}

const font = (size, bold) => `${bold ? 700 : 500} ${size}px system-ui, ${FAMILY}, sans-serif`;

/** A rounded box, as a path. */
export function box(context, x, y, width, height, radius) {
  context.beginPath();
  context.roundRect(x, y, width, height, Math.min(radius, width / 2, height / 2));
}

/** A disc, filled. */
export function disc(context, x, y, radius, colour) {
  context.beginPath();
  context.arc(x, y, Math.max(0, radius), 0, 2 * Math.PI);
  context.fillStyle = colour;
  context.fill();
}

const glows = new Map();

/** A soft light around a point; painted once for each colour, since gradients and shadows are slow. */
export function glow(context, x, y, radius, rgb, strength = 1) {
  if (!glows.has(rgb)) glows.set(rgb, paintGlow(rgb));
  context.globalAlpha *= strength;
  context.drawImage(glows.get(rgb), x - radius, y - radius, 2 * radius, 2 * radius);
  context.globalAlpha /= strength || 1;
}

function paintGlow(rgb) {
  const sprite = document.createElement("canvas");
  sprite.width = sprite.height = 128;
  const context = sprite.getContext("2d");
  const light = context.createRadialGradient(64, 64, 0, 64, 64, 64);
  light.addColorStop(0, `rgba(${rgb}, 0.75)`);
  light.addColorStop(0.35, `rgba(${rgb}, 0.28)`);
  light.addColorStop(1, `rgba(${rgb}, 0)`);
  context.fillStyle = light;
  context.fillRect(0, 0, 128, 128);
  return sprite;
}

/** From one value to another by a share, which eases in and out. */
export function ease(share) {
  const part = Math.min(1, Math.max(0, share));
  return part * part * (3 - 2 * part);
}

/** A canvas in memory: width and height in CSS pixels, ratio device pixels to one of them. */
export function newLayer(width, height, ratio) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  return { canvas, context };
}
