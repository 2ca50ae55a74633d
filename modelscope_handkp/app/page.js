// What is the matter with a camera, in words, and words of Gradio that it does not translate. WORDS: see look.py.
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
