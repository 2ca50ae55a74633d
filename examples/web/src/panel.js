// What the page says beside the image: hands and gestures, notices and errors.

import { colorOf } from "./drawing.js";
import { texts } from "./texts.js";

const READ = 0.99; // of the bar, which is full when the networks are prepared

const byId = (id) => document.getElementById(id);

export class Panel {
  constructor() {
    this.rows = new Map();
  }

  /** @param {string} text a notice; said once, however often it is set */
  notice(text) {
    if (byId("status").textContent !== text) byId("status").textContent = text;
  }

  /** @param {string | null} text an error that stays until the next thing is done; null: none */
  error(text) {
    byId("error").hidden = !text;
    byId("error").textContent = text ?? "";
  }

  /**
   * How far loading is.
   * @param {number} share 0 to 1; then the networks are prepared, until `loaded`
   */
  progress(share) {
    byId("progress").value = Math.min(share || 0, READ); // 0 / 0 where files.json knows no size
    byId("step").textContent = share >= READ ? texts.preparing : texts.loading;
  }

  /** Takes the bar away. */
  loaded() {
    byId("loading").hidden = true;
  }

  /** @param {string | null} text frames a second; null: nothing is live */
  speed(text) {
    byId("speed").hidden = text === null;
    byId("speed").textContent = text ?? "";
  }

  /** @param {import("./networks.js").Computer} computer */
  computer(computer) {
    byId("computer").textContent = texts.computer(computer);
  }

  /**
   * A row for each hand.
   * @param {{id: number, gesture: import("./gestures.js").Gesture}[]} hands
   */
  hands(hands) {
    const ids = new Set(hands.map(({ id }) => id));
    for (const [id, row] of this.rows) {
      if (ids.has(id)) continue;
      row.remove();
      this.rows.delete(id);
    }
    for (const { id, gesture } of hands) this.#fill(this.rows.get(id) ?? this.#newRow(id), gesture);
  }

  /** @param {string} text for those who listen */
  say(text) {
    byId("said").textContent = text;
  }

  #newRow(id) {
    const row = document.createElement("li");
    const [dot, name, hand, meter] = ["span", "span", "span", "meter"].map((tag) => document.createElement(tag));
    dot.className = "dot";
    dot.style.background = colorOf(id);
    name.className = "name";
    hand.className = "hand";
    hand.textContent = texts.hand(id);
    meter.ariaHidden = "true";
    row.append(dot, name, hand, meter);
    byId("found").append(row);
    this.rows.set(id, row);
    return row;
  }

  #fill(row, { name, confidence }) {
    row.dataset.gesture = name;
    row.querySelector(".name").textContent = texts.gestures[name] ?? name;
    const meter = row.querySelector("meter");
    meter.value = confidence;
    meter.hidden = name === "none";
  }
}
