// The camera, and in words what keeps it from being used.

import { texts } from "./texts.js";

const WANTED = { facingMode: "user", width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } };

/**
 * @returns {Promise<MediaStream>}
 * @throws {Error} whose message is a sentence for the user
 */
export async function openCamera() {
  if (!window.isSecureContext) throw new Error(texts.errors.insecure);
  if (!navigator.mediaDevices?.getUserMedia) throw new Error(texts.errors.noApi);
  try {
    return await navigator.mediaDevices.getUserMedia({ video: WANTED, audio: false });
  } catch (error) {
    throw new Error(texts.errors[error.name] ?? texts.errors.camera(error.message || error.name));
  }
}

/**
 * @param {MediaStream} stream
 * @param {() => void} onEnd when it is unplugged or forbidden, and not when it is closed by the page
 */
export function watchCamera(stream, onEnd) {
  for (const track of stream.getVideoTracks()) track.addEventListener("ended", onEnd);
}

/** @param {MediaStream | null} stream */
export function closeCamera(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
}
