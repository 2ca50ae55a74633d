// Pointers become hands, run by test_game_world.py.

import assert from "node:assert/strict";
import test from "node:test";

import { Hands } from "../../examples/web/game/hands.js";

const FRAME = 1 / 60;

function pointer(gesture = "none", { id = 1, x = 0.5, y = 0.5, source = "hand" } = {}) {
  return { id, x, y, gesture, confidence: 0.9, source };
}

/** Shows pointers for so many seconds. */
function show(hands, pointers, seconds) {
  for (let i = 0; i < Math.round(seconds * 60); i++) hands.update(pointers, FRAME);
  return hands.all[0];
}

function seen(gesture, options) {
  const hands = new Hands();
  return [hands, show(hands, [pointer(gesture, options)], 2 * FRAME)];
}

test("each gesture does what it or its neighbour does", () => {
  const actions = {
    pinch: "pinch", ok: "pinch", fist: "fist", thumbs_up: "fist", thumbs_down: "fist", open_palm: "open_palm",
    four: "open_palm", pointing: null, victory: null, three: null, call: null, rock: null, none: null, unheard_of: null,
  };
  for (const [gesture, action] of Object.entries(actions)) assert.equal(seen(gesture)[1].action, action, gesture);
});

test("a pinch and a fist are fresh when they begin, a palm and none never", () => {
  for (const [gesture, fresh] of [["pinch", true], ["fist", true], ["open_palm", false], ["none", false]]) {
    assert.equal(seen(gesture)[1].fresh, fresh, gesture);
  }
});

test("a gesture that is kept up is fresh for a moment only, of a hand longer than of a mouse", () => {
  for (const [source, still, stale] of [["hand", 0.65, 0.15], ["mouse", 0.3, 0.15]]) {
    const [hands] = seen("pinch", { source });
    assert.equal(show(hands, [pointer("pinch", { source })], still).fresh, true, source);
    assert.equal(show(hands, [pointer("pinch", { source })], stale).fresh, false, source);
  }
});

test("a flicker of a hand's gesture does not begin it again, a longer break does", () => {
  const [hands] = seen("pinch");
  show(hands, [pointer("pinch")], 1);
  show(hands, [pointer("none")], 0.2);
  assert.equal(show(hands, [pointer("pinch")], 0.05).fresh, false);
  show(hands, [pointer("none")], 0.4);
  assert.equal(show(hands, [pointer("pinch")], 0.05).fresh, true);
});

test("a mouse lets go at once", () => {
  const [hands] = seen("pinch", { source: "mouse" });
  show(hands, [pointer("pinch", { source: "mouse" })], 1);
  show(hands, [pointer("none", { source: "mouse" })], 2 * FRAME);
  assert.equal(show(hands, [pointer("pinch", { source: "mouse" })], FRAME).fresh, true);
});

test("another gesture begins at once", () => {
  const [hands] = seen("pinch");
  const hand = show(hands, [pointer("fist")], FRAME);
  assert.deepEqual([hand.action, hand.fresh], ["fist", true]);
});

test("a spent gesture does nothing more until it begins again", () => {
  const [hands, hand] = seen("pinch");
  hand.spend();
  assert.equal(show(hands, [pointer("pinch")], 0.05).fresh, false);
  show(hands, [pointer("none")], 0.4);
  assert.equal(show(hands, [pointer("pinch")], 0.05).fresh, true);
});

test("a hand glides to where it is seen, a mouse is there at once", () => {
  for (const [source, glides] of [["hand", true], ["mouse", false]]) {
    const [hands] = seen("none", { source, x: 0.2 });
    const hand = show(hands, [pointer("none", { source, x: 0.8 })], FRAME);
    assert.equal(hand.x > 0.21 && hand.x < 0.6, glides, source);
    assert.ok(Math.abs(show(hands, [pointer("none", { source, x: 0.8 })], 0.4).x - 0.8) < 0.01);
  }
});

test("a hand has gone two thirds of its way after 0.07 seconds", () => {
  const [hands] = seen("none", { x: 0.2 });
  hands.update([pointer("none", { x: 0.8 })], 0.07);
  assert.ok(Math.abs(hands.all[0].x - 0.58) < 0.02);
});

test("a slow frame glides as far as its quick ones", () => {
  const [quick] = seen("none", { x: 0.2 });
  const [slow] = seen("none", { x: 0.2 });
  for (let i = 0; i < 6; i++) quick.update([pointer("none", { x: 0.8 })], FRAME);
  slow.update([pointer("none", { x: 0.8 })], 6 * FRAME);
  assert.ok(Math.abs(quick.all[0].x - slow.all[0].x) < 1e-9);
});

test("the trail is where a hand was a fifth of a second ago", () => {
  const [hands] = seen("none", { x: 0.2 });
  show(hands, [pointer("none", { x: 0.2 })], 1);
  assert.ok(Math.abs(show(hands, [pointer("pinch", { x: 0.6 })], 0.15).trail.x - 0.2) < 1e-6);
  assert.ok(show(hands, [pointer("pinch", { x: 0.6 })], 0.13).trail.x > 0.3);
});

test("a palm counts while it is held still", () => {
  const [hands] = seen("open_palm");
  assert.ok(Math.abs(show(hands, [pointer("open_palm")], 0.8).palm - 0.8) < 0.1);
  for (let i = 0; i < 30; i++) hands.update([pointer("open_palm", { x: 0.2 + 0.02 * i })], FRAME);
  assert.ok(hands.all[0].palm < 0.1);
  show(hands, [pointer("open_palm", { x: 0.8 })], 1);
  for (let i = 0; i < 30; i++) hands.update([pointer("open_palm", { x: 0.8 - (0.54 * i) / 60 })], FRAME);
  assert.ok(hands.all[0].palm < 0.5);
  show(hands, [pointer("open_palm", { x: 0.53 })], 1);
  assert.equal(show(hands, [pointer("fist", { x: 0.8 })], FRAME).palm, 0);
});

test("the jitter of a camera does not stop a palm", () => {
  const hands = new Hands();
  for (let i = 0; i < 90; i++) {
    const jitter = 0.01 * ((Math.floor(i / 8) % 3) - 1);
    hands.update([pointer("open_palm", { x: 0.5 + jitter, y: 0.5 - jitter })], FRAME);
  }
  assert.ok(hands.all[0].palm > 1.2);
});

test("a hand that is lost for a moment stays, then goes; a mouse goes at once", () => {
  const [hands] = seen("pinch");
  assert.equal(show(hands, [], 0.2).action, "pinch");
  assert.equal(show(hands, [], 0.2), undefined);
  const [mice] = seen("pinch", { source: "mouse" });
  assert.equal(show(mice, [], FRAME), undefined);
});

test("a hand that comes back under another id is the same hand, one elsewhere is not", () => {
  const [hands] = seen("pinch");
  show(hands, [pointer("pinch")], 1);
  show(hands, [pointer("pinch", { id: 2, x: 0.55 })], FRAME);
  assert.equal(hands.all.length, 1);
  assert.equal(hands.all[0].fresh, false);
  hands.update([pointer("pinch", { id: 3, x: 0.76 })], FRAME);
  assert.equal(hands.all.find(({ id }) => id === 3).fresh, true);
});

test("two hands stay two, also where they cross", () => {
  const hands = new Hands();
  for (let i = 0; i <= 60; i++) {
    const share = i / 60;
    hands.update([pointer("pinch", { id: 1, x: share }), pointer("fist", { id: 2, x: 1 - share })], FRAME);
  }
  assert.deepEqual(hands.all.map(({ id, action }) => [id, action]), [[1, "pinch"], [2, "fist"]]);
});

test("a pointer without a place is left out", () => {
  const hands = new Hands();
  hands.update([pointer("pinch", { x: NaN }), pointer("pinch", { id: 2, y: undefined ?? Infinity })], FRAME);
  assert.deepEqual(hands.all, []);
});
