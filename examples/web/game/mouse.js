// Mouse, touch and keyboard -> the same pointers as hands have.

const TAP_SECONDS = 0.12; // a press lasts at least this long, or a quick one would fall between two frames
const DOUBLE_SECONDS = 0.4; // between two presses at one place, of which the second is a fist
const DOUBLE_NEAR = 0.08; // of the view
const IDLE_SECONDS = 5; // after which a mouse that rests is no longer shown
const KEY_SPEED = 0.75; // of the view a second
const MOVES = {
  ArrowLeft: [-1, 0], KeyA: [-1, 0], ArrowRight: [1, 0], KeyD: [1, 0],
  ArrowUp: [0, -1], KeyW: [0, -1], ArrowDown: [0, 1], KeyS: [0, 1],
};
const ACTS = { Space: "pinch", KeyF: "fist", Enter: "fist" };

export class Mouse {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {{pause: () => void, sound: () => void}} calls what the keys P and M do
   */
  constructor(canvas, calls) {
    this.canvas = canvas;
    this.calls = calls;
    /** @type {Map<string, {x: number, y: number, gesture: string, down: boolean, age: number, idle: number,
     *   stays: boolean}>} */
    this.contacts = new Map();
    this.keys = new Set();
    this.last = { x: -1, y: -1, time: -Infinity };
    canvas.tabIndex = 0;
    canvas.style.touchAction = "none"; // a finger plays; it does not scroll
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => this.#up(event));
    canvas.addEventListener("pointerleave", (event) => this.#leave(event));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault()); // the right button is a fist
    canvas.addEventListener("keydown", (event) => this.#keyDown(event));
    canvas.addEventListener("keyup", (event) => this.keys.delete(event.code));
    canvas.addEventListener("blur", () => {
      this.keys.clear();
      this.contacts.delete("keyboard");
    });
  }

  /**
   * @param {number} seconds since the call before
   * @returns {import("./hands.js").Pointer[]}
   */
  pointers(seconds) {
    this.#moveByKeys(seconds);
    const seen = [...this.contacts].map(([id, contact]) => ({
      id,
      x: contact.x,
      y: contact.y,
      gesture: contact.gesture,
      confidence: 1,
      source: "mouse",
    }));
    for (const [id, contact] of this.contacts) {
      contact.age += seconds;
      if (contact.down || contact.age < TAP_SECONDS) continue;
      contact.gesture = "none";
      contact.idle += seconds;
      if (!contact.stays || contact.idle > IDLE_SECONDS) this.contacts.delete(id);
    }
    return seen;
  }

  #down(event) {
    this.canvas.focus({ preventScroll: true });
    if (event.pointerType !== "mouse") event.preventDefault();
    const place = this.#place(event);
    const near = Math.hypot(place.x - this.last.x, place.y - this.last.y) < DOUBLE_NEAR;
    const second = near && event.timeStamp - this.last.time < DOUBLE_SECONDS * 1000;
    this.last = { ...place, time: second ? -Infinity : event.timeStamp };
    const gesture = second || event.button === 2 ? "fist" : "pinch";
    const stays = event.pointerType === "mouse";
    this.contacts.set(idOf(event), { ...place, gesture, down: true, age: 0, idle: 0, stays });
  }

  #move(event) {
    const contact = this.contacts.get(idOf(event));
    if (contact) Object.assign(contact, this.#place(event), { idle: 0 });
    else if (event.pointerType === "mouse") {
      this.contacts.set(idOf(event), {
        ...this.#place(event),
        gesture: "none",
        down: false,
        age: Infinity,
        idle: 0,
        stays: true,
      });
    }
  }

  #up(event) {
    const contact = this.contacts.get(idOf(event));
    if (contact) contact.down = false;
  }

  #leave(event) {
    const contact = this.contacts.get(idOf(event));
    if (contact) Object.assign(contact, { down: false, stays: false });
  }

  #keyDown(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.code in MOVES || event.code in ACTS) {
      event.preventDefault(); // the page does not scroll
      this.keys.add(event.code);
      const start = { x: 0.5, y: 0.5, gesture: "none", down: true, age: 0, idle: 0, stays: true };
      this.contacts.set("keyboard", this.contacts.get("keyboard") ?? start);
    } else if (!event.repeat && (event.code === "KeyP" || event.code === "Escape")) this.calls.pause();
    else if (!event.repeat && event.code === "KeyM") this.calls.sound();
  }

  #moveByKeys(seconds) {
    const contact = this.contacts.get("keyboard");
    if (!contact) return;
    const act = [...this.keys].find((key) => key in ACTS);
    contact.gesture = act ? ACTS[act] : "none";
    for (const key of this.keys) {
      const [dx, dy] = MOVES[key] ?? [0, 0];
      contact.x = Math.min(1, Math.max(0, contact.x + dx * KEY_SPEED * seconds));
      contact.y = Math.min(1, Math.max(0, contact.y + dy * KEY_SPEED * seconds));
    }
  }

  #place(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
  }
}

const idOf = (event) => `${event.pointerType}-${event.pointerId}`;
