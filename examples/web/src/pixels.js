// Images -> network inputs, by the same bilinear interpolation as OpenCV's resize and warpAffine.

/**
 * An image of the canvas: RGBA, row by row. `ImageData` is one.
 * @typedef {{data: Uint8ClampedArray, width: number, height: number}} Image
 */

/**
 * How a network takes its colours: `input` of a network in export.json.
 * @typedef {{colours: "RGB" | "BGR", mean: number[], std: number[]}} Colours
 */

/**
 * A network input under construction: three planes of `width` x `height` float32 values.
 */
export class Planes {
  /**
   * @param {number} width pixels
   * @param {number} height pixels
   * @param {Colours} colours
   */
  constructor(width, height, { colours, mean, std }) {
    this.width = width;
    this.height = height;
    this.data = new Float32Array(3 * width * height);
    this.channels = colours === "RGB" ? [0, 1, 2] : [2, 1, 0]; // of the image, plane by plane
    this.mean = mean;
    this.std = std;
  }

  /** The shape of a batch of one. */
  get shape() {
    return [1, 3, this.height, this.width];
  }

  /**
   * Fills everything with one grey level, 0 to 255.
   * @param {number} level
   */
  fill(level) {
    const size = this.width * this.height;
    for (let plane = 0; plane < 3; plane++) {
      this.data.fill((level - this.mean[plane]) / this.std[plane], plane * size, (plane + 1) * size);
    }
  }

  /**
   * Draws an image into the upper left corner, resampled.
   * @param {Image} image
   * @param {Steps} across for each column of the input, where it comes from
   * @param {Steps} down for each row
   */
  draw(image, across, down) {
    const { data } = image;
    const size = this.width * this.height;
    const rows = down.first.length;
    const columns = across.first.length;
    for (let plane = 0; plane < 3; plane++) {
      const channel = this.channels[plane];
      const mean = this.mean[plane];
      const std = this.std[plane];
      for (let y = 0; y < rows; y++) {
        const above = 4 * image.width * down.first[y] + channel;
        const below = 4 * image.width * down.second[y] + channel;
        let place = plane * size + y * this.width;
        for (let x = 0; x < columns; x++) {
          const left = 4 * across.first[x];
          const right = 4 * across.second[x];
          const top = across.near[x] * data[above + left] + across.far[x] * data[above + right];
          const bottom = across.near[x] * data[below + left] + across.far[x] * data[below + right];
          this.data[place++] = (Math.round(down.near[y] * top + down.far[y] * bottom) - mean) / std;
        }
      }
    }
  }
}

/**
 * Along one side: the two image pixels between which each input pixel lies, and what each of them counts.
 * @typedef {{first: Int32Array, second: Int32Array, near: Float32Array, far: Float32Array}} Steps
 */

/**
 * The steps of a resize: pixel centres keep their place, and the border is repeated.
 * @param {number} from pixels of the image's side
 * @param {number} to pixels of the input's side
 * @returns {Steps}
 */
export function resizeSteps(from, to) {
  return steps(to, (i) => Math.min(Math.max(((i + 0.5) * from) / to - 0.5, 0), from - 1), from);
}

/**
 * The steps of a crop: the input's pixel i comes from (i - shift) / zoom, and beyond the image everything is 0.
 * @param {number} from pixels of the image's side
 * @param {number} to pixels of the crop's side
 * @param {number} zoom crop pixels of an image pixel
 * @param {number} shift crop pixels
 * @returns {Steps}
 */
export function cropSteps(from, to, zoom, shift) {
  return steps(to, (i) => (i - shift) / zoom, from);
}

/**
 * @param {number} count
 * @param {(index: number) => number} placeOf where a pixel lies in the image
 * @param {number} side pixels of the image
 * @returns {Steps}
 */
function steps(count, placeOf, side) {
  const first = new Int32Array(count);
  const second = new Int32Array(count);
  const near = new Float32Array(count);
  const far = new Float32Array(count);
  const inside = (place) => place >= 0 && place < side;
  for (let i = 0; i < count; i++) {
    const place = placeOf(i);
    const low = Math.floor(place);
    const part = place - low;
    first[i] = Math.min(Math.max(low, 0), side - 1);
    second[i] = Math.min(Math.max(low + 1, 0), side - 1);
    near[i] = inside(low) ? 1 - part : 0;
    far[i] = inside(low + 1) ? part : 0;
  }
  return { first, second, near, far };
}
