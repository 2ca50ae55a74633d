// Images and videos that are chosen or dropped; they are read in the page and sent nowhere.

import { texts } from "./texts.js";

const MOST_SIDE = 2560; // pixels, to which larger images are scaled

/**
 * @param {Blob} blob
 * @param {string} name
 * @returns {Promise<ImageBitmap>}
 * @throws {Error} whose message is a sentence for the user
 */
export async function readImage(blob, name) {
  try {
    const bitmap = await createImageBitmap(blob);
    const scale = MOST_SIDE / Math.max(bitmap.width, bitmap.height);
    if (scale >= 1) return bitmap;
    const [resizeWidth, resizeHeight] = [bitmap.width, bitmap.height].map((side) => Math.max(Math.round(side * scale), 1));
    const small = await createImageBitmap(bitmap, { resizeWidth, resizeHeight, resizeQuality: "high" });
    bitmap.close();
    return small;
  } catch {
    throw new Error(texts.errors.file(name));
  }
}

/**
 * Shows a video file in an element.
 * @param {HTMLVideoElement} video
 * @param {Blob} blob
 * @param {string} name
 * @param {(error: Error) => void} onBroken when it cannot be read any further
 * @throws {Error} whose message is a sentence for the user
 */
export async function openVideo(video, blob, name, onBroken) {
  video.src = URL.createObjectURL(blob);
  video.loop = true;
  const unreadable = new Error(texts.errors.file(name));
  await new Promise((resolve, reject) => {
    video.onloadeddata = () => (video.videoWidth ? resolve() : reject(unreadable));
    video.onerror = () => reject(unreadable);
  });
  video.onerror = () => onBroken(unreadable);
}

/** @param {HTMLVideoElement} video */
export function closeVideo(video) {
  video.pause();
  video.onloadeddata = video.onerror = null;
  if (video.src) URL.revokeObjectURL(video.src);
  video.removeAttribute("src");
  video.srcObject = null;
  video.load();
}

/**
 * Calls back with a file that is dropped anywhere on the page.
 * @param {HTMLElement} body gets the class "dropping" meanwhile
 * @param {(file: File) => void} onFile
 */
export function listenForDrops(body, onFile) {
  const isFile = (event) => event.dataTransfer?.types.includes("Files");
  body.addEventListener("dragover", (event) => {
    if (!isFile(event)) return;
    event.preventDefault();
    body.classList.add("dropping");
  });
  body.addEventListener("dragleave", (event) => !event.relatedTarget && body.classList.remove("dropping"));
  body.addEventListener("drop", (event) => {
    if (!isFile(event)) return;
    event.preventDefault();
    body.classList.remove("dropping");
    if (event.dataTransfer.files.length) onFile(event.dataTransfer.files[0]);
  });
}
