// Threads: the page loads once more behind its own service worker, which adds the headers that they need.

const PATIENCE = 4000; // milliseconds that the service worker may take; then the page does with one thread
const TRIED = "isolation tried";

/**
 * Returns when threads are there or cannot be had; does not return while the page loads again.
 * @returns {Promise<void>}
 */
export async function isolate() {
  const worker = navigator.serviceWorker; // only on https pages and localhost
  if (self.crossOriginIsolated || !worker || navigator.hardwareConcurrency === 1) return;
  try {
    if (sessionStorage.getItem(TRIED)) return;
    await worker.register(new URL("../isolation.js", import.meta.url));
    const isReady = await Promise.race([worker.ready, new Promise((resolve) => setTimeout(resolve, PATIENCE))]);
    if (!isReady) return;
    sessionStorage.setItem(TRIED, "yes");
  } catch {
    return; // a private window may refuse it
  }
  location.reload();
  await new Promise(() => {});
}
