// The rules of the game, run by test_game_world.py.

import assert from "node:assert/strict";
import test from "node:test";

import { World } from "../../examples/web/game/world.js";

const FRAME = 1 / 60;

function hand(x, y, action, { source = "hand", trail = { x, y }, fresh = true } = {}) {
  return { x, y, action, source, trail, fresh };
}

// stars, meteors, comets, constellations, seconds that are left when the last one falls, their mean speed: of a seed's
// round, for a player who catches nothing and for one who catches all
const KNOWN = [
  [1, [58, 5, 4, 4, 3.6, 0.11], [98, 18, 4, 4, 3.1, 0.253]],
  [2, [55, 7, 4, 3, 3.3, 0.116], [88, 26, 4, 3, 2.9, 0.254]],
  [3, [46, 13, 4, 3, 3.4, 0.115], [86, 27, 4, 3, 2.8, 0.255]],
];
const SHAPES = [ // the places of the stars when they come
  "0.18 -0.15, 0.31 -0.26, 0.50 -0.30, 0.69 -0.26, 0.82 -0.15",
  "0.18 -0.19, 0.35 -0.23, 0.50 -0.19, 0.67 -0.23, 0.82 -0.19",
  "0.18 -0.30, 0.37 -0.27, 0.51 -0.21, 0.58 -0.12, 0.82 -0.16",
];

/** A world in which nothing falls but what the test drops. */
function quiet() {
  const world = new World(1);
  world.rain.step = () => {};
  return world;
}

function drop(world, kind, fields = {}) {
  return world.add(kind, { x: 0.5, y: 0.5, vx: 0, vy: 0, ...fields });
}

function take(world, kind, gesture) {
  drop(world, kind);
  return world.step(FRAME, [hand(0.5, 0.5, gesture)]);
}

function names(events) {
  return events.map(({ name }) => name);
}

/** Steps a round to its end with a player; returns what fell in each third. */
function play(world, handsOf) {
  const fell = [0, 0, 0];
  let before = 0;
  const events = [];
  while (!world.over) {
    const third = Math.min(2, Math.floor(world.progress * 3));
    events.push(...world.step(FRAME, handsOf(world)));
    fell[third] += world.count - before;
    before = world.count;
  }
  return { fell, events };
}

const catchAll = (world) =>
  world.things.filter(({ y }) => y > 0.3).map(({ x, y, kind }) => hand(x, y, kind === "meteor" ? "fist" : "pinch"));
const catchNone = () => [];

test("a pinch catches a star, which lights a window", () => {
  const world = quiet();
  const events = take(world, "star", "pinch");
  assert.deepEqual(names(events), ["caught"]);
  assert.deepEqual([world.score, world.lit, world.caught, world.things.length], [10, 1, 1, 0]);
});

test("a fist crushes a meteor, which lights none", () => {
  const world = quiet();
  assert.deepEqual(names(take(world, "meteor", "fist")), ["crushed"]);
  assert.deepEqual([world.score, world.lit, world.crushed, world.things.length], [15, 0, 1, 0]);
});

test("a comet counts as five stars", () => {
  const world = quiet();
  take(world, "comet", "pinch");
  assert.equal(world.score, 50);
});

for (const [kind, gesture] of [["star", "fist"], ["comet", "fist"], ["meteor", "pinch"]]) {
  test(`a ${gesture} does nothing to a ${kind} and is told once`, () => {
    const world = quiet();
    assert.deepEqual(names(take(world, kind, gesture)), ["wrong"]);
    assert.deepEqual(names(world.step(FRAME, [hand(0.5, 0.5, gesture)])), []);
    assert.deepEqual([world.score, world.things.length], [0, 1]);
  });
}

test("a gesture that is only kept up does nothing", () => {
  const world = quiet();
  drop(world, "star");
  world.step(FRAME, [hand(0.5, 0.5, "pinch", { fresh: false })]);
  assert.equal(world.score, 0);
});

test("a hand reaches further than a mouse, and neither far", () => {
  const reaches = [ // kind, gesture, source, a distance that is reached, and one that is not
    ["star", "pinch", "mouse", 0.09, 0.1], ["star", "pinch", "hand", 0.13, 0.14],
    ["comet", "pinch", "hand", 0.135, 0.145], ["meteor", "fist", "hand", 0.138, 0.148],
  ];
  for (const [kind, gesture, source, near, far] of reaches) {
    for (const [away, left] of [[near, 0], [far, 1]]) {
      const world = quiet();
      drop(world, kind);
      world.step(FRAME, [hand(0.5, 0.5 + away, gesture, { source })]);
      assert.equal(world.things.length, left, `${kind}, ${source} at ${away}`);
    }
  }
});

test("reach is the same on screen in all directions", () => {
  const tries = [[2, 0.06, 0, 10], [2, 0.08, 0, 0], [0.5, 0.12, 0, 10], [0.5, 0, 0.06, 10], [0.5, 0, 0.08, 0]];
  for (const [aspect, x, y, score] of tries) {
    const world = quiet();
    world.shape(aspect);
    drop(world, "star");
    world.step(FRAME, [hand(0.5 + x, 0.5 + y, "pinch")]);
    assert.equal(world.score, score, `${aspect}: ${x} ${y}`);
  }
});

test("what a hand passed a moment ago is reached as well", () => {
  const world = quiet();
  drop(world, "star");
  world.step(FRAME, [hand(0.5, 0.2, "pinch", { trail: { x: 0.5, y: 0.8 } })]);
  assert.equal(world.score, 10);
});

test("two hands catch two stars in one step", () => {
  const world = quiet();
  drop(world, "star", { x: 0.2 });
  drop(world, "star", { x: 0.8 });
  world.step(FRAME, [hand(0.2, 0.5, "pinch"), hand(0.8, 0.5, "pinch")]);
  assert.equal(world.score, 20);
});

test("five in a row raise the multiplier, up to five", () => {
  const world = quiet();
  const points = Array.from({ length: 27 }, () => take(world, "star", "pinch")[0].points);
  assert.deepEqual(points.slice(0, 21).filter((_, i) => i % 5 === 0), [10, 20, 30, 40, 50]);
  assert.deepEqual([points[4], points[9], points[26]], [10, 20, 50]);
  assert.equal(world.longest, 27);
});

test("a missed star lowers the multiplier by one, a missed comet does not", () => {
  const world = quiet();
  for (let i = 0; i < 12; i++) take(world, "star", "pinch");
  drop(world, "comet", { y: 0.94 });
  assert.deepEqual(names(world.step(FRAME, [])), ["missed"]);
  assert.equal(world.multiplier, 3);
  drop(world, "star", { y: 0.94 });
  world.step(FRAME, []);
  assert.equal(world.multiplier, 2);
});

test("a meteor that lands ends the run and puts out three windows", () => {
  const world = quiet();
  for (let i = 0; i < 7; i++) take(world, "star", "pinch");
  drop(world, "meteor", { y: 0.94 });
  assert.deepEqual(names(world.step(FRAME, [])), ["landed"]);
  assert.deepEqual([world.combo, world.lit, world.multiplier], [0, 4, 1]);
  drop(world, "meteor", { y: 0.94 });
  drop(world, "meteor", { y: 0.94 });
  world.step(FRAME, []);
  assert.equal(world.lit, 0);
});

test("sixty stars light the whole village, once", () => {
  const world = quiet();
  const events = Array.from({ length: 63 }, () => take(world, "star", "pinch")).flat();
  assert.equal(names(events).filter((name) => name === "festival").length, 1);
  assert.equal(world.lit, 60);
  const windows = events.filter(({ name }) => name === "caught").map((event) => event.window);
  assert.equal(new Set(windows.slice(0, 60)).size, 60);
  assert.ok(windows.every((window) => window >= 0 && window < 60));
});

test("all stars of a constellation bring a hundred more", () => {
  const world = quiet();
  for (const x of [0.2, 0.5, 0.8]) drop(world, "star", { x, group: 1 });
  world.step(FRAME, [hand(0.2, 0.5, "pinch")]);
  world.step(FRAME, [hand(0.5, 0.5, "pinch")]);
  assert.equal(world.score, 20);
  assert.ok(names(world.step(FRAME, [hand(0.8, 0.5, "pinch")])).includes("constellation"));
  assert.equal(world.score, 130);
});

test("things fall at their speed, also sideways", () => {
  const world = quiet();
  const thing = drop(world, "star", { vx: 0.1, vy: 0.2 });
  world.step(0.5, []);
  assert.ok(Math.abs(thing.x - 0.55) < 1e-9 && Math.abs(thing.y - 0.6) < 1e-9);
});

test("a round lasts 75 seconds, hurries twice, and then nothing moves", () => {
  const world = new World(3);
  let steps = 0;
  const events = [];
  while (!world.over) {
    events.push(...world.step(FRAME, []));
    steps += 1;
  }
  assert.ok(Math.abs(steps * FRAME - 75) < 0.1);
  assert.equal(names(events).filter((name) => name === "hurry").length, 2);
  assert.equal(events.at(-1).name, "over");
  const before = JSON.stringify(world.things);
  assert.deepEqual(world.step(1, [hand(0.5, 0.5, "pinch")]), []);
  assert.equal(JSON.stringify(world.things), before);
});

test("a seed gives the same round, another seed another", () => {
  const fallen = (seed) => {
    const world = new World(seed);
    const seen = [];
    for (let i = 0; i < 600; i++) {
      world.step(FRAME, []);
      seen.push(...world.things.map(({ id, x, y }) => [id, x, y]));
    }
    return JSON.stringify(seen);
  };
  assert.equal(fallen(5), fallen(5));
  assert.notEqual(fallen(5), fallen(6));
});

test("more falls from third to third, and for who keeps up", () => {
  for (const seed of [1, 2, 3]) {
    const idle = new World(seed);
    const keen = new World(seed);
    play(idle, catchNone);
    const { fell } = play(keen, catchAll);
    assert.ok(fell[0] < fell[1] && fell[1] < fell[2], `${fell}`);
    assert.ok(keen.count > 1.3 * idle.count, `${keen.count} ${idle.count}`);
  }
});

test("what falls can be reached, and all kinds fall", () => {
  const kinds = new Set();
  const groups = new Set();
  for (const seed of [1, 2, 3, 4]) {
    const world = new World(seed);
    const first = new Map();
    const places = [];
    play(world, (now) => {
      for (const thing of now.things) {
        kinds.add(thing.kind);
        if (thing.group) groups.add(thing.group);
        if (!first.has(thing.id)) {
          first.set(thing.id, thing);
          if (thing.kind !== "comet" && !thing.group) places.push(thing.x);
        }
        const inside = thing.x >= 0.13 && thing.x <= 0.87;
        assert.ok(thing.kind === "comet" || inside, `${thing.kind} at ${thing.x}`);
      }
      return [];
    });
    assert.ok(Math.min(...places) < 0.17 && Math.max(...places) > 0.83, "they fall on the whole width");
    const apart = Math.min(...places.slice(1).map((x, i) => Math.abs(x - places[i])));
    assert.ok(apart > 0.15, "one does not fall on the next");
    assert.ok([...first.values()].slice(0, 3).every(({ kind }) => kind === "star"), "a round begins with stars");
  }
  assert.deepEqual([...kinds].sort(), ["comet", "meteor", "star"]);
  assert.ok(groups.size >= 3);
});

test("a star takes from three to eight seconds to fall", () => {
  for (const seed of [1, 2, 3]) {
    for (const handsOf of [catchNone, catchAll]) {
      const world = new World(seed);
      play(world, (now) => {
        for (const { kind, vy } of now.things) assert.ok(kind === "comet" || (vy > 1 / 16 && vy < 1 / 2), `${vy}`);
        return handsOf(now);
      });
    }
  }
});

test("the lesson asks for a pinch, a fist and a palm, and costs no time", () => {
  const world = new World(1, true);
  const seconds = (count, hands = []) => {
    const events = [];
    for (let i = 0; i < count * 60; i++) events.push(...world.step(FRAME, hands));
    return names(events);
  };
  assert.equal(world.lesson.gesture, "pinch");
  seconds(3);
  const star = world.things[0];
  assert.equal(star.kind, "star");
  assert.ok(seconds(0.1, [hand(star.x, star.y, "pinch")]).includes("lesson"));
  assert.equal(world.lesson.gesture, "fist");
  seconds(3);
  const meteor = world.things[0];
  assert.equal(meteor.kind, "meteor");
  assert.ok(seconds(0.1, [hand(meteor.x, meteor.y, "fist")]).includes("lesson"));
  assert.equal(world.lesson.gesture, "open_palm");
  assert.deepEqual([world.score, world.left], [25, 75]);
  world.lesson.next();
  seconds(0.1);
  assert.equal(world.lesson, null);
});

test("the lesson ends by itself, and nothing is lost in it", () => {
  const world = new World(1, true);
  const events = [];
  let steps = 0;
  for (; world.lesson; steps++) events.push(...world.step(FRAME, []));
  assert.ok(steps * FRAME > 20 && steps * FRAME < 50);
  assert.deepEqual(names(events), ["lesson", "lesson", "lesson"]);
  assert.deepEqual([world.things.length, world.left, world.score], [0, 75, 0]);
});

test("the lesson's star waits in the middle, then comes to a hand that does not reach it, not to a mouse", () => {
  for (const [source, comes] of [["hand", true], ["mouse", false]]) {
    const world = new World(1, true);
    const after = (seconds) => {
      for (let i = 0; i < seconds * 60; i++) world.step(FRAME, [hand(0.2, 0.8, null, { source, fresh: false })]);
      return world.things[0];
    };
    assert.equal(after(0.7), undefined);
    assert.notEqual(after(0.2), undefined);
    const { x, y } = after(2);
    assert.ok(Math.hypot(x - 0.5, y - 0.6) < 0.01, `${x} ${y}`);
    const on = after(1.5);
    const far = Math.hypot(on.x - 0.2, on.y - 0.8);
    assert.equal(far > 0.12 && far < 0.25, comes, source);
    const there = after(3);
    assert.equal(Math.hypot(there.x - 0.2, there.y - 0.8) < 0.02, comes, source);
  }
});

test("the rounds of three seeds are known", () => {
  const known = (seed, handsOf) => {
    const world = new World(seed);
    const seen = new Map();
    let last = 0;
    play(world, (now) => {
      for (const { id, kind, group, vy } of now.things) {
        if (!seen.has(id)) last = world.left;
        seen.set(id, { kind, group, vy });
      }
      return handsOf(now);
    });
    const all = [...seen.values()];
    const kinds = ["star", "meteor", "comet"].map((kind) => all.filter((one) => one.kind === kind).length);
    const speed = all.reduce((sum, { vy }) => sum + vy, 0) / all.length;
    const groups = new Set(all.map(({ group }) => group)).size - 1;
    return [...kinds, groups, Number(last.toFixed(1)), Number(speed.toFixed(3))];
  };
  for (const [seed, idle, keen] of KNOWN) {
    assert.deepEqual(known(seed, catchNone), idle);
    assert.deepEqual(known(seed, catchAll), keen);
  }
});

test("a constellation has five stars in one of three shapes", () => {
  const shapes = new Set();
  for (let seed = 1; seed <= 8; seed++) {
    const world = new World(seed);
    while (!world.over && world.groups.size < 3) {
      world.step(FRAME, []);
      const stars = world.things.filter(({ group, age }) => group && age === 0);
      if (!stars.length) continue;
      const left = stars[0].x < stars[4].x;
      shapes.add(stars.map(({ x, y }) => `${(left ? x : 1 - x).toFixed(2)} ${y.toFixed(2)}`).join(", "));
    }
  }
  assert.deepEqual([...shapes].sort(), SHAPES);
});
