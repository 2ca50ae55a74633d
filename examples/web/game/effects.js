// What happens for a moment only: sparks, lights that fly to their window, points that rise, lanterns, a shake.

import { CREAM, FIRE, GOLD, ICE, disc, ease, glow, write } from "./brush.js";

/** Seconds that a caught star's light flies to its window. */
export const FLIGHT_SECONDS = 0.7;
const FLOAT_SECONDS = 1;
const LANTERN_SECONDS = 14;
const MOST_LANTERNS = 40;
const GRAVITY = 620; // pixels a second, each second
const COLOURS = { star: GOLD, comet: ICE, meteor: FIRE };

export class Effects {
  constructor() {
    this.clear();
  }

  clear() {
    this.sparks = [];
    this.flights = [];
    this.floats = [];
    this.lanterns = [];
    this.shake = 0;
  }

  /** Bits that burst from a point. */
  burst(x, y, kind, unit, still) {
    const count = still ? 5 : kind === "comet" ? 26 : 16;
    for (let i = 0; i < count; i++) {
      const angle = (2 * Math.PI * (i + Math.random() * 0.7)) / count;
      const speed = unit * (0.18 + 0.34 * Math.random()) * (still ? 0.4 : 1);
      const [vx, vy] = [Math.cos(angle) * speed, Math.sin(angle) * speed - unit * 0.12];
      this.sparks.push({
        x,
        y,
        vx,
        vy,
        age: 0,
        life: 0.5 + 0.4 * Math.random(),
        colour: COLOURS[kind],
        size: unit * (kind === "meteor" ? 0.013 : 0.008) * (0.6 + Math.random()),
        square: kind === "meteor",
      });
    }
  }

  /** A light from a caught star to a window. */
  fly(x, y, [goalX, goalY]) {
    this.flights.push({ x, y, goalX, goalY, age: 0 });
  }

  /** Words that rise from a point and fade. */
  float(text, x, y, size, colour) {
    this.floats.push({ text, x, y, size, colour, age: 0 });
  }

  /** A lantern that rises from a point. */
  lantern(x, y, unit) {
    if (this.lanterns.length >= MOST_LANTERNS) return;
    this.lanterns.push({ x, y, sway: Math.random() * 6, size: unit * (0.018 + 0.014 * Math.random()), age: 0 });
  }

  step(seconds, height) {
    for (const list of [this.sparks, this.flights, this.floats, this.lanterns])
      for (const one of list) one.age += seconds;
    for (const spark of this.sparks) {
      spark.x += spark.vx * seconds;
      spark.y += spark.vy * seconds;
      spark.vy += GRAVITY * seconds * 0.6;
    }
    for (const lantern of this.lanterns) lantern.y -= (height * seconds) / LANTERN_SECONDS;
    this.sparks = this.sparks.filter(({ age, life }) => age < life);
    this.flights = this.flights.filter(({ age }) => age < FLIGHT_SECONDS);
    this.floats = this.floats.filter(({ age }) => age < FLOAT_SECONDS);
    this.lanterns = this.lanterns.filter(({ y }) => y > -60);
    this.shake = Math.max(0, this.shake - seconds * 2.4);
  }

  /** What flies behind the falling things. */
  drawBehind(context) {
    for (const { x, y, sway, size, age } of this.lanterns) {
      const at = x + Math.sin(age * 0.8 + sway) * size * 1.2;
      glow(context, at, y, size * 3.2, "255, 150, 70", 0.75);
      context.beginPath();
      context.moveTo(at - size * 0.62, y + size * 0.8);
      context.lineTo(at - size * 0.85, y - size * 0.5);
      context.quadraticCurveTo(at, y - size * 1.5, at + size * 0.85, y - size * 0.5);
      context.lineTo(at + size * 0.62, y + size * 0.8);
      context.closePath();
      context.fillStyle = "#ff9b54";
      context.fill();
      disc(context, at, y + size * 0.3, size * 0.34, "#ffe9b0");
    }
  }

  /** What flies before them. */
  drawBefore(context, still) {
    for (const spark of this.sparks) {
      context.globalAlpha = 1 - spark.age / spark.life;
      context.fillStyle = spark.colour;
      const { x, y, size, square } = spark;
      if (square) context.fillRect(x - size, y - size, 2 * size, 2 * size);
      else disc(context, x, y, size, spark.colour);
    }
    context.globalAlpha = 1;
    for (const flight of this.flights) drawFlight(context, flight);
    for (const { text, x, y, size, colour, age } of this.floats) {
      const share = age / FLOAT_SECONDS;
      context.globalAlpha = 1 - share ** 3;
      write(context, text, x, y - (still ? 0 : size * 1.6 * ease(share)), {
        size,
        colour: colour ?? CREAM,
        bold: true,
      });
    }
    context.globalAlpha = 1;
  }
}

function drawFlight(context, { x, y, goalX, goalY, age }) {
  for (let i = 0; i < 6; i++) {
    const share = ease(age / FLIGHT_SECONDS - i * 0.035);
    const bend = Math.sin(Math.PI * share) * 60;
    const [atX, atY] = [
      x + (goalX - x) * share + bend * Math.sign(goalX - x || 1) * -0.6,
      y + (goalY - y) * share - bend,
    ];
    glow(context, atX, atY, 16 - 2 * i, "255, 220, 130", 1 - i * 0.16);
  }
}
