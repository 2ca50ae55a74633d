"""Turn the ONNX file of a YOLOX network into a checkpoint with YOLOX's state-dict keys, ready for fine-tuning.

    pip install onnx
    python examples/embedded/yolox_from_onnx.py yolox_nano_coco.onnx CONFIG.py OUT.pth [--images FOLDER]

An export has no batch norms any more: each is folded into the weights and the bias of its convolution. The convolutions
come in the order in which the network computes them, so the n-th of the file is the n-th of the network that CONFIG.py
describes (`modelscope_handkp.model_dir.yolox_settings`). A convolution's weights are taken as they are, and the batch
norm behind it gets the bias and changes nothing else: weight 1, mean 0, and the variance 1 - eps, so that the root of
variance and eps is 1.

Such a batch norm knows nothing of its inputs, and a training that normalises with the statistics of a batch would begin
with other outputs. With --images, a folder of any images, the batch norms get the mean and variance of their inputs on
some of them, and the weight and bias that leave the outputs as they are.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from loop import restate_batch_norms
from torch import Tensor, nn
from tqdm import tqdm

from modelscope_handkp.detection.yolox import letterbox, network_input
from modelscope_handkp.errors import CheckpointError, HandkpError, MissingFileError, MissingPackageError
from modelscope_handkp.model_dir.checkpoint import load_weights
from modelscope_handkp.model_dir.config import read_python_config
from modelscope_handkp.model_dir.yolox_settings import YOLOXSettings
from modelscope_handkp.networks.yolox import YOLOX, build_yolox
from modelscope_handkp.sources.images import load_image
from modelscope_handkp.sources.listing import images_in

RESTATED_ON = 64  # images

Folded = tuple[Tensor, Tensor]  # weight and bias of a convolution with its batch norm


def main() -> None:
    """Read the ONNX file and write the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("onnx", type=Path)
    parser.add_argument("config", type=Path, help="the network's configuration, with its number of classes")
    parser.add_argument("out", type=Path)
    parser.add_argument("--images", type=Path, help="folder with images that give the batch norms their statistics")
    args = parser.parse_args()
    settings = YOLOXSettings.parse(read_python_config(args.config))
    network = build_yolox(settings).eval()
    load_weights(network, state_dict(network, convolutions(args.onnx)), args.onnx)
    if args.images:
        sources = images_in(args.images)
        if not sources:
            parser.error(f"{args.images} holds no images")
        chosen = sources[:: max(1, len(sources) // RESTATED_ON)][:RESTATED_ON]
        restate_batch_norms(network, lambda: run(network, chosen, settings))
    torch.save({"model": network.state_dict()}, args.out)


def convolutions(path: Path) -> list[Folded]:
    """The convolutions of an ONNX file, in its order.

    Raises:
        MissingPackageError: without onnx. MissingFileError, CheckpointError: no such file, or none with convolutions
            that have weights and a bias.
    """
    try:
        import onnx
        from onnx.numpy_helper import to_array
    except ImportError:
        raise MissingPackageError("reading ONNX files needs onnx: pip install onnx") from None
    if not path.is_file():
        raise MissingFileError(f"{path} does not exist.")
    try:
        graph = onnx.load(str(path)).graph
        values = {tensor.name: torch.from_numpy(to_array(tensor).copy()) for tensor in graph.initializer}
        return [(values[node.input[1]], values[node.input[2]]) for node in graph.node if node.op_type == "Conv"]
    except Exception as error:  # whatever a decoder raises on a file of another kind
        raise CheckpointError(
            f"{path} is no ONNX file of a network whose convolutions have constant weights and biases: "
            f"{type(error).__name__}: {error!s:.200}."
        ) from None


def state_dict(network: YOLOX, folded: list[Folded]) -> dict[str, Tensor]:
    """The state dict of a network whose outputs are those of the folded convolutions, in their order."""
    state = dict(network.state_dict())
    names = order_of_convolutions(network)
    if len(names) != len(folded):
        raise SystemExit(f"the file has {len(folded)} convolutions, the configured network {len(names)}.")
    for name, (weight, bias) in zip(names, folded):
        state[f"{name}.weight"] = weight
        if name.endswith(".conv"):
            norm = name[: -len("conv")] + "bn"
            one = torch.ones_like(bias)
            state |= {f"{norm}.weight": one, f"{norm}.bias": bias, f"{norm}.running_mean": torch.zeros_like(bias)}
            state[f"{norm}.running_var"] = one - network.get_submodule(norm).eps
        else:
            state[f"{name}.bias"] = bias
    return state


@torch.no_grad()
def order_of_convolutions(network: YOLOX) -> list[str]:
    """Their names in the order in which the network computes them."""
    order: list[str] = []
    hooks = [
        module.register_forward_hook(lambda *_, name=name: order.append(name))
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d)
    ]
    network(torch.zeros(1, 3, 64, 64))
    for hook in hooks:
        hook.remove()
    return order


@torch.no_grad()
def run(network: YOLOX, sources: list[str], settings: YOLOXSettings) -> None:
    """Pass images through a network, each scaled as the detector does it."""
    for source in tqdm(sources, unit="image"):
        image, _ = letterbox(load_image(source), settings.input_size)
        network(network_input([image], settings.normalised))


if __name__ == "__main__":
    try:
        main()
    except HandkpError as error:
        raise SystemExit(f"error: {error}") from None
