"""Small ViTs, and their weights in the files that others write."""

import numpy as np
import timm
import torch
from safetensors.torch import save_file


def tiny(seed=0, depth=2, size=16, num_classes=5, dim=16, patch=4):
    torch.manual_seed(seed)
    options = {"img_size": size, "patch_size": patch, "embed_dim": dim, "depth": depth, "num_heads": 2}
    network = timm.create_model("vit_tiny_patch16_224", num_classes=num_classes, **options)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_()  # biases too: what is zero in both networks would prove nothing
    return network


def equal(one, other, but=()):
    """Return whether two networks are equal in all tensors but those named."""
    a, b = one.state_dict(), other.state_dict()
    return all(torch.equal(a[name], b[name]) for name in a if name not in but)


def google(network, prefix="", stacked=False):
    """Return the weights of a timm ViT in the layout of Google's .npz files (`stacked`: that of Big Vision)."""
    state = {name: value.numpy() for name, value in network.state_dict().items()}
    dim, heads = network.embed_dim, network.blocks[0].attn.num_heads
    out = {
        "embedding/kernel": state["patch_embed.proj.weight"].transpose(2, 3, 1, 0),
        "embedding/bias": state["patch_embed.proj.bias"],
        "cls": state["cls_token"],
        "pos_embedding" if stacked else "Transformer/posembed_input/pos_embedding": state["pos_embed"],
        "Transformer/encoder_norm/scale": state["norm.weight"],
        "Transformer/encoder_norm/bias": state["norm.bias"],
        "head/kernel": state["head.weight"].T,
        "head/bias": state["head.bias"],
    }
    attention, mlp, norm = ("MultiHeadDotProductAttention_0", "MlpBlock_0", "LayerNorm_1")
    if not stacked:
        attention, mlp, norm = ("MultiHeadDotProductAttention_1", "MlpBlock_3", "LayerNorm_2")
    blocks = []
    for i in range(len(network.blocks)):
        own = {name.removeprefix(f"blocks.{i}."): v for name, v in state.items() if name.startswith(f"blocks.{i}.")}
        block = {}
        weights, biases = np.split(own["attn.qkv.weight"], 3), np.split(own["attn.qkv.bias"], 3)
        for part, weight, bias in zip(("query", "key", "value"), weights, biases, strict=True):
            block[f"{attention}/{part}/kernel"] = weight.T.reshape(dim, heads, dim // heads)
            block[f"{attention}/{part}/bias"] = bias.reshape(heads, dim // heads)
        block[f"{attention}/out/kernel"] = own["attn.proj.weight"].T.reshape(heads, dim // heads, dim)
        block[f"{attention}/out/bias"] = own["attn.proj.bias"]
        for theirs, ours in (("LayerNorm_0", "norm1"), (norm, "norm2")):
            block[f"{theirs}/scale"], block[f"{theirs}/bias"] = own[f"{ours}.weight"], own[f"{ours}.bias"]
        for number in range(2):
            block[f"{mlp}/Dense_{number}/kernel"] = own[f"mlp.fc{number + 1}.weight"].T
            block[f"{mlp}/Dense_{number}/bias"] = own[f"mlp.fc{number + 1}.bias"]
        blocks.append(block)
    if stacked:
        out |= {f"Transformer/encoderblock/{name}": np.stack([block[name] for block in blocks]) for name in blocks[0]}
    else:
        for i, block in enumerate(blocks):
            out |= {f"Transformer/encoderblock_{i}/{name}": value for name, value in block.items()}
    return {prefix + name: value for name, value in out.items()}


def saved(path, state):
    """Save by the suffix of the path."""
    if path.suffix == ".safetensors":
        save_file(state, path)
    elif path.suffix == ".npz":
        np.savez(path, **state)
    else:
        torch.save(state, path)
    return path
