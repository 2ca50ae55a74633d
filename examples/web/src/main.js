// The page: camera, images and videos in; keypoints, gestures and the game out.

import { closeCamera, openCamera, watchCamera } from "./camera.js";
import { reasonOf } from "./errors.js";
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

class App {
  constructor() {
    this.panel = new Panel();
    this.results = new Results(byId("overlay"), this.panel);
    /** @type {HandFinder | null} */
    this.finder = null;
    /** @type {Live | null} */
    this.live = null;
    /** @type {MediaStream | null} */
    this.stream = null;
    /** @type {import("./play.js").Play | null} */
    this.play = null;
    this.tab = "hands";
    this.opened = 0; // sources so far: what an older one still brings is dropped
    this.ready = this.#load();
  }

  /** Loads networks and rules; `finder` is there when this is done. */
  async #load() {
    try {
      const response = await fetch(new URL("../model/gestures.json", import.meta.url));
      const gestures = new Gestures(await response.json());
      const onProgress = (loaded, total) => this.panel.progress(loaded / total);
      const backend = new URLSearchParams(location.search).get("backend");
      const finder = await HandFinder.load({ backend, onProgress });
      this.results.use(gestures, finder.links);
      this.finder = finder;
    } catch (error) {
      this.panel.loaded();
      this.panel.error(texts.errors.load(reasonOf(error)));
      return;
    }
    this.panel.loaded();
    this.panel.computer(this.finder.computer);
    if (!this.isShowing) this.panel.notice(this.#idle());
    document.documentElement.dataset.ready = this.finder.computer.backend;
  }

  /** Whether there is an image, a video or the camera. */
  get isShowing() {
    return !still.hidden || !video.hidden;
  }

  #idle() {
    return this.tab === "game" ? texts.gameCamera : texts.ready;
  }

  /** Ends what is shown, and readies the page for another source. Returns the number of that source. */
  #close() {
    this.live?.stop();
    this.live = null;
    closeCamera(this.stream);
    this.stream = null;
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
  #end(error) {
    this.#close();
    byId("welcome").hidden = this.tab === "game";
    this.panel.notice(error ? "" : this.#idle());
    this.panel.error(error);
  }

  async toggleCamera() {
    if (this.stream) return this.#end(null);
    const mine = this.#close();
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
   * @param {Blob} blob an image or video
   * @param {string} name
   */
  async openFile(blob, name) {
    const mine = this.#close();
    this.panel.notice(texts.looking);
    try {
      if (!blob.type.startsWith("video/")) return await this.#showImage(await readImage(blob, name), mine);
      await openVideo(video, blob, name);
      if (mine !== this.opened) return;
      byId("pause").hidden = false;
      await this.#showVideo(mine);
    } catch (error) {
      if (mine === this.opened) this.#end(error.message);
    }
  }

  async #showImage(bitmap, mine) {
    this.#fit(bitmap.width, bitmap.height);
    this.#paint(await createImageBitmap(bitmap)); // before the model is there
    await this.ready;
    if (mine !== this.opened || !this.finder) return;
    const found = await this.#failing(this.finder.find(bitmap));
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
    await this.ready;
    if (mine !== this.opened || !this.finder) return;
    const onError = (reason) => this.#end(texts.errors.find(reason));
    this.live = new Live(video, this.finder, (found) => this.#frame(found), onError);
    this.live.start();
  }

  /** @param {import("./live.js").LookedAt} found */
  #frame(found) {
    this.#fit(found.width, found.height); // a phone may have been turned
    if (this.tab === "hands") this.#paint(found.bitmap); // the image that the keypoints belong to
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
    stage.style.setProperty("--width", width);
    stage.style.setProperty("--height", height);
  }

  /** @param {"hands" | "game"} tab */
  async openTab(tab) {
    this.tab = tab;
    document.body.classList.toggle("playing", tab === "game");
    gameCanvas.hidden = tab !== "game";
    if (tab === "game" && !this.stream) {
      this.#end(null);
      const isPortrait = window.innerHeight > window.innerWidth;
      this.#fit(isPortrait ? 3 : 4, isPortrait ? 4 : 3);
    }
    if (this.live) still.hidden = true; // the game has the video itself behind it
    byId("welcome").hidden = tab === "game" || this.isShowing;
    if (!this.isShowing) this.panel.notice(this.finder ? this.#idle() : "");
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
    if (document.hidden) this.panel.notice(texts.hidden);
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
  byId("example").addEventListener("click", async () => {
    const response = await fetch(new URL("../example.jpg", import.meta.url));
    app.openFile(await response.blob(), "example.jpg");
  });
  listenForDrops(document.body, onFile);
  listenToTabs(document.querySelector("[role=tablist]"), (id) => {
    stage.setAttribute("aria-labelledby", id);
    app.openTab(id.slice("tab-".length));
  });
  document.addEventListener("visibilitychange", () => app.visibilityChanged());
  new ResizeObserver(() => app.results.draw()).observe(byId("overlay"));
}

translate();
await isolate();
byId("door").remove();
byId("app").hidden = false;
listen(new App());
