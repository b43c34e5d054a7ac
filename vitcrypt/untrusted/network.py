"""How a bundle, a result or a configuration names a network: one of a few, with numbers and short words."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from vitcrypt.untrusted.documents import Document, Share, Side, explain

Count = Annotated[int, Field(ge=1, le=10_000)]
Counts = Annotated[list[Count], Field(min_length=1, max_length=16)]
Depth = Annotated[int, Field(ge=1, le=300)]
Depths = Annotated[list[Annotated[int, Field(ge=1, le=200)]], Field(min_length=1, max_length=16)]
Factor = Annotated[float, Field(ge=0, le=10_000, allow_inf_nan=False)]
Word = Annotated[str, Field(pattern=r"^[a-z0-9_]{0,32}$")]
Sides = Side | Annotated[list[Side], Field(min_length=2, max_length=2)]


class _Network(Document):
    def values(self) -> dict[str, Any]:
        """Return the arguments that were named."""
        return self.model_dump(exclude={"target"}, exclude_unset=True)


class TimmNetwork(_Network):
    """An architecture of timm: sizes, depths and widths. Never weights, files or addresses."""

    target: Literal["timm.create_model"] = Field(alias="_target_")
    model_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,100}(\.[A-Za-z0-9_]{1,100})?$")]
    img_size: Sides | None = None
    patch_size: Sides | None = None
    in_chans: Annotated[int, Field(ge=1, le=64)] | None = None
    embed_dim: Count | Counts | None = None
    embed_dims: Counts | None = None
    dims: Counts | None = None
    depth: Depth | Depths | None = None
    depths: Depths | None = None
    num_heads: Count | Counts | None = None
    layers: Depths | None = None
    channels: Counts | None = None
    widths: Counts | None = None
    stem_width: Count | None = None
    stem_size: Count | None = None
    num_features: Count | None = None
    head_hidden_size: Count | None = None
    cardinality: Count | None = None
    base_width: Count | None = None
    kernel_size: Side | None = None
    kernel_sizes: Side | Annotated[list[Side], Field(min_length=1, max_length=16)] | None = None
    output_stride: Side | None = None
    window_size: Side | None = None
    mlp_ratio: Factor | Annotated[list[Factor], Field(min_length=1, max_length=16)] | None = None
    mlp_ratios: Annotated[list[Factor], Field(min_length=1, max_length=16)] | None = None
    expand_ratio: Factor | None = None
    head_init_scale: Factor | None = None
    init_values: Factor | None = None
    ls_init_value: Factor | None = None
    layer_scale_init_value: Factor | None = None
    norm_eps: Factor | None = None
    reg_tokens: Annotated[int, Field(ge=0, le=64)] | None = None
    qkv_bias: bool | None = None
    qk_norm: bool | None = None
    proj_bias: bool | None = None
    class_token: bool | None = None
    no_embed_class: bool | None = None
    pre_norm: bool | None = None
    final_norm: bool | None = None
    fc_norm: bool | None = None
    dynamic_img_size: bool | None = None
    dynamic_img_pad: bool | None = None
    zero_init_last: bool | None = None
    conv_mlp: bool | None = None
    use_grn: bool | None = None
    stem_type: Word | None = None
    pad_type: Word | None = None
    pos_embed: Word | None = None
    global_pool: Word | None = None
    weight_init: Word | None = None
    act_layer: Word | None = None
    norm_layer: Word | None = None
    drop_rate: Share | None = None
    pos_drop_rate: Share | None = None
    patch_drop_rate: Share | None = None
    proj_drop_rate: Share | None = None
    attn_drop_rate: Share | None = None
    drop_path_rate: Share | None = None


class ResNet18Network(_Network):  # noqa: D101
    target: Literal["vitcrypt.models.ResNet18"] = Field(alias="_target_")
    width: Count = 64


class PyramidNetwork(_Network):  # noqa: D101
    target: Literal["vitcrypt.models.PyramidNet"] = Field(alias="_target_")
    depth: Depth = 110
    alpha: Factor = 270
    last_keep: Share = 0.5
    gate: Literal["batch", "sample"] = "batch"


class ConvMixerNetwork(_Network):  # noqa: D101
    target: Literal["vitcrypt.models.ConvMixer"] = Field(alias="_target_")
    dim: Count = 256
    depth: Depth = 8
    kernel_size: Side = 5
    patch_size: Side = 4


class OrbitValues(_Network):  # noqa: D101
    target: Literal["vitcrypt.models.OrbitNetwork"] = Field(alias="_target_")
    scheme: Word
    block_size: Side = 4
    image_size: Side = 32
    embed_dim: Count = 64
    depth: Depth = 4
    num_heads: Count = 4


NetworkValues = TimmNetwork | ResNet18Network | PyramidNetwork | ConvMixerNetwork | OrbitValues
Network = Annotated[NetworkValues, Field(discriminator="target")]
_NETWORK: TypeAdapter[NetworkValues] = TypeAdapter(Network, config=ConfigDict(defer_build=True))


class ModelValues(Document):
    """What a network is made from.

    Args:
        network: The network itself.
        adaptation: What stands in front of it.
        patch_embedding: What a ViT's first layer is.
        patch_size: Of a ViT; None for others.
        block_size: Of the encryption, as the adaptation network sees it.
    """

    network: Network
    adaptation: Literal["none", "le", "ele"]
    patch_embedding: Literal["shared", "per_position", "shared_nibbles", "per_position_nibbles"] = "shared"
    patch_size: Side | None = None
    block_size: Side


def network_values(node: Any, place: str) -> NetworkValues:
    """Return a node as the network that it names; `place` says where it stands.

    Raises:
        ValueError: It names another, or arguments that no description of a network may have.
    """
    try:
        return _NETWORK.validate_python(node)
    except ValidationError as error:
        raise ValueError(f"{place} names no network that can be built: {explain(error)}") from None
