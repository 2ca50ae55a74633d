// Short notes through WebAudio, off until the player switches them on.

const SCALE = [0, 2, 4, 7, 9, 12, 14, 16, 19, 21, 24]; // pentatonic: any two of its notes sound well together
const BASE = 392; // hertz
const LOUD = 0.12;

export class Sounds {
  constructor() {
    this.on = false;
    /** @type {AudioContext|null} */
    this.context = null;
  }

  /** Switches the sounds on or off; a browser without them stays silent. */
  toggle() {
    this.on = !this.on && typeof AudioContext === "function";
    if (!this.on) return;
    this.context ??= new AudioContext();
    this.context.resume();
    this.#note(SCALE[2]);
  }

  /** @param {import("./world.js").Event} event @param {import("./world.js").World} world */
  play(event, world) {
    if (!this.on) return;
    if (event.name === "caught") this.#note(SCALE[Math.min(SCALE.length - 1, world.combo % SCALE.length)]);
    else if (event.name === "crushed") this.#note(-17, 0, 0.25, "square");
    else if (event.name === "landed") this.#note(-29, 0, 0.5, "triangle");
    else if (event.name === "constellation") [0, 4, 7, 12].forEach((step, i) => this.#note(step, i * 0.09));
    else if (event.name === "festival" || event.name === "over")
      [0, 7, 12, 16].forEach((step, i) => this.#note(step, i * 0.14, 0.9));
  }

  /** A plucked note: half tones above the base, seconds from now, seconds that it sounds. */
  #note(step, delay = 0, length = 0.45, shape = "sine") {
    const begin = this.context.currentTime + delay;
    const tone = this.context.createOscillator();
    const volume = this.context.createGain();
    tone.type = shape;
    tone.frequency.value = BASE * 2 ** (step / 12);
    volume.gain.setValueAtTime(LOUD, begin);
    volume.gain.exponentialRampToValueAtTime(0.001, begin + length);
    tone.connect(volume).connect(this.context.destination);
    tone.start(begin);
    tone.stop(begin + length);
  }
}
