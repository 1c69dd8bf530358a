"""The networks that importers are proven on: timm, transformers, torchvision and plain torch.

None loads weights or downloads anything. Call `Network.make()` under `torch.device("meta")` to
record a network, and as it is to export or run it. Names of timm are its own; those of the other
groups carry a prefix (`tv_`, `hf_`, `own_`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from onnx_bench.torchvision_shim import install

CLASSES, TOKENS, SHALLOW = 1000, 64, 2

HF = {
    "hf-encoder": """albert bert big_bird camembert canine convbert data2vec-text deberta deberta-v2
        distilbert electra ernie esm fnet ibert layoutlm longformer luke megatron-bert mobilebert
        modernbert mpnet mra nomic_bert nystromformer reformer rembert roberta roberta-prelayernorm
        roformer splinter squeezebert xlm xlm-roberta xlnet xmod yoso""",
    "hf-decoder": """biogpt bloom codegen ctrl falcon falcon_mamba gemma gemma2 gemma3_text glm gpt2
        gpt_bigcode gpt_neo gpt_neox gptj granite helium llama mamba mamba2 mistral mpt olmo olmo2
        openai-gpt opt persimmon phi phi3 qwen2 qwen2_moe qwen3 recurrent_gemma rwkv smollm3
        stablelm starcoder2 xglm""",
    "hf-encoder-decoder": """bart blenderbot blenderbot-small fsmt led longt5 m2m_100 marian mbart
        mt5 pegasus pegasus_x plbart switch_transformers t5 umt5""",
    "hf-vision": """beit bit clip_vision_model conditional_detr convnext convnextv2 data2vec-vision
        deformable_detr deit detr dinov2 dinov2_with_registers dinov3_vit donut-swin dpt
        efficientnet focalnet glpn hiera ijepa levit mobilenet_v1 mobilenet_v2 mobilevit mobilevitv2
        poolformer pvt pvt_v2 regnet resnet rt_detr segformer siglip_vision_model swiftformer swin
        swin2sr swinv2 timesformer videomae vit vit_msn vitdet yolos""",
    "hf-audio": """audio-spectrogram-transformer data2vec-audio hubert moonshine sew sew-d
        speech_to_text unispeech unispeech-sat wav2vec2 wav2vec2-conformer wavlm whisper""",
}
HF_DEPTHS = """num_hidden_layers num_layers encoder_layers decoder_layers num_encoder_layers
    num_decoder_layers encoder_num_hidden_layers decoder_num_hidden_layers n_layer n_layers"""
HF_STEADY = {  # what training would otherwise draw outside the graph
    "layerdrop": 0.0,
    "encoder_layerdrop": 0.0,
    "decoder_layerdrop": 0.0,
    "apply_spec_augment": False,
    "use_cache": False,
}
HF_EXTRA: Mapping[str, Mapping[str, Any]] = {  # defaults that do not hold together by themselves
    "esm": {"vocab_size": 33, "pad_token_id": 1, "mask_token_id": 32},
    "xmod": {"default_language": "en_XX"},
    "gpt_neo": {"num_layers": 2, "attention_types": [[["global", "local"], 1]]},
}
HF_SHAPES: Mapping[str, tuple[int, ...]] = {  # where it is no image of `image_size`, no waveform
    "audio-spectrogram-transformer": (1, 1024, 128),
    "speech_to_text": (1, 256, 80),
    "timesformer": (1, 8, 3, 224, 224),
    "videomae": (1, 16, 3, 224, 224),
    "whisper": (1, 80, 3000),
}
SAMPLE = """own_mlp own_plain_cnn own_preactivation own_separable own_conv1d own_lstm
    own_lstm_two_layers own_lstm_bidirectional own_gru own_rnn own_conv_lstm own_attention
    own_transformer own_vae own_unet_transposed own_unet_resized
    resnet18 resnet50 vgg11 vgg11_bn mobilenetv3_small_100 efficientnet_b0 mnasnet_small
    densenet121 regnetx_002 regnety_002 nf_regnet_b0 dm_nfnet_f0 inception_v3 ghostnet_100
    convnext_atto convnextv2_atto mixer_s32_224 resmlp_12_224 vit_tiny_patch16_224
    deit_tiny_patch16_224 swin_tiny_patch4_window7_224 poolformer_s12 xcit_nano_12_p16_224 coat_tiny
    mobilevit_s levit_128s
    tv_squeezenet1_1 tv_shufflenet_v2_x0_5 tv_googlenet tv_lraspp_mobilenet_v3_large
    tv_fcn_resnet50 tv_resnet50_fpn
    hf_bert hf_distilbert hf_electra hf_deberta-v2 hf_gpt2 hf_opt hf_bloom hf_t5 hf_t5_encoder
    hf_bart hf_vit hf_segformer hf_whisper_encoder hf_wav2vec2 hf_audio-spectrogram-transformer
    hf_phi hf_phi3 hf_smollm3"""


@dataclass(frozen=True)
class Network:
    """A network to be made: `make()` gives it in evaluation mode, with random weights at most.

    Attributes:
        name: unique over all groups, fit for a file name.
        kind: the group, `timm` or `hf-decoder` say.
        inputs: shape (the batch is 1) and type of every positional input.
    """

    name: str
    kind: str
    make: Callable[[], nn.Module]
    inputs: tuple[tuple[tuple[int, ...], torch.dtype], ...]

    def example(self, batch: int = 1) -> tuple[Tensor, ...]:
        """Random inputs on the device in force; tokens from 3, past the usual special ones."""
        return tuple(
            torch.randn(batch, *shape[1:])
            if dtype.is_floating_point
            else torch.randint(3, 30, (batch, *shape[1:]), dtype=dtype)
            for shape, dtype in self.inputs
        )


class Unwrapped(nn.Module):
    """A network of positional tensors that returns plain tensors, only the first by default."""

    def __init__(self, model: nn.Module, names: Iterable[str] = (), every: bool = False) -> None:
        super().__init__()
        self.model, self.names, self.every = model, tuple(names), every

    def forward(self, *tensors: Tensor) -> Tensor | tuple[Tensor, ...]:
        named = dict(zip(self.names, tensors, strict=False))
        result = self.model(**named) if named else self.model(*tensors)
        outputs = tuple(result.values() if isinstance(result, Mapping) else result)
        return outputs if self.every else outputs[0]


def network(name: str) -> Network:
    """The network of that name; ValueError where no group has it."""
    prefix = name.split("_")[0]
    for candidate in GROUPS.get(prefix, timm_networks)():
        if candidate.name == name:
            return candidate
    raise ValueError(f"no network {name!r} in timm, nor under {', '.join(GROUPS)}")


def sample() -> list[str]:
    """Names of small networks of many families, the quickest to export first."""
    return SAMPLE.split()


def timm_networks() -> list[Network]:
    """Every architecture of timm at its default input size."""
    install()
    import timm

    shapes = {name: timm.models.get_pretrained_cfg(name).input_size for name in timm.list_models()}
    return [
        _network(name, "timm", partial(timm.create_model, name, num_classes=CLASSES), (1, *shape))
        for name, shape in shapes.items()
    ]


def torchvision_networks() -> list[Network]:
    """Classifiers, segmenters and a detector's backbone of torchvision."""
    install()
    from torchvision import models
    from torchvision.models.detection import backbone_utils

    def classifier(name: str) -> nn.Module:
        if name.startswith("regnet"):  # reads tensors while it is made: not on the meta device
            with torch.device("cpu"):
                model = models.get_model(name)
            return model.to(torch.get_default_device())
        old = name in ("googlenet", "inception_v3")  # their own initialisation takes a minute
        return models.get_model(name, **{"init_weights": False, "aux_logits": False} if old else {})

    def segmenter(name: str) -> nn.Module:
        return Unwrapped(models.get_model(name, weights_backbone=None))

    def backbone() -> nn.Module:
        model = backbone_utils.resnet_fpn_backbone(backbone_name="resnet50", weights=None)
        return Unwrapped(model, every=True)

    image = (1, 3, 224, 224)
    large = {"inception_v3": (1, 3, 299, 299)}
    classifiers = models.list_models(module=models)
    segmenters = models.list_models(module=models.segmentation)
    return [
        *(
            _network(f"tv_{n}", "torchvision", partial(classifier, n), large.get(n, image))
            for n in classifiers
        ),
        *(_network(f"tv_{n}", "tv-segmenter", partial(segmenter, n), image) for n in segmenters),
        _network("tv_resnet50_fpn", "tv-backbone", backbone, image),
    ]


def hf_networks() -> list[Network]:
    """Transformers from their default configurations, of two layers: more only repeat them."""
    networks = [_hf(kind, name) for kind, names in HF.items() for name in names.split()]
    return [*networks, _hf("hf-encoder", "t5", "encoder"), _hf("hf-audio", "whisper", "encoder")]


def _hf(kind: str, name: str, part: str = "") -> Network:
    config = _hf_config(name)
    seq2seq = kind != "hf-vision" and config.is_encoder_decoder and not part

    def make() -> nn.Module:
        from transformers import AutoModel

        # Parameters that are made as torch.Tensor(...) miss the device in force.
        model = AutoModel.from_config(config).to(torch.get_default_device())
        model = getattr(model, part) if part else model
        return Unwrapped(model, [model.main_input_name, *["decoder_input_ids"][:seq2seq]])

    name_ = "_".join(filter(None, ["hf", name, part]))
    inputs = [_hf_input(kind, name, config), *[((1, TOKENS), torch.int64)][:seq2seq]]
    return Network(name_, kind, lambda: make().eval(), tuple(inputs))


def _hf_config(name: str) -> Any:
    install()
    from transformers import AutoConfig
    from transformers.utils import logging

    logging.set_verbosity_error()
    extra = HF_EXTRA.get(name, {})
    plain = AutoConfig.for_model(name, **extra)
    changes = {key: value for key, value in HF_STEADY.items() if hasattr(plain, key)}
    if hasattr(plain, "depths"):  # a number of layers beside it counts the stages
        changes["depths"] = [min(depth, SHALLOW) for depth in plain.depths]
    else:
        depths = {key: getattr(plain, key, None) for key in HF_DEPTHS.split()}
        changes.update({key: min(n, SHALLOW) for key, n in depths.items() if n is not None})
    return AutoConfig.for_model(name, **{**changes, **extra})


def _hf_input(kind: str, name: str, config: Any) -> tuple[tuple[int, ...], torch.dtype]:
    if name in HF_SHAPES:
        return HF_SHAPES[name], torch.float32
    if kind == "hf-audio":
        return (1, 16000), torch.float32  # a second of sound
    if kind != "hf-vision":
        return (1, TOKENS), torch.int64
    size = getattr(config, "image_size", None) or 224
    height, width = (size, size) if isinstance(size, int) else size
    return (1, getattr(config, "num_channels", 3), height, width), torch.float32


def own_networks() -> list[Network]:
    """Small networks of plain torch, for what the libraries leave out."""
    series, image, small = (1, 32, 16), (1, 3, 64, 64), (1, 3, 32, 32)
    twice: dict[str, Any] = {"num_layers": 2, "dropout": 0.1}
    layer = partial(nn.TransformerEncoderLayer, 32, 4, 64, batch_first=True)
    made: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
        "mlp": (_mlp, (1, 16)),
        "plain_cnn": (_plain_cnn, small),
        "preactivation": (_preactivation, small),
        "separable": (_separable, small),
        "conv1d": (_conv1d, (1, 16, 128)),
        "lstm": (lambda: Recurrent(nn.LSTM), series),
        "lstm_two_layers": (lambda: Recurrent(nn.LSTM, **twice), series),
        "lstm_bidirectional": (lambda: Recurrent(nn.LSTM, bidirectional=True), series),
        "gru": (lambda: Recurrent(nn.GRU), series),
        "rnn": (lambda: Recurrent(nn.RNN), series),
        "conv_lstm": (_conv_lstm, (1, 16, 128)),
        "attention": (lambda: nn.Sequential(nn.Linear(16, 32), Attention(32), Last(32)), series),
        "transformer": (
            lambda: nn.Sequential(nn.Linear(16, 32), nn.TransformerEncoder(layer(), 2), Last(32)),
            series,
        ),
        "vae": (Autoencoder, image),
        "unet_transposed": (lambda: UNet(transposed=True), image),
        "unet_resized": (lambda: UNet(transposed=False), image),
    }
    return [_network(f"own_{name}", "own", *how) for name, how in made.items()]


def _network(
    name: str,
    kind: str,
    make: Callable[[], nn.Module],
    *shapes: tuple[int, ...],
    dtype: torch.dtype = torch.float32,
) -> Network:
    return Network(name, kind, lambda: make().eval(), tuple((shape, dtype) for shape in shapes))


class Last(nn.Module):
    """A linear classifier of the last step."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.head = nn.Linear(features, 10)

    def forward(self, series: Tensor) -> Tensor:
        return self.head(series[:, -1])


class Recurrent(nn.Module):
    """A recurrent layer of 16 features and a classifier."""

    def __init__(self, layer: Callable[..., nn.Module], **options: Any) -> None:
        super().__init__()
        self.layer = layer(16, 32, batch_first=True, **options)
        self.last = Last(64 if options.get("bidirectional") else 32)

    def forward(self, series: Tensor) -> Tensor:
        return self.last(self.layer(series)[0])


class Attention(nn.Module):
    """Self-attention with a residual connection."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(features, 4, batch_first=True)

    def forward(self, series: Tensor) -> Tensor:
        return series + self.attention(series, series, series, need_weights=False)[0]


class Residual(nn.Sequential):
    """What is inside, and the input added."""

    def forward(self, features: Tensor) -> Tensor:
        return features + super().forward(features)


class Swapped(nn.Module):
    """Channels and steps change places."""

    def forward(self, features: Tensor) -> Tensor:
        return features.transpose(1, 2)


class Autoencoder(nn.Module):
    """A variational autoencoder that draws only while it is trained."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            *_conv(3, 16, stride=2), *_conv(16, 32, stride=2), nn.Flatten(), nn.Linear(8192, 32)
        )
        self.decoder = nn.Sequential(
            nn.Linear(16, 8192),
            nn.ReLU(),
            nn.Unflatten(1, (32, 16, 16)),
            nn.ConvTranspose2d(32, 16, 4, 2, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(16, 3, 4, 2, 1),
            nn.Sigmoid(),
        )

    def forward(self, image: Tensor) -> Tensor:
        mean, log_variance = self.encoder(image).chunk(2, dim=1)
        if self.training:
            mean = mean + torch.exp(log_variance / 2) * torch.randn_like(mean)
        return self.decoder(mean)


class UNet(nn.Module):
    """Two scales with skip connections, going up by transposed convolutions or by resizing."""

    def __init__(self, transposed: bool) -> None:
        super().__init__()
        self.first, self.second = nn.Sequential(*_conv(3, 16)), nn.Sequential(*_conv(16, 32))
        self.middle = nn.Sequential(*_conv(32, 32))
        self.up = nn.ModuleList(_up(32, transposed) for _ in range(2))
        self.mix = nn.Sequential(*_conv(64, 32))
        self.head = nn.Sequential(*_conv(48, 16), nn.Conv2d(16, 2, 1))

    def forward(self, image: Tensor) -> Tensor:
        first = self.first(image)
        second = self.second(F.max_pool2d(first, 2))
        features = self.up[0](self.middle(F.max_pool2d(second, 2)))
        features = self.up[1](self.mix(torch.cat([features, second], dim=1)))
        return self.head(torch.cat([features, first], dim=1))


def _up(width: int, transposed: bool) -> nn.Module:
    if transposed:
        return nn.ConvTranspose2d(width, width, 2, 2)
    return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)


def _conv(inputs: int, outputs: int, stride: int = 1, groups: int = 1) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(inputs, outputs, 3, stride, 1, groups=groups, bias=False)
    return convolution, nn.BatchNorm2d(outputs), nn.ReLU()


def _head(features: int) -> tuple[nn.Module, ...]:
    return nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(features, 10)


def _mlp() -> nn.Module:
    hidden = nn.Linear(16, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.1)
    return nn.Sequential(*hidden, nn.Linear(64, 10))


def _plain_cnn() -> nn.Module:
    stem = nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
    body = nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
    return nn.Sequential(*stem, *body, nn.Flatten(), nn.Linear(32 * 8 * 8, 10))


def _preactivation() -> nn.Module:
    def half() -> list[nn.Module]:
        return [nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1, bias=False)]

    blocks = [Residual(*half(), *half()) for _ in range(2)]
    return nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), *blocks, nn.BatchNorm2d(32), *_head(32))


def _separable() -> nn.Module:
    depthwise = [
        *_conv(16, 16, groups=16),
        nn.Conv2d(16, 32, 1),
        nn.BatchNorm2d(32),
        nn.Hardswish(),
    ]
    return nn.Sequential(*_conv(3, 16, stride=2), *depthwise, *_head(32))


def _conv1d() -> nn.Module:
    first = nn.Conv1d(16, 32, 5, padding=2), nn.BatchNorm1d(32), nn.GELU(), nn.MaxPool1d(2)
    second = nn.Conv1d(32, 32, 5, padding=4, dilation=2), nn.GELU(), nn.AdaptiveAvgPool1d(1)
    return nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(32, 10))


def _conv_lstm() -> nn.Module:
    features = nn.Conv1d(16, 16, 5, stride=2, padding=2), nn.BatchNorm1d(16), nn.ReLU()
    return nn.Sequential(*features, Swapped(), Recurrent(nn.LSTM))


GROUPS = {"own": own_networks, "tv": torchvision_networks, "hf": hf_networks}
