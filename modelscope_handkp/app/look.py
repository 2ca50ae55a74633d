"""How the page looks, and its script: what is the matter with a camera, in words, and Gradio's English in Chinese."""

import json

from .words import CAMERA, LANGUAGES, OTHERS

CSS = """
.gradio-container { width: 100% !important; max-width: 1120px !important; margin: 0 auto !important; }
footer { display: none !important; }
#head { gap: 2px; padding: 14px 0 4px; }
#title h1 { font-size: 1.95rem; font-weight: 750; letter-spacing: -0.02em; margin: 0; color: var(--body-text-color); }
#title h1::before { content: "✋"; margin-right: .4em; }
#subtitle p { margin: 0; font-size: 1.02rem; }
.hint-line p { font-size: .88rem; margin: 0; }
.note { margin: 0 0 10px !important; padding: 10px 14px; border-radius: 10px; line-height: 1.45;
  overflow-wrap: anywhere; border: 1px solid transparent; font-size: .96rem; }
.note.good { background: #e7f7f1; color: #0b5c45; border-color: #b9e6d6; font-weight: 600; }
.note.bad { background: #fff1e8; color: #8a3c06; border-color: #fad3b8; }
.note.hint { background: var(--background-fill-secondary); color: var(--body-text-color-subdued);
  border-color: var(--border-color-primary); }
.dark .note.good { background: #0d3a2f; color: #a7ecd3; border-color: #17604d; }
.dark .note.bad { background: #43240e; color: #ffcfa8; border-color: #74401a; }
.table { overflow-x: auto; border: 1px solid var(--border-color-primary); border-radius: 10px;
  background: var(--background-fill-primary); }
.table table { width: 100%; border-collapse: collapse; border: 0 !important; font-size: .93rem; margin: 0 !important; }
.table tr, .table th, .table td { border: 0 !important; }
.table th { text-align: left; font-weight: 600; color: var(--body-text-color-subdued); }
.table td { border-top: 1px solid var(--border-color-primary) !important; }
.table th, .table td { padding: 8px 14px; white-space: nowrap; font-variant-numeric: tabular-nums; }
.chips { display: flex; flex-wrap: wrap; gap: 8px; margin: 0 0 10px; min-height: 2.3em; align-items: center; }
.chip { padding: 5px 13px; border-radius: 999px; font-weight: 600; border: 2px solid var(--hand);
  background: color-mix(in srgb, var(--hand) 16%, transparent); }
/* trimming runs a program that Gradio fetches from elsewhere; it, and its undoing, are the first of these buttons */
#video-in .icon-button-wrapper button:not(:last-child) { display: none !important; }
#camera-words:has(#camera-note:empty) { display: none; }
#image-words .html-container, #video-words .html-container, #camera-status .html-container,
#camera-words .html-container { padding: 0 !important; }
#camera-status .wrap.default, #camera-out .wrap.default, #camera-in .wrap.default .meta-text {
  display: none !important; }
@media (max-width: 640px) {
  #title h1 { font-size: 1.5rem; }
  #subtitle p { font-size: .95rem; }
  .table th, .table td { padding: 7px 9px; }
  #image-in, #image-out, #camera-in, #camera-out, #video-in, #video-out { height: 300px !important; }
}
"""

_SCRIPT = """
(() => {
  const words = WORDS[navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en"];
  const media = navigator.mediaDevices;
  let said = "";
  const show = () => {
    const place = document.querySelector("#camera-note");
    if (place && place.dataset.said !== said) {
      place.dataset.said = said;
      place.className = said ? "note bad" : "";
      place.textContent = said;
    }
  };
  const tell = (name) => { said = name ? words[name] : ""; show(); };
  const english = [[/^Video not playable/, "unplayable"], [/exceeds? the maximum/, "heavy"],
                   [/^(Connection|Could not|Failed to|NetworkError)/, "lost"]];
  const replace = () => {
    for (const toast of document.querySelectorAll("[data-testid=toast-body]")) {
      for (const text of toast.querySelectorAll("[data-testid=toast-text]")) {
        const found = english.find(([pattern]) => pattern.test(text.textContent.trim()));
        if (found) text.textContent = words[found[1]];
      }
      for (const node of toast.querySelector(".toast-title-row > span")?.childNodes ?? []) {
        if (/^(Error|Warning)$/.test(node.nodeValue?.trim())) node.nodeValue = words.notice;
      }
    }
    for (const part of document.querySelectorAll("#camera-in button div")) {
      for (const node of part.childNodes) {
        if (node.nodeValue?.trim() === "Click to Access Webcam") node.nodeValue = words.access;
      }
    }
  };
  // Gradio's check of a file's kind goes by its name, which tells the browser nothing of HEIC or MKV: the server looks
  const retyped = (files, kind) => {
    const given = new DataTransfer();
    for (const file of files) {
      const type = file.type.startsWith(`${kind}/`) ? file.type : `${kind}/x`;
      given.items.add(new File([file], file.name, { type }));
    }
    return given.files;
  };
  const kindAt = (event) => event.target.closest?.("#image-in, #video-in")?.id.split("-")[0];
  document.addEventListener("change", (event) => {
    const kind = kindAt(event);
    if (kind && event.target.type === "file") event.target.files = retyped(event.target.files, kind);
  }, true);
  document.addEventListener("drop", (event) => {
    const kind = kindAt(event), files = event.dataTransfer?.files;
    if (kind && files?.length) Object.defineProperty(event, "dataTransfer", { value: { files: retyped(files, kind) } });
  }, true);
  new MutationObserver(() => { show(); replace(); }).observe(document, { childList: true, subtree: true });
  if (!media || !media.getUserMedia) { tell("insecure"); return; }
  const kinds = { NotAllowedError: "denied", SecurityError: "denied", NotFoundError: "none",
                  OverconstrainedError: "none", NotReadableError: "busy", AbortError: "busy" };
  const ask = media.getUserMedia.bind(media);
  let running = null;
  media.getUserMedia = async (wanted) => {
    try {
      running = await ask(wanted);
      tell("");
      return running;
    } catch (error) {
      tell(kinds[error.name] || "busy");
      throw error;
    }
  };
  const look = async () => {
    const devices = await media.enumerateDevices();
    if (said === words.none && devices.some((device) => device.kind === "videoinput")) tell("");
  };
  media.addEventListener("devicechange", look);
  document.addEventListener("visibilitychange", () => {
    const on = running && running.getVideoTracks().some((track) => track.readyState === "live");
    if (document.hidden && on) tell("background");
    else if (!document.hidden && said === words.background) setTimeout(() => tell(""), 6000);
  });
})();
"""


def head() -> str:
    """What the head of the page gets: the script with its sentences."""
    texts = {**CAMERA, **OTHERS}
    words = {language: {name: texts[name][i] for name in texts} for i, language in enumerate(LANGUAGES)}
    content = json.dumps(words, ensure_ascii=False).replace("<", "\\u003c")
    return f"<script>const WORDS = {content};{_SCRIPT}</script>"
