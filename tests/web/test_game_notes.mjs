// What is told beyond the lesson, run by test_game_world.py.

import assert from "node:assert/strict";
import test from "node:test";

import { Notes } from "../../examples/web/game/notes.js";
import { World } from "../../examples/web/game/world.js";

const FRAME = 1 / 60;

function quiet(lesson = false) {
  const world = new World(1, lesson);
  world.rain.step = () => {};
  return world;
}

function step(notes, world, seconds) {
  for (let i = 0; i < seconds * 60; i++) notes.step(world, FRAME);
}

const SIGNS = [
  ["combo", (world) => (world.combo = 1)],
  ["comet", (world) => world.add("comet", { y: 0.2 })],
  ["constellation", (world) => world.add("star", { y: 0.1, group: 1 })],
  ["landed", (world, notes) => notes.show({ name: "landed" })],
];

for (const [name, bring] of SIGNS) {
  test(`${name} is told at its first occurrence, fades, and is not told again`, () => {
    const [world, notes] = [quiet(), new Notes()];
    step(notes, world, 1);
    assert.equal(notes.line, null);
    bring(world, notes);
    step(notes, world, 2);
    assert.deepEqual([notes.line, notes.strength], [name, 1]);
    step(notes, world, 2.3);
    assert.ok(notes.strength > 0 && notes.strength < 1);
    step(notes, world, 1);
    assert.equal(notes.line, null);
    notes.begin();
    bring(world, notes);
    step(notes, world, 1);
    assert.equal(notes.line, null);
  });
}

test("two lines do not stand at once", () => {
  const [world, notes] = [quiet(), new Notes()];
  world.combo = 1;
  world.add("comet", { y: 0.2 });
  step(notes, world, 1);
  assert.equal(notes.line, "combo");
  step(notes, world, 4);
  assert.equal(notes.line, "comet");
});

test("nothing is told in the lesson, and nothing of a round in the next", () => {
  const [world, notes] = [quiet(true), new Notes()];
  world.combo = 1;
  step(notes, world, 1);
  assert.equal(notes.line, null);
  world.lesson = null;
  step(notes, world, 1);
  assert.equal(notes.line, "combo");
  notes.begin();
  assert.equal(notes.line, null);
});

test("a constellation is told when it is in view", () => {
  const [world, notes] = [quiet(), new Notes()];
  const star = world.add("star", { y: -0.1, group: 1 });
  step(notes, world, 1);
  assert.equal(notes.line, null);
  star.y = 0.05;
  step(notes, world, 1);
  assert.equal(notes.line, "constellation");
});
