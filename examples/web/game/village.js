// The village: houses with curved roofs, and their windows, which light up one by one.

import { Random } from "./random.js";
import { glow, newLayer } from "./brush.js";
import { WINDOWS } from "./world.js";

// Of each house the windows in a row and the rows; a pagoda has a roof over each row.
const STREET = [[2, 2], [5, 1], [1, 5, true], [2, 1], [2, 4], [3, 2]];
const HOUSES = [...STREET, ...[...STREET].reverse()];
const CELL = 1.6; // from window to window, in units of a window's width
const ROW = 1.9;
const EAVES = 0.9;
const BODY = "#151638";
const ROOF = "#0a0b26";
const DARK = "#2b2d5e"; // a window without light
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

  /** Lays the houses out, on a narrow screen in two streets, and paints them. */
  resize(width, height, ratio) {
    const half = HOUSES.length / 2;
    const streets = height > width ? [HOUSES.slice(half), HOUSES.slice(0, half)] : [HOUSES];
    const widest = Math.max(...streets.map((houses) => sum(houses.map(span))));
    this.unit = Math.min(width / (widest + 2), height * 0.021);
    this.streets = streets.map((houses, i) => {
      const behind = streets.length - 1 - i;
      const layer = newLayer(width, height, ratio);
      const windows = this.#street(layer.context, houses, width, height * (0.975 - 0.075 * behind), behind);
      if (!behind) paintGround(layer.context, width, height);
      return { image: layer.canvas, windows };
    });
    this.windows = shuffled(this.streets.flatMap(({ windows }) => windows));
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
    this.time = (this.time ?? 0) + seconds;
    for (let i = 0; i < WINDOWS; i++) {
      this.waits[i] = Math.max(0, this.waits[i] - seconds);
      const goal = i < lit && this.waits[i] === 0 ? 1 : 0;
      this.levels[i] +=
        Math.sign(goal - this.levels[i]) * Math.min(Math.abs(goal - this.levels[i]), seconds / LIGHT_SECONDS);
    }
    for (const { image, windows } of this.streets) {
      context.drawImage(image, 0, 0, width, height);
      for (const place of windows) {
        const i = this.windows.indexOf(place);
        this.#window(context, place, this.levels[i] * (still ? 1 : 0.92 + 0.08 * Math.sin(this.time * 3 + i * 1.7)));
      }
    }
  }

  #window(context, [x, y], level) {
    const { unit } = this;
    if (!level) return;
    glow(context, x, y, unit * 2.6, "255, 196, 92", level * 0.8);
    context.globalAlpha = level;
    context.fillStyle = "#ffe1a0";
    context.fillRect(x - unit / 2, y - unit * 0.6, unit, unit * 1.2);
    context.globalAlpha = 1;
  }

  #street(context, houses, width, ground, behind) {
    const gap = (width - sum(houses.map(span)) * this.unit) / (houses.length + 1);
    let x = gap * (behind ? 1.6 : 1); // the street behind is seen between the houses before it
    return houses.flatMap((house, i) => {
      const wide = span(house) * this.unit;
      const middle = x + wide / 2;
      x += wide + gap;
      return this.#house(context, middle, ground + this.unit * 0.5 * Math.sin(i * 2.4), ...house);
    });
  }

  #house(context, x, ground, columns, rows, pagoda = false) {
    const { unit } = this;
    const places = [];
    const bodyOf = (row) => (columns * CELL + 1 - (pagoda ? row * 0.22 : 0)) * unit * (pagoda ? 1.25 : 1);
    const storey = (pagoda ? ROW + 0.35 : ROW) * unit;
    for (let row = 0; row < rows; row++) {
      const [base, body] = [ground - row * storey, bodyOf(row)];
      context.fillStyle = BODY;
      context.fillRect(x - body / 2, base - storey - unit * 0.2, body, storey + unit * 0.25);
      for (let column = 0; column < columns; column++) {
        const place = [x + (column - (columns - 1) / 2) * CELL * unit, base - storey / 2 + (pagoda ? unit * 0.25 : 0)];
        context.fillStyle = DARK;
        context.fillRect(place[0] - unit / 2, place[1] - unit * 0.6, unit, unit * 1.2);
        places.push(place);
      }
      if (pagoda || row === rows - 1) paintRoof(context, x, base - storey, body, unit, row === rows - 1);
    }
    return places;
  }
}

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

/** The width of a house with its eaves, in units of a window's width. */
const span = ([columns]) => columns * CELL + 1 + 2 * EAVES;

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
  const mist = context.createLinearGradient(0, height * 0.96, 0, height);
  mist.addColorStop(0, "rgba(10, 11, 38, 0)");
  mist.addColorStop(0.7, "rgba(10, 11, 38, 0.95)");
  context.fillStyle = mist;
  context.fillRect(0, height * 0.96, width, height * 0.04);
}

function shuffled(places) {
  const random = new Random(5);
  for (let i = places.length - 1; i > 0; i--) {
    const other = Math.floor(random.next() * (i + 1));
    [places[i], places[other]] = [places[other], places[i]];
  }
  return places;
}
