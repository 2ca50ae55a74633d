// Words, numbers and buttons over the scene. Each function draws one of them; `size` is what `layout` measured, and
// `ways` are two of "hand", "mouse" and "touch": the way to play that is told first, and the other one.

import { CREAM, FIRE, GOLD, ICE, INK, box, breakLines, disc, ease, write } from "./brush.js";
import { drawHand } from "./handshapes.js";
import { drawStar } from "./things.js";
import { WINDOWS } from "./world.js";

const GESTURES = ["pinch", "fist", "open_palm"];
const RUN = 5; // pips of a combo, as many as raise the multiplier
const LESSON_WIDTH = 620;
const GRADES = [0.4, 0.75, 1]; // shares of lit windows

/** Sizes in CSS pixels for a canvas. */
export function layout(width, height) {
  const unit = Math.min(width, height);
  const text = Math.min(26, Math.max(17, unit * 0.036), height / 20);
  const button = Math.min(30, Math.max(22, unit * 0.036));
  const top = Math.max(12, unit * 0.025);
  const buttons = {
    sound: { x: width - top - button, y: top + button, radius: button },
    pause: { x: width - top - button * 3.5, y: top + button, radius: button },
  };
  return {
    width,
    height,
    unit,
    text,
    title: Math.min(76, Math.max(38, unit * 0.105), height * 0.11),
    top,
    buttons,
    portrait: height > width,
  };
}

/** Score, multiplier and time, on a dark strip, so that they are read while something falls through it. */
export function drawScore(context, { width, text, top, unit }, world, words) {
  const strip = top + text * 4.2;
  const shade = context.createLinearGradient(0, 0, 0, strip);
  shade.addColorStop(0, "rgba(9, 12, 36, 0.85)");
  shade.addColorStop(0.75, "rgba(9, 12, 36, 0.7)");
  shade.addColorStop(1, "rgba(9, 12, 36, 0)");
  context.fillStyle = shade;
  context.fillRect(0, 0, width, strip);
  const left = top + 4;
  write(context, String(world.score), left, top + text * 1.05, { size: text * 1.9, align: "left", bold: true });
  const y = top + text * 2.75;
  write(context, words.combo(world.multiplier), left, y, {
    size: text * 1.15,
    align: "left",
    bold: true,
    colour: GOLD,
  });
  for (let i = 0; i < RUN; i++) {
    const filled = i < world.combo % RUN || world.multiplier === 5;
    disc(context, left + text * 2.4 + i * text * 0.85, y, text * 0.3, INK);
    disc(context, left + text * 2.4 + i * text * 0.85, y, text * (filled ? 0.24 : 0.12), filled ? GOLD : "#8d90c9");
  }
  if (world.lesson) return;
  const length = Math.min(unit * 0.36, 260);
  const [x, barY] = [width / 2 - length / 2, top + text * 1.9];
  const hurry = world.left <= 10;
  write(context, words.seconds(Math.ceil(world.left)), width / 2, top + text * 0.8, {
    size: text * (hurry ? 1.5 : 1.2),
    bold: true,
    colour: hurry ? FIRE : CREAM,
  });
  box(context, x - 2, barY - 2, length + 4, 10, 5);
  context.fillStyle = "rgba(9, 12, 36, 0.7)";
  context.fill();
  box(context, x, barY, Math.max(6, length * (1 - world.progress)), 6, 3);
  context.fillStyle = hurry ? FIRE : CREAM;
  context.fill();
}

/** The two buttons, for mouse and touch. */
export function drawButtons(context, { buttons, text }, paused, soundOn, words, playing) {
  for (const [name, { x, y, radius }] of Object.entries(buttons)) {
    if (name === "pause" && !playing) continue;
    disc(context, x, y, radius, "rgba(9, 12, 36, 0.62)");
    context.lineWidth = 2;
    context.strokeStyle = "rgba(255, 246, 223, 0.75)";
    context.stroke();
    context.fillStyle = context.strokeStyle = CREAM;
    if (name === "pause") pauseSign(context, x, y, radius * 0.4, paused);
    else soundSign(context, x, y, radius * 0.42, soundOn);
  }
  const { x, y, radius } = buttons.sound;
  if (!playing) write(context, words.sound[soundOn], x - radius * 1.4, y, { size: text * 0.85, align: "right" });
}

function pauseSign(context, x, y, size, paused) {
  context.beginPath();
  if (paused) {
    context.moveTo(x - size * 0.6, y - size);
    context.lineTo(x + size, y);
    context.lineTo(x - size * 0.6, y + size);
  } else {
    context.rect(x - size * 0.8, y - size, size * 0.55, size * 2);
    context.rect(x + size * 0.25, y - size, size * 0.55, size * 2);
  }
  context.fill();
}

function soundSign(context, x, y, size, on) {
  context.beginPath();
  context.moveTo(x - size, y - size * 0.4);
  context.lineTo(x - size * 0.55, y - size * 0.4);
  context.lineTo(x, y - size * 0.95);
  context.lineTo(x, y + size * 0.95);
  context.lineTo(x - size * 0.55, y + size * 0.4);
  context.lineTo(x - size, y + size * 0.4);
  context.fill();
  context.lineWidth = Math.max(2, size * 0.2);
  context.lineCap = "round";
  context.beginPath();
  if (on) {
    context.arc(x, y, size * 0.55, -0.8, 0.8);
    context.moveTo(x + Math.cos(0.8) * size, y - Math.sin(0.8) * size);
    context.arc(x, y, size, -0.8, 0.8);
  } else {
    for (const side of [-1, 1]) {
      context.moveTo(x + size * 0.35, y - side * size * 0.35);
      context.lineTo(x + size * 1.05, y + side * size * 0.35);
    }
  }
  context.stroke();
}

/** The first screen. */
export function drawReady(context, size, words, ways, best, age, still) {
  const { width, height, unit, text, title } = size;
  const most = width * 0.92;
  write(context, words.title, width / 2, height * 0.2, { size: title, bold: true, most });
  write(context, words.subtitle, width / 2, height * 0.2 + title * 0.95, { size: text * 1.1, most });
  const bob = still ? 0 : Math.sin(age * 2.2) * unit * 0.012;
  context.save();
  context.translate(width / 2, height * 0.47 + bob);
  drawStar(context, unit * 0.1, still ? 0 : Math.sin(age * 1.4) * 0.12);
  context.restore();
  const near = still ? 0 : (1 - ease(age % 2.4)) * unit * 0.06;
  drawHand(context, "pinch", width / 2 + unit * 0.075 + near, height * 0.47 + unit * 0.05 + near, unit * 0.17, {
    atTip: true,
  });
  const y = height * 0.69;
  const [line, beside] = told(words.begin, ways);
  write(context, line, width / 2, y, { size: text * 1.5, bold: true, colour: GOLD, most });
  write(context, beside, width / 2, y + text * 1.9, { size: text, most });
  if (best !== null) write(context, `${words.best} ${best}`, width / 2, y + text * 3.6, { size: text, most });
}

/** The part of the lesson that is on. */
export function drawLesson(context, size, words, ways, gesture, age, still) {
  const { width, height, unit, text, top } = size;
  const wide = Math.min(width - 2 * top, LESSON_WIDTH);
  const most = wide - text * 6.4;
  const styles = [
    { size: text * 1.2, bold: true, colour: GOLD },
    { size: text },
    { size: text * 0.95, colour: "#d3d6f5" },
  ];
  const parts = told(words.lesson[gesture], ways).map((part, i) => breakLines(context, part, { ...styles[i], most }));
  const count = parts.flat().length;
  const tall = text * (3 + 1.25 * (count - 1) + 0.45 * (parts.length - 1));
  const panel = panelBox(context, size, Math.max(top + text * 4, height * 0.155), tall, LESSON_WIDTH);
  const beat = still ? 0 : Math.sin(age * 3) * unit * 0.006;
  drawHand(context, gesture, panel.x + text * 2.7, panel.y + panel.height / 2 + beat, text * 4.4);
  let y = panel.y + text * 1.5;
  parts.forEach((lines, i) => {
    for (const line of lines) {
      write(context, line, panel.x + text * 5.6, y, { ...styles[i], align: "left", most });
      y += text * 1.25;
    }
    y += text * 0.45;
  });
}

/** The lines of the way that leads, and the last one of the other. */
function told(texts, [first, other]) {
  return [...texts[first].slice(0, -1), texts[other].at(-1)];
}

/** The screen of a pause: why, what the gestures do, and how to resume. */
export function drawPaused(context, size, words, ways, reason) {
  const { width, height, text, portrait } = size;
  veil(context, size);
  const row = text * 3.2;
  const tall = text * (portrait ? 9.4 : 9.8) + row * (portrait ? 3 : 1.6);
  const panel = panelBox(context, size, (height - tall) / 2, tall, 640);
  const middle = width / 2;
  const most = panel.width * 0.92;
  write(context, words.paused, middle, panel.y + text * 2, { size: text * 1.9, bold: true });
  if (reason === "lost") write(context, words.lost, middle, panel.y + text * 3.7, { size: text, colour: FIRE, most });
  GESTURES.forEach((gesture, i) => {
    const x = portrait ? panel.x + text * 2.6 : panel.x + (panel.width * (i + 0.5)) / 3;
    const y = panel.y + text * (portrait ? 6.2 : 5.8) + (portrait ? row * i : 0);
    drawHand(context, gesture, x, y, text * 2.9);
    const label = portrait
      ? { x: x + text * 2.2, y: y - text * 0.6, align: "left" }
      : { x, y: y + text * 2.3, align: "center" };
    const act = words.acts[ways[0]][gesture];
    write(context, act, label.x, label.y, { size: text, align: label.align, bold: true, colour: GOLD });
    write(context, words.does[gesture], label.x, label.y + text * 1.35, { size: text * 0.92, align: label.align });
  });
  const [line, beside] = told(words.resume, ways);
  write(context, line, middle, panel.y + tall - text * 2.9, {
    size: text * 1.35,
    bold: true,
    colour: GOLD,
    most,
  });
  write(context, beside, middle, panel.y + tall - text * 1.3, { size: text * 0.92, most });
}

/** The end of a round. */
export function drawOver(context, size, words, ways, world, best, record, age) {
  const { width, height, text } = size;
  veil(context, size);
  const tall = text * 19;
  const panel = panelBox(context, size, Math.max(8, (height - tall) / 2), tall, 560);
  const middle = width / 2;
  const most = panel.width * 0.92;
  const share = world.lit / WINDOWS;
  const grade = GRADES.filter((least) => share >= least).length;
  for (let i = 0; i < 3; i++)
    medal(
      context,
      middle + (i - 1) * text * 3.4,
      panel.y + text * (i === 1 ? 2.3 : 2.7),
      text * 1.4,
      i < grade,
      age - i * 0.35,
    );
  write(context, words.grades[grade], middle, panel.y + text * 5.3, { size: text * 1.4, bold: true, most });
  const counted = Math.round(world.score * ease(age / 1.2));
  write(context, String(counted), middle, panel.y + text * 7.9, { size: text * 3, bold: true, colour: GOLD });
  const bestLine = record ? words.record : `${words.best} ${best}`;
  write(context, bestLine, middle, panel.y + text * 10.2, {
    size: text * (record ? 1.3 : 1.05),
    bold: record,
    colour: record ? ICE : CREAM,
  });
  write(context, words.lit(world.lit, WINDOWS), middle, panel.y + text * 12, { size: text, most });
  const counts = [`${words.stars} ${world.caught}`, `${words.meteors} ${world.crushed}`, `${words.longest} ${world.longest}`];
  write(context, counts.join("  ·  "), middle, panel.y + text * 13.6, { size: text, most });
  const [line, beside] = told(words.again, ways);
  write(context, line, middle, panel.y + text * 16, { size: text * 1.35, bold: true, colour: GOLD, most });
  write(context, beside, middle, panel.y + text * 17.6, { size: text * 0.92, most });
}

/** Words across the scene for a moment. */
export function drawBanner(context, { width, height, text, top }, { words, age }, still) {
  const share = Math.min(1, age / 0.25);
  context.globalAlpha = share * Math.min(1, (2 - age) / 0.5);
  write(context, words, width / 2, Math.max(height * 0.3, top + text * 7), {
    size: text * (still ? 2 : 1.4 + 0.6 * ease(share)),
    bold: true,
    colour: GOLD,
    most: width * 0.9,
  });
  context.globalAlpha = 1;
}

/** A rule that is told while the round goes on. */
export function drawNote(context, { width, text, top }, line, strength) {
  const style = { size: text, most: Math.min(width * 0.9, text * 30) };
  context.globalAlpha = strength;
  breakLines(context, line, style).forEach((part, i) =>
    write(context, part, width / 2, top + text * (4.5 + 1.25 * i), style),
  );
  context.globalAlpha = 1;
}

function medal(context, x, y, radius, won, age) {
  context.save();
  context.translate(x, y);
  if (!won) {
    disc(context, 0, 0, radius * 0.7, "rgba(255, 246, 223, 0.1)");
    context.setLineDash([4, 5]);
    context.lineWidth = 2;
    context.strokeStyle = "rgba(255, 246, 223, 0.55)";
    context.stroke();
  } else {
    const grown = 0.3 + 0.7 * ease(age / 0.4);
    context.scale(grown, grown);
    drawStar(context, radius);
  }
  context.restore();
}

function panelBox(context, { width, top }, y, height, mostWidth) {
  const panel = { width: Math.min(width - 2 * top, mostWidth), height, y };
  panel.x = (width - panel.width) / 2;
  box(context, panel.x, y, panel.width, height, 22);
  context.fillStyle = "rgba(14, 16, 50, 0.86)";
  context.fill();
  context.lineWidth = 1.5;
  context.strokeStyle = "rgba(255, 230, 170, 0.4)";
  context.stroke();
  return panel;
}

function veil(context, { width, height }) {
  context.fillStyle = "rgba(6, 8, 30, 0.5)";
  context.fillRect(0, 0, width, height);
}
