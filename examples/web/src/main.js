// The page: camera, images and videos in; keypoints, gestures and the game out.

import { closeCamera, openCamera, watchCamera } from "./camera.js";
import { reasonOf } from "./errors.js";
import { fetched } from "./fetched.js";
import { closeVideo, listenForDrops, openVideo, readImage } from "./files.js";
import { HandFinder } from "./finder.js";
import { Gestures } from "./gestures.js";
import { isolate } from "./isolate.js";
import { Live } from "./live.js";
import { Panel } from "./panel.js";
import { pointersOf } from "./pointers.js";
import { Results } from "./results.js";
import { listenToTabs } from "./tabs.js";
import { texts, translate } from "./texts.js";

const byId = (id) => document.getElementById(id);
const [stage, video, still, gameCanvas] = ["stage", "video", "still", "game"].map(byId);
const RATIOS = [1 / 2, 8]; // of the stage, width over height; what is longer has bars beside it

class App {
  constructor() {
    this.panel = new Panel();
    this.results = new Results(byId("overlay"), this.panel);
    /** @type {HandFinder | null} */
    this.finder = null;
    /** @type {string | null} why there is no finder, in a sentence */
    this.failure = null;
    /** @type {"camera" | "file" | null} what is shown, or is being opened */
    this.source = null;
    /** @type {Live | null} */
    this.live = null;
    /** @type {MediaStream | null} */
    this.stream = null;
    /** @type {import("./play.js").Play | null} */
    this.play = null;
    this.tab = "hands";
    /** @type {string | null} the notice before the page went into the background */
    this.covered = null;
    this.opened = 0; // sources so far: what an older one still brings is dropped
    this.ready = this.#load();
  }

  /** Loads networks and rules; `finder` is there when this is done. */
  async #load() {
    try {
      const gestures = new Gestures(await (await fetched("model/gestures.json")).json());
      const onProgress = (loaded, total) => this.panel.progress(loaded / total);
      const backend = new URLSearchParams(location.search).get("backend");
      const finder = await HandFinder.load({ backend, onProgress });
      this.results.use(gestures, finder.links);
      this.finder = finder;
    } catch (error) {
      this.failure = texts.errors.load(reasonOf(error));
      this.panel.loaded();
      this.panel.error(this.failure);
      return;
    }
    this.panel.loaded();
    this.panel.computer(this.finder.computer);
    if (!this.source) this.panel.notice(this.#idle());
    document.documentElement.dataset.ready = this.finder.computer.backend;
  }

  /**
   * @returns {Promise<HandFinder>} when it is loaded
   * @throws {Error} whose message is a sentence for the user
   */
  async #loaded() {
    await this.ready;
    if (!this.finder) throw new Error(this.failure);
    return this.finder;
  }

  /** Whether there is an image, a video or the camera. */
  get isShowing() {
    return !still.hidden || !video.hidden;
  }

  #idle() {
    if (!this.finder) return "";
    return this.tab === "game" ? texts.gameCamera : texts.ready;
  }

  /** Ends what is shown, and readies the page for another source. Returns the number of that source. */
  #close() {
    this.live?.stop();
    this.live = null;
    closeCamera(this.stream);
    this.stream = null;
    this.source = this.covered = null;
    closeVideo(video);
    for (const element of [video, still, byId("pause")]) element.hidden = true;
    byId("camera").textContent = texts.useCamera;
    document.body.classList.remove("mirrored");
    this.panel.error(null);
    this.results.clear();
    if (this.play) this.play.pointers = [];
    return ++this.opened;
  }

  /** Ends what is shown. @param {string | null} error a sentence that says why */
  #end(error = this.failure) {
    this.#close();
    this.#fitEmpty();
    this.panel.notice(error ? "" : this.#idle());
    this.panel.error(error);
  }

  async toggleCamera() {
    if (this.stream) return this.#end();
    const mine = this.#close();
    this.source = "camera";
    this.panel.notice(texts.starting);
    try {
      const stream = await openCamera();
      if (mine !== this.opened) return closeCamera(stream);
      this.stream = stream;
      watchCamera(stream, () => mine === this.opened && this.#end(texts.errors.ended));
      video.srcObject = stream;
      document.body.classList.add("mirrored");
      byId("camera").textContent = texts.stopCamera;
      await this.#showVideo(mine);
    } catch (error) {
      if (mine === this.opened) this.#end(error.message);
    }
  }

  /**
   * @param {Blob | Promise<Blob>} content an image or video
   * @param {string} name
   */
  async openFile(content, name) {
    const mine = this.#close();
    this.source = "file";
    this.panel.notice(texts.looking);
    try {
      const blob = await content;
      if (mine !== this.opened) return;
      if (!blob.type.startsWith("video/")) return await this.#showImage(await readImage(blob, name), mine);
      await openVideo(video, blob, name, (error) => this.#end(error.message)); // a closed one breaks no more
      if (mine !== this.opened) return;
      byId("pause").hidden = false;
      await this.#showVideo(mine);
    } catch (error) {
      if (mine === this.opened) this.#end(error.message);
    }
  }

  async #showImage(bitmap, mine) {
    const shown = await createImageBitmap(bitmap);
    if (mine !== this.opened) return;
    this.#fit(bitmap.width, bitmap.height);
    this.#paint(shown); // before the model is there
    const finder = await this.#loaded();
    if (mine !== this.opened) return;
    const found = await this.#failing(finder.find(bitmap));
    found.bitmap.close();
    if (mine === this.opened) this.#tell(this.results.image(found), found);
  }

  async #failing(promise) {
    try {
      return await promise;
    } catch (error) {
      throw new Error(texts.errors.find(reasonOf(error)));
    }
  }

  async #showVideo(mine) {
    await video.play().catch(() => {}); // a browser that plays nothing by itself: there is a button
    if (mine !== this.opened) return;
    this.#fit(video.videoWidth || 4, video.videoHeight || 3);
    video.hidden = false;
    this.pauseChanged();
    const finder = await this.#loaded();
    if (mine !== this.opened) return;
    const onError = (reason) => this.#end(texts.errors.find(reason));
    this.live = new Live(video, finder, (found) => this.#frame(found), onError);
    this.live.start();
  }

  /** @param {import("./live.js").LookedAt} found */
  #frame(found) {
    this.#fit(found.width, found.height); // a phone may have been turned
    if (this.tab === "hands") this.#paint(found.bitmap); // the image that the keypoints belong to
    else found.bitmap.close();
    const hint = this.tab === "game" ? texts.gameHint : null;
    const hands = this.results.frame(found, { mirrored: !!this.stream, hint });
    if (this.play && this.stream) this.play.pointers = pointersOf(hands, found.width, found.height);
    this.#tell(hands, found);
  }

  /** Tells other scripts, and tests. */
  #tell(hands, { width, height, time, milliseconds }) {
    document.dispatchEvent(new CustomEvent("hands", { detail: { hands, width, height, time, milliseconds } }));
  }

  /** @param {ImageBitmap} bitmap is used up */
  #paint(bitmap) {
    Object.assign(still, { width: bitmap.width, height: bitmap.height });
    still.getContext("bitmaprenderer").transferFromImageBitmap(bitmap);
    still.hidden = false;
  }

  /** Gives the stage the sides of an image. */
  #fit(width, height) {
    byId("welcome").hidden = true;
    const [least, most] = RATIOS;
    stage.style.setProperty("--width", Math.min(Math.max(width, least * height), most * height));
    stage.style.setProperty("--height", height);
  }

  /** Gives the stage sides for the welcome, or for a game without a camera. */
  #fitEmpty() {
    const isPortrait = this.tab === "game" && window.innerHeight > window.innerWidth;
    this.#fit(isPortrait ? 3 : 4, isPortrait ? 4 : 3);
    byId("welcome").hidden = this.tab === "game";
  }

  /** @param {"hands" | "game"} tab */
  async openTab(tab) {
    this.tab = tab;
    document.body.classList.toggle("playing", tab === "game");
    gameCanvas.hidden = tab !== "game";
    if (tab === "game" && this.source !== "camera") this.#end();
    if (this.live) still.hidden = true; // the game has the video itself behind it
    if (!this.isShowing) this.#fitEmpty();
    if (!this.source) this.panel.notice(this.#idle());
    if (tab === "hands") return this.play?.close();
    try {
      const { Play } = await import("./play.js");
      this.play ??= new Play(gameCanvas);
    } catch (error) {
      return this.panel.error(texts.errors.game(reasonOf(error)));
    }
    if (this.tab !== "game") return;
    this.play.open();
    gameCanvas.focus({ preventScroll: true });
  }

  togglePause() {
    if (video.paused) video.play().catch(() => {});
    else video.pause();
  }

  pauseChanged() {
    byId("pause").textContent = video.paused ? texts.play : texts.pause;
  }

  /** Stops looking while nobody sees the page. */
  visibilityChanged() {
    if (!this.live) return;
    this.live.forgetSpeed();
    this.results.forgetSpeed();
    if (document.hidden) {
      this.covered = byId("status").textContent;
      this.panel.notice(texts.hidden);
    } else if (this.covered !== null) this.panel.notice(this.covered); // a paused video brings no other
  }

  /** A phone may have been turned. */
  sizeChanged() {
    if (!this.isShowing) this.#fitEmpty();
  }
}

/** @returns {Promise<Blob>} */
async function fetchExample() {
  try {
    return await (await fetched("example.jpg")).blob();
  } catch (error) {
    throw new Error(texts.errors.example(reasonOf(error)));
  }
}

/** @param {App} app */
function listen(app) {
  const onFile = (file) => {
    byId("tab-hands").click();
    app.openFile(file, file.name);
  };
  byId("camera").addEventListener("click", () => app.toggleCamera());
  byId("pause").addEventListener("click", () => app.togglePause());
  for (const name of ["play", "pause"]) video.addEventListener(name, () => app.pauseChanged());
  byId("choose").addEventListener("click", () => byId("file").click());
  byId("file").addEventListener("change", ({ target }) => {
    if (target.files.length) onFile(target.files[0]);
    target.value = ""; // the same file may be chosen again
  });
  byId("example").addEventListener("click", () => app.openFile(fetchExample(), "example.jpg"));
  listenForDrops(document.body, onFile);
  listenToTabs(document.querySelector("[role=tablist]"), (id) => {
    stage.setAttribute("aria-labelledby", id);
    app.openTab(id.slice("tab-".length));
  });
  document.addEventListener("visibilitychange", () => app.visibilityChanged());
  window.addEventListener("resize", () => app.sizeChanged());
  new ResizeObserver(() => app.results.draw()).observe(byId("overlay"));
}

translate();
await isolate();
byId("door").remove();
byId("app").hidden = false;
listen(new App());
