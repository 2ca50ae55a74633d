"""An image to hand keypoints with numpy, OpenCV and ONNX Runtime alone, from a model that was exported with

    modelscope-handkp export --decode --out DIR

python onnx_inference.py DIR IMAGE [--out DRAWN.png]

Prints the hands as JSON: each with its box and keypoints (x, y in image pixels, score) and a confidence. It looks once
at each box of the detector; `HandEstimator` of the package also looks again where a hand lies beside its box.
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

CANDIDATES = 16  # boxes that are looked at


def load(folder, part):
    return onnxruntime.InferenceSession(str(folder / part["file"]), providers=["CPUExecutionProvider"])


def network_input(image, about):
    """An image (H, W, 3) uint8 BGR -> (1, 3, H, W) float32, normalised as export.json says."""
    channels = image[..., ::-1] if about["colours"] == "RGB" else image
    normalised = (channels - np.array(about["mean"])) / np.array(about["std"])
    return normalised.transpose(2, 0, 1)[None].astype(np.float32)


def detect(image, session, about):
    """Boxes (N, 4) x0, y0, x1, y1 in image pixels and scores (N,), best first."""
    shape, (height, width) = about["input"], image.shape[:2]
    if shape["resize"] == "letterbox":  # the ratio of the sides is kept; grey at the right and below
        scale = np.full(2, shape["size"] / max(height, width))
        new = np.maximum((np.array([width, height]) * scale).astype(int), 1)
        right, below = (-new % shape["step"]).tolist()
        grey = [shape["padding"]] * 3
        resized = cv2.copyMakeBorder(
            cv2.resize(image, new.tolist()), 0, below, 0, right, cv2.BORDER_CONSTANT, value=grey
        )
    else:
        scale = shape["size"] / np.array([width, height])
        resized = cv2.resize(image, (shape["size"], shape["size"]))
    boxes, scores = (output[0] for output in session.run(None, {shape["name"]: network_input(resized, shape)}))
    boxes = np.clip(boxes / [*scale, *scale], 0, [width, height, width, height])
    sides = boxes[:, 2:] - boxes[:, :2]
    found = (scores > about["score_threshold"]) & (sides > 0).all(axis=1)
    boxes, scores, xywh = boxes[found], scores[found], np.hstack([boxes, sides])[found][:, [0, 1, 4, 5]]
    kept = cv2.dnn.NMSBoxes(xywh.tolist(), scores.tolist(), 0.0, about["iou_threshold"])
    kept = np.array(kept, int).reshape(-1)[: min(about["at_most"], CANDIDATES)]
    return boxes[kept], scores[kept]


def keypoints_of(image, box, session, about):
    """(21, 3): x, y in image pixels and score."""
    height, width = about["input"]["shape"][2:]
    sides = box[2:] - box[:2]
    zoom = 1 / (about["crop"]["padding"] * (sides / [width, height]).max())  # crop pixels of an image pixel
    shift = np.array([width, height]) / 2 - zoom * (box[:2] + box[2:]) / 2
    crop = cv2.warpAffine(image, np.array([[zoom, 0, shift[0]], [0, zoom, shift[1]]]), (width, height))
    keypoints = session.run(None, {about["input"]["name"]: network_input(crop, about["input"])})[0][0]
    return np.hstack([(keypoints[:, :2] - shift) / zoom, keypoints[:, 2:]])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("image")
    parser.add_argument("--out", help="where to write the image with the hands drawn")
    arguments = parser.parse_args()
    about = json.loads((arguments.folder / "export.json").read_text())
    if about["format"] != "onnx" or about["keypoints"]["output"]["name"] != "keypoints":
        parser.error(f"{arguments.folder} holds no ONNX model with its decoding: export it with --decode")
    image = cv2.imread(arguments.image)
    if image is None:
        parser.error(f"{arguments.image} is no image that OpenCV reads")

    boxes, scores = np.array([[0, 0, image.shape[1], image.shape[0]]]), np.ones(1)  # without a detector
    if "detector" in about:
        boxes, scores = detect(image, load(arguments.folder, about["detector"]), about["detector"])
    session, hands = load(arguments.folder, about["keypoints"]), []
    for box, score in zip(boxes, scores):
        keypoints = keypoints_of(image, box, session, about["keypoints"])
        confidence = score**0.25 * keypoints[:, 2].mean()  # as pose/refine.py; heatmaps stay low where no hand is
        if confidence >= (about["keypoints"]["hand_threshold"] or 0):
            hands.append({"box": box.tolist(), "confidence": float(confidence), "keypoints": keypoints.tolist()})
            points = keypoints[:, :2].round().astype(int).tolist()
            for first, second in about["keypoints"]["links"]:
                cv2.line(image, points[first], points[second], (0, 255, 0), 2)
    print(json.dumps(hands, indent=2))
    if arguments.out:
        cv2.imwrite(arguments.out, image)


if __name__ == "__main__":
    main()
