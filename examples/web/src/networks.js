// The exported networks in ONNX Runtime: on the GPU through WebGPU where there is one, else in WebAssembly.

const MOST_THREADS = 4; // more wait for one another: the networks are small
const GZIP = [0x1f, 0x8b]; // how a compressed file begins

/**
 * One network in a session of ONNX Runtime.
 */
export class Network {
  /**
   * @param {object} runtime the module of ONNX Runtime
   * @param {object} session
   */
  constructor(runtime, session) {
    this.runtime = runtime;
    this.session = session;
  }

  /**
   * @param {Float32Array} data
   * @param {number[]} shape [1, 3, height, width]
   * @returns {Promise<Record<string, Float32Array>>} the outputs by their names
   */
  async run(data, shape) {
    const input = new this.runtime.Tensor("float32", data, shape);
    const outputs = await this.session.run({ [this.session.inputNames[0]]: input });
    return Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, tensor.data]));
  }
}

/**
 * What computes: "webgpu" or "wasm"; and on how many threads.
 * @typedef {{backend: "webgpu" | "wasm", threads: number}} Computer
 */

/**
 * Loads the networks of an exported model. Where the GPU fails, WebAssembly takes its place.
 * @param {object} about export.json
 * @param {URL} base the folder of the page
 * @param {(path: string) => Promise<ArrayBuffer>} load a file of the page by its path
 * @param {string | null} wanted a backend to take in place of the best
 * @returns {Promise<{networks: Record<string, Network>, computer: Computer}>}
 */
export async function loadNetworks(about, base, load, wanted) {
  const parts = ["keypoints", "detector"].filter((part) => about[part]);
  const weights = Object.fromEntries(parts.map((part) => [part, load(`model/${about[part].file}`)]));
  const gpu = wanted === "wasm" ? null : await findGpu(wanted === "webgpu");
  if (gpu) {
    try {
      return await openAll("webgpu", base, load, parts, weights, about);
    } catch (error) {
      console.warn(`WebGPU cannot run the networks, WebAssembly does: ${error.message}`);
    }
  }
  return openAll("wasm", base, load, parts, weights, about);
}

/** @param {boolean} software also take an adapter that computes on the processor */
async function findGpu(software) {
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" }).catch(() => null);
  const isSoftware = adapter?.info?.isFallbackAdapter || adapter?.isFallbackAdapter;
  return adapter && (software || !isSoftware) ? adapter : null;
}

async function openAll(backend, base, load, parts, weights, about) {
  const [runtime, binary] = await Promise.all([
    import(new URL(`vendor/ort.${backend}.js`, base)),
    load(`vendor/ort.${backend}.wasm.gz`).then(unpacked),
  ]);
  const threads = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency || 1, MOST_THREADS) : 1;
  runtime.env.wasm.wasmBinary = binary;
  runtime.env.wasm.numThreads = threads;
  runtime.env.logLevel = "error";
  const networks = {};
  for (const part of parts) {
    const options = { executionProviders: [backend], graphOptimizationLevel: "all", logSeverityLevel: 3 }; // errors
    const session = await runtime.InferenceSession.create(new Uint8Array(await weights[part]), options);
    networks[part] = new Network(runtime, session);
    await networks[part].run(...trial(about[part].input));
  }
  return { networks, computer: { backend, threads } };
}

/** An input of zeros, which shows whether the network runs, and readies it. */
function trial({ shape, size, step }) {
  const [height, width] = shape.slice(2).map((side) => (Number.isInteger(side) ? side : size - (size % step)));
  return [new Float32Array(3 * height * width), [1, 3, height, width]];
}

/** @param {ArrayBuffer} content of a gzip file; some servers and browsers have unpacked it already */
async function unpacked(content) {
  const bytes = new Uint8Array(content);
  const isPacked = GZIP.every((byte, i) => byte === bytes[i]);
  if (!isPacked) return content;
  return new Response(new Blob([content]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}
