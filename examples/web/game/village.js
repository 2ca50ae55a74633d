// The village: houses with curved roofs, and their windows, which light up one by one.

import { Random } from "./random.js";
import { glow } from "./brush.js";
import { WINDOWS } from "./world.js";

// Of each house the windows in a row and the rows; a pagoda has a roof over each row.
const HOUSES = [[2, 2], [4, 1], [1, 5, "pagoda"], [2, 1], [2, 3], [3, 1], [3, 1], [2, 3], [2, 1], [1, 5, "pagoda"], [4, 1], [2, 2]];
const CELL = 1.6; // from window to window, in units of a window's width
const ROW = 1.9;
const EAVES = 0.9;
const BODY = "#151638";
const ROOF = "#0a0b26";
const LIGHT_SECONDS = 0.4;

export class Village {
  constructor() {
    this.levels = new Float32Array(WINDOWS);
    this.waits = new Float32Array(WINDOWS);
  }

  /** Puts out all windows. */
  begin() {
    this.levels.fill(0);
    this.waits.fill(0);
  }

  /** Lays the houses out and paints them. */
  resize(width, height, ratio) {
    const spans = HOUSES.map(([columns]) => columns * CELL + 1 + 2 * EAVES);
    const total = spans.reduce((sum, span) => sum + span, 0);
    this.unit = Math.min(width / (total + 2), height * 0.021);
    const gap = (width - total * this.unit) / (HOUSES.length + 1);
    this.layer = document.createElement("canvas");
    this.layer.width = Math.round(width * ratio);
    this.layer.height = Math.round(height * ratio);
    const context = this.layer.getContext("2d");
    context.scale(ratio, ratio);
    const places = [];
    let x = gap;
    HOUSES.forEach(([columns, rows, pagoda], i) => {
      const middle = x + (spans[i] * this.unit) / 2;
      const ground = height * (0.975 + 0.012 * Math.sin(i * 2.4));
      places.push(...this.#house(context, middle, ground, columns, rows, Boolean(pagoda)));
      x += spans[i] * this.unit + gap;
    });
    paintGround(context, width, height);
    this.windows = shuffled(places);
  }

  /** Where a window is, in CSS pixels. */
  window(index) {
    return this.windows[index % WINDOWS];
  }

  /** Lights a window when the spark that flies to it arrives. */
  expect(index, seconds) {
    this.waits[index] = seconds;
  }

  draw(context, lit, seconds, still, { width, height }) {
    context.drawImage(this.layer, 0, 0, width, height);
    this.time = (this.time ?? 0) + seconds;
    for (let i = 0; i < WINDOWS; i++) {
      this.waits[i] = Math.max(0, this.waits[i] - seconds);
      const goal = i < lit && this.waits[i] === 0 ? 1 : 0;
      this.levels[i] += Math.sign(goal - this.levels[i]) * Math.min(Math.abs(goal - this.levels[i]), seconds / LIGHT_SECONDS);
      const flicker = still ? 1 : 0.92 + 0.08 * Math.sin(this.time * 3 + i * 1.7);
      this.#window(context, this.windows[i], this.levels[i] * flicker);
    }
  }

  #window(context, [x, y], level) {
    const { unit } = this;
    context.fillStyle = "#2b2d5e";
    context.fillRect(x - unit / 2, y - unit * 0.6, unit, unit * 1.2);
    if (!level) return;
    glow(context, x, y, unit * 2.6, "255, 196, 92", level * 0.8);
    context.globalAlpha = level;
    context.fillStyle = "#ffe1a0";
    context.fillRect(x - unit / 2, y - unit * 0.6, unit, unit * 1.2);
    context.globalAlpha = 1;
  }

  #house(context, x, ground, columns, rows, pagoda) {
    const { unit } = this;
    const places = [];
    const bodyOf = (row) => (columns * CELL + 1 - (pagoda ? row * 0.22 : 0)) * unit * (pagoda ? 1.25 : 1);
    const storey = (pagoda ? ROW + 0.35 : ROW) * unit;
    for (let row = 0; row < rows; row++) {
      const [base, body] = [ground - row * storey, bodyOf(row)];
      context.fillStyle = BODY;
      context.fillRect(x - body / 2, base - storey - unit * 0.2, body, storey + unit * 0.25);
      for (let column = 0; column < columns; column++) {
        places.push([x + (column - (columns - 1) / 2) * CELL * unit, base - storey / 2 + (pagoda ? unit * 0.25 : 0)]);
      }
      if (pagoda || row === rows - 1) paintRoof(context, x, base - storey, body, unit, row === rows - 1);
    }
    return places;
  }
}

function paintRoof(context, x, y, body, unit, top) {
  const half = body / 2 + EAVES * unit;
  const rise = top ? 1.7 * unit : 0.55 * unit;
  const ridge = top ? body * 0.2 : body * 0.42;
  context.beginPath();
  context.moveTo(x - half, y - unit * 0.35);
  context.quadraticCurveTo(x - half * 0.62, y - rise * 0.25, x - ridge, y - rise);
  context.lineTo(x + ridge, y - rise);
  context.quadraticCurveTo(x + half * 0.62, y - rise * 0.25, x + half, y - unit * 0.35);
  context.quadraticCurveTo(x, y + unit * 0.5, x - half, y - unit * 0.35);
  context.fillStyle = ROOF;
  context.fill();
  context.strokeStyle = "rgba(150, 150, 220, 0.35)";
  context.lineWidth = Math.max(0.7, unit * 0.09);
  context.stroke();
}

function paintGround(context, width, height) {
  const mist = context.createLinearGradient(0, height * 0.93, 0, height);
  mist.addColorStop(0, "rgba(10, 11, 38, 0)");
  mist.addColorStop(0.6, "rgba(10, 11, 38, 0.95)");
  context.fillStyle = mist;
  context.fillRect(0, height * 0.93, width, height * 0.07);
}

function shuffled(places) {
  const random = new Random(5);
  for (let i = places.length - 1; i > 0; i--) {
    const other = Math.floor(random.next() * (i + 1));
    [places[i], places[other]] = [places[other], places[i]];
  }
  return places;
}
