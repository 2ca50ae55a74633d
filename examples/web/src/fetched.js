const BASE = new URL("../", import.meta.url);

/**
 * A file of the page.
 * @param {string} path
 * @returns {Promise<Response>}
 * @throws {Error} when the server does not have it
 */
export async function fetched(path) {
  const response = await fetch(new URL(path, BASE));
  if (!response.ok) throw new Error(`${path}: HTTP ${response.status}`);
  return response;
}
