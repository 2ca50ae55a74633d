// The best score, kept in the browser where it allows that, else for as long as the page is open.

const KEY = "modelscope-handkp.game.best";

export class Best {
  constructor() {
    /** The best score, or null before the first round's end. */
    this.score = read();
  }

  /** Whether a round has been played to its end. */
  get played() {
    return this.score !== null;
  }

  /** Keeps a score; true if it is better than all before it, and not the first. */
  add(score) {
    const record = this.played && score > this.score;
    this.score = Math.max(score, this.score ?? 0);
    try {
      localStorage.setItem(KEY, String(this.score));
    } catch {
      // storage is refused: the score lasts as long as the page
    }
    return record;
  }
}

function read() {
  try {
    const text = localStorage.getItem(KEY);
    return text !== null && /^\d{1,9}$/.test(text) ? Number(text) : null;
  } catch {
    return null;
  }
}
