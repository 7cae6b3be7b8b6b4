"""Every tensor of the published models, by name and shape, out of their architectures.

Names are those of this project's modules: the published ones with weight norm folded into `weight`. Tested against the
lists of the published files, so a mistake here shows.
"""

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class Tensor:
    name: str
    shape: tuple
    norm_dim: int | None = None  # published with weight norm, whose g keeps this dimension
    dead: str = ""  # why nothing here needs it; it may be absent and is never written
    values: tuple = ()  # a constant: what a file may hold and nothing else

    def norm_shape(self) -> tuple:
        """Of the published g."""
        return tuple(size if dim == self.norm_dim else 1 for dim, size in enumerate(self.shape))


@dataclasses.dataclass(frozen=True)
class Model:
    key: str
    about: str  # in a person's words
    file: str  # what its weights are called here
    licence: str
    parts: dict  # name of a part -> in words
    tensors: tuple


# Which spelling of weight norm -> the names of g and v behind the layer's own.
SPELLINGS = {
    "weight_g and weight_v": ("weight_g", "weight_v"),
    "parametrizations": ("parametrizations.weight.original0", "parametrizations.weight.original1"),
}


def layer(name: str, *shape: int, bias: bool = True, norm_dim: int | None = None, transposed: bool = False) -> list:
    """A convolution or a linear layer: shape is [out][in][kernel...], of a transposed one [in][out][kernel...]."""
    tensors = [Tensor(f"{name}.weight", shape, norm_dim)]
    return tensors + [Tensor(f"{name}.bias", (shape[1 if transposed else 0],))] * bias


def norm(name: str, size: int) -> list:
    return [Tensor(f"{name}.weight", (size,)), Tensor(f"{name}.bias", (size,))]


def wavenet(name: str, channels: int, stacks: int, blocks: int) -> list:
    tensors = layer(f"{name}.init_conv", channels, channels, 3) + layer(f"{name}.final_conv", channels, channels, 1)
    for stack in range(stacks):
        for block in range(blocks):
            here = f"{name}.stacks.{stack}.blocks.{block}"
            tensors += layer(f"{here}.conv", channels, channels, 3) + layer(f"{here}.res_conv", channels, channels, 1)
            if stack == stacks - 1:
                tensors += layer(f"{here}.skip_conv", channels, channels, 1)
    return tensors


def perceiver(name: str, data: int = 768, frames: int = 937, bands: int = 100) -> list:
    latents, width, heads = 32, 256, 8 * 128

    def attention(here: str, context: int, norm_context: bool) -> list:
        return (layer(f"{here}.fn.to_q", heads, width, bias=False)
                + layer(f"{here}.fn.to_kv", 2 * heads, context, bias=False)
                + layer(f"{here}.fn.to_out", width, heads) + norm(f"{here}.norm", width)
                + (norm(f"{here}.norm_context", context) if norm_context else []))

    def feed_forward(here: str) -> list:
        return (layer(f"{here}.fn.net.0", 8 * width, width) + layer(f"{here}.fn.net.2", width, 4 * width)
                + norm(f"{here}.norm", width))

    tensors = [Tensor(f"{name}.latents", (latents, width)), Tensor(f"{name}.queries", (frames, width))]
    tensors += attention(f"{name}.cross_attend_blocks.0", data, True) + feed_forward(f"{name}.cross_attend_blocks.1")
    for number in range(6):
        tensors += attention(f"{name}.layers.{number}.0", width, False) + feed_forward(f"{name}.layers.{number}.1")
    return tensors + attention(f"{name}.decoder_cross_attn", width, True) + layer(f"{name}.to_logits", bands, width)


def unet(name: str, dim: int = 64) -> list:
    def block(here: str, channels_in: int, channels: int) -> list:
        return layer(f"{here}.block.0", channels, channels_in, 3, 3) + norm(f"{here}.block.1", channels)

    def resnet(here: str, channels_in: int, channels: int) -> list:
        same = channels_in == channels
        return (layer(f"{here}.mlp.1", channels, dim) + block(f"{here}.block1", channels_in, channels)
                + block(f"{here}.block2", channels, channels)
                + ([] if same else layer(f"{here}.res_conv", channels, channels_in, 1, 1)))

    def attention(here: str, channels: int) -> list:
        inner = 4 * 32
        return ([Tensor(f"{here}.fn.g", (1,))] + layer(f"{here}.fn.fn.to_qkv", 3 * inner, channels, 1, 1, bias=False)
                + layer(f"{here}.fn.fn.to_out", channels, inner, 1, 1))

    widths = (dim, 2 * dim, 4 * dim)
    tensors = layer(f"{name}.mlp.0", 4 * dim, dim) + layer(f"{name}.mlp.2", dim, 4 * dim)
    for level, (before, width) in enumerate(zip((2, *widths), widths)):
        here = f"{name}.downs.{level}"
        tensors += resnet(f"{here}.0", before, width) + resnet(f"{here}.1", width, width)
        tensors += attention(f"{here}.2", width)
        tensors += layer(f"{here}.3.conv", width, width, 3, 3) if level < 2 else []
    tensors += resnet(f"{name}.mid_block1", widths[2], widths[2]) + attention(f"{name}.mid_attn", widths[2])
    tensors += resnet(f"{name}.mid_block2", widths[2], widths[2])
    for level, (before, width) in enumerate(((widths[2], widths[1]), (widths[1], widths[0]))):
        here = f"{name}.ups.{level}"
        tensors += resnet(f"{here}.0", 2 * before, width) + resnet(f"{here}.1", width, width)
        tensors += attention(f"{here}.2", width)
        tensors += layer(f"{here}.3.conv", width, width, 4, 4, transposed=True)
    return tensors + block(f"{name}.final_block", dim, dim) + layer(f"{name}.final_conv", 1, dim, 1, 1)


def kaiser_sinc(taps: int = 12, cutoff: float = 0.25, half_width: float = 0.3) -> tuple:
    """BigVGAN's anti-aliasing filter. Source: Kaiser's formula for beta, as BigVGAN's resampling uses it."""
    attenuation = 2.285 * (taps / 2 - 1) * math.pi * 4 * half_width + 7.95
    beta = 0.1102 * (attenuation - 8.7)

    def bessel(x: float) -> float:  # modified, of the first kind, order 0
        return sum((x / 2) ** (2 * k) / math.factorial(k) ** 2 for k in range(30))

    values = []
    for tap in range(taps):
        time = tap - (taps - 1) / 2
        window = bessel(beta * math.sqrt(1 - (2 * tap / (taps - 1) - 1) ** 2)) / bessel(beta)
        values.append(window * math.sin(2 * math.pi * cutoff * time) / (math.pi * time))
    return tuple(value / sum(values) for value in values)


def bigvgan(final_bias: bool) -> list:
    taps = kaiser_sinc()

    def convolution(here: str, *shape: int, **more) -> list:
        return layer(here, *shape, norm_dim=0, **more)

    def activation(here: str, channels: int) -> list:
        filters = [Tensor(f"{here}.{which}.filter", (1, 1, len(taps)), values=taps)
                   for which in ("upsample", "downsample.lowpass")]
        return [Tensor(f"{here}.act.alpha", (channels,)), Tensor(f"{here}.act.beta", (channels,)), *filters]

    channels, stages, kernels = 1536, (8, 8, 4, 4, 4, 4), (3, 7, 11)
    tensors = convolution("conv_pre", channels, 100, 7)
    for stage, up_kernel in enumerate(stages):
        tensors += convolution(f"ups.{stage}.0", channels, channels // 2, up_kernel, transposed=True)
        channels //= 2
        for number, kernel in enumerate(kernels):
            here = f"resblocks.{stage * len(kernels) + number}"
            for dilation in range(3):
                for convs in ("convs1", "convs2"):
                    tensors += convolution(f"{here}.{convs}.{dilation}", channels, channels, kernel)
            for position in range(6):
                tensors += activation(f"{here}.activations.{position}", channels)
    return (tensors + activation("activation_post", channels)
            + convolution("conv_post", 1, channels, 7, bias=final_bias))


def mert() -> list:
    width, inner, convolved = 768, 3072, 512
    tensors = [Tensor("masked_spec_embed", (width,), dead="needed in pre-training only")]
    for number, kernel in enumerate((10, 3, 3, 3, 3, 2, 2)):
        here = f"feature_extractor.conv_layers.{number}"
        tensors += layer(f"{here}.conv", convolved, convolved if number else 1, kernel, bias=False)
        tensors += [] if number else norm(f"{here}.layer_norm", convolved)
    tensors += norm("feature_projection.layer_norm", convolved)
    tensors += layer("feature_projection.projection", width, convolved)
    tensors += layer("encoder.pos_conv_embed.conv", width, width // 16, 128, norm_dim=2)
    tensors += norm("encoder.layer_norm", width)
    for number in range(12):
        here = f"encoder.layers.{number}"
        this = [tensor for which in "kvq" for tensor in layer(f"{here}.attention.{which}_proj", width, width)]
        this += layer(f"{here}.attention.out_proj", width, width) + norm(f"{here}.layer_norm", width)
        this += layer(f"{here}.feed_forward.intermediate_dense", inner, width)
        this += layer(f"{here}.feed_forward.output_dense", width, inner) + norm(f"{here}.final_layer_norm", width)
        if number == 11:
            why = "FastSAG reads layer 7, evaluation up to layer 11"
            this = [dataclasses.replace(tensor, dead=why) for tensor in this]
        tensors += this
    return tensors


FASTSAG = Model(
    "fastsag", "FastSAG, the accompanist: semantic features of a voice -> mel of its accompaniment",
    "fastsag.safetensors",
    "FastSAG's authors published the weights without a licence that we know of: ask them before you pass them on",
    {"semantic_encoder.0": "semantic WaveNet", "semantic_encoder.1": "Perceiver-IO", "mixed_encoder": "prior WaveNet",
     "decoder": "denoiser: U-Net"},
    tuple(wavenet("semantic_encoder.0", 768, 8, 8) + perceiver("semantic_encoder.1")
          + wavenet("mixed_encoder", 100, 4, 8) + unet("decoder.estimator")))

BIGVGAN_PARTS = {"conv_pre": "mel -> 1536 channels", "ups": "upsampling, 256 times in all",
                 "resblocks": "anti-aliased residual blocks", "activation_post": "last activation",
                 "conv_post": "to one channel of sound"}
BIGVGAN_V1 = Model(
    "bigvgan_24khz_100band", "BigVGAN 24 kHz 100 band, version 1 (the paper's vocoder): mel -> sound",
    "bigvgan.safetensors", "MIT (NVIDIA)", BIGVGAN_PARTS, tuple(bigvgan(final_bias=True)))
BIGVGAN_V2 = Model(
    "bigvgan_v2_24khz_100band_256x", "BigVGAN 24 kHz 100 band 256x, version 2: mel -> sound", "bigvgan.safetensors",
    "MIT (NVIDIA)", BIGVGAN_PARTS, tuple(bigvgan(final_bias=False)))

MERT = Model(
    "mert_v1_95m", "MERT-v1-95M without its last layer: 24 kHz sound -> semantic features", "mert.safetensors",
    "CC BY-NC 4.0 (m-a-p): not for commercial use",
    {"feature_extractor": "convolutions, 320 samples a frame", "feature_projection": "512 -> 768 channels",
     "encoder": "transformer, 11 of 12 layers"},
    tuple(mert()))
