// What falls, drawn: each kind has a shape of its own, so that colour is not the only sign.

import { CREAM, FIRE, GOLD, ICE, INK, disc, glow } from "./brush.js";

const ROCK = [1, 0.86, 1.05, 0.9, 1.02, 0.82, 1.06, 0.9, 0.97]; // radii of the meteor's corners

/** A star of so many points, as a path with round corners. */
function starPath(context, radius, points, inner) {
  context.beginPath();
  for (let i = 0; i <= 2 * points; i++) {
    const angle = (Math.PI * i) / points - Math.PI / 2;
    const reach = i % 2 ? radius * inner : radius;
    context.lineTo(reach * Math.cos(angle), reach * Math.sin(angle));
  }
  context.closePath();
}

/** Draws a star around the origin; also the large one of the screens. */
export function drawStar(context, radius, tilt = 0) {
  glow(context, 0, 0, radius * 2.3, "255, 214, 102", 0.9);
  context.save();
  context.rotate(tilt);
  context.lineJoin = "round";
  starPath(context, radius * 0.86, 5, 0.56);
  context.lineWidth = radius * 0.34;
  context.strokeStyle = "#fff2c4";
  context.stroke();
  context.lineWidth = radius * 0.2;
  context.strokeStyle = GOLD;
  context.stroke();
  context.fillStyle = GOLD;
  context.fill();
  face(context, radius, "#6b4a12", 1);
  context.restore();
}

function drawMeteor(context, radius, turn) {
  const fire = context.createLinearGradient(0, -radius * 3.2, 0, radius * 0.4);
  fire.addColorStop(0, "rgba(255, 120, 60, 0)");
  fire.addColorStop(1, "rgba(255, 140, 70, 0.75)");
  context.beginPath();
  context.moveTo(-radius * 0.85, 0);
  context.quadraticCurveTo(-radius * 0.5, -radius * 1.8, 0, -radius * 3.2);
  context.quadraticCurveTo(radius * 0.5, -radius * 1.8, radius * 0.85, 0);
  context.fillStyle = fire;
  context.fill();
  context.save();
  context.rotate(turn);
  context.lineJoin = "round";
  context.beginPath();
  ROCK.forEach((reach, i) => {
    const angle = (2 * Math.PI * i) / ROCK.length;
    context.lineTo(radius * reach * Math.cos(angle), radius * reach * Math.sin(angle));
  });
  context.closePath();
  context.fillStyle = "#4b3b57";
  context.fill();
  context.lineWidth = radius * 0.13;
  context.strokeStyle = FIRE;
  context.stroke();
  for (const [x, y, size] of [
    [-0.5, -0.42, 0.17],
    [0.5, 0.45, 0.2],
    [0.1, -0.62, 0.12],
    [-0.45, 0.5, 0.13],
  ]) {
    disc(context, x * radius, y * radius, size * radius, "#342741");
  }
  context.restore();
  face(context, radius, "#ffd9c2", -1);
}

function drawComet(context, radius, vx, vy) {
  const tail = Math.atan2(-vy, -vx);
  context.save();
  context.rotate(tail);
  const light = context.createLinearGradient(0, 0, radius * 6, 0);
  light.addColorStop(0, "rgba(166, 240, 255, 0.85)");
  light.addColorStop(1, "rgba(166, 240, 255, 0)");
  context.beginPath();
  context.moveTo(0, -radius * 0.7);
  context.lineTo(radius * 6, 0);
  context.lineTo(0, radius * 0.7);
  context.fillStyle = light;
  context.fill();
  context.restore();
  glow(context, 0, 0, radius * 2.2, "166, 240, 255");
  context.lineJoin = "round";
  starPath(context, radius * 1.05, 4, 0.42);
  context.fillStyle = "#f2fdff";
  context.fill();
  context.lineWidth = radius * 0.16;
  context.strokeStyle = ICE;
  context.stroke();
  face(context, radius * 0.85, "#1f6076", 1);
}

function face(context, radius, colour, smile) {
  for (const side of [-1, 1]) disc(context, side * radius * 0.24, -radius * 0.06, radius * 0.085, colour);
  context.beginPath();
  if (smile > 0) context.arc(0, radius * 0.1, radius * 0.17, 0.15 * Math.PI, 0.85 * Math.PI);
  else context.arc(0, radius * 0.42, radius * 0.2, 1.2 * Math.PI, 1.8 * Math.PI);
  context.lineWidth = radius * 0.08;
  context.lineCap = "round";
  context.strokeStyle = colour;
  context.stroke();
  if (smile > 0) return;
  for (const side of [-1, 1]) {
    context.beginPath();
    context.moveTo(side * radius * 0.4, -radius * 0.34);
    context.lineTo(side * radius * 0.12, -radius * 0.2);
    context.stroke();
  }
}

/**
 * Draws a thing of the world.
 * @param {CanvasRenderingContext2D} context
 * @param {import("./world.js").Thing} thing
 * @param {{x: number, y: number, radius: number, vx: number, vy: number}} at in CSS pixels
 * @param {boolean} still whether it neither turns nor sways
 */
export function drawThing(context, thing, at, still) {
  context.save();
  context.translate(at.x, at.y);
  const tilt = still ? 0 : Math.sin(thing.age * 2 + thing.id) * 0.22;
  if (thing.kind === "meteor") drawMeteor(context, at.radius, still ? 0 : thing.age * thing.spin * 2);
  else if (thing.kind === "comet") drawComet(context, at.radius, at.vx, at.vy);
  else drawStar(context, at.radius, tilt);
  context.restore();
}

/** Joins the stars of a constellation by dashed lines; its stars follow each other in the world's list. */
export function joinConstellation(context, places) {
  context.save();
  context.setLineDash([3, 7]);
  context.lineCap = "round";
  context.lineWidth = 2.5;
  context.strokeStyle = CREAM;
  context.globalAlpha = 0.6;
  context.beginPath();
  places.forEach(({ x, y }) => context.lineTo(x, y));
  context.stroke();
  context.restore();
}

/** The sign over a thing that a wrong gesture touched. */
export function drawBubble(context, x, y, radius) {
  disc(context, x, y, radius + 2.5, INK);
  disc(context, x, y, radius, CREAM);
}
