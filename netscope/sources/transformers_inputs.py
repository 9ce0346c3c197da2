"""Default inputs of transformers models, from the signature of ``forward`` and the configuration."""

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from netscope.errors import InputError, UsageError
from netscope.schema.inputs import ForwardInputs, TensorRequest

DEFAULT_LENGTH = 128
"""Default sequence length in tokens; shorter if the model has fewer positions."""

IMAGE_SIZE = 224
SAMPLES = 16_000
"""Samples of a waveform: one second at the usual rate of speech models."""

PARTS = ("vision_config", "audio_config", "text_config", "encoder", "decoder", "backbone_config")
"""Attributes of a composite configuration that contain the configurations of its parts."""

IMAGE_TOKENS = ("image_token_id", "image_token_index")
"""Settings of models that take images in place of such tokens; without images they read text alone."""

TOKENS = ("input_ids", "decoder_input_ids")


def make_default_inputs(model: Any) -> ForwardInputs | None:
    """Returns inputs of batch size 1 and length ``DEFAULT_LENGTH``; None if the kind of the main input is unknown."""
    return _make_inputs(model, min(DEFAULT_LENGTH, _count_positions(model.config) or DEFAULT_LENGTH))


def make_inputs_of_length(model: Any, length: int) -> ForwardInputs:
    """Returns inputs of batch size 1 and ``length`` tokens.

    Raises:
        UsageError: the model does not take tokens.
        InputError: the model's position table is shorter.
    """
    inputs = _make_inputs(model, length)
    if inputs is None or not set(TOKENS).intersection(inputs.kwargs):
        raise UsageError(
            f"{type(model).__name__} does not take tokens, so its sequence length cannot be set to {length}"
        )
    longest = _count_positions(model.config)
    rotates = _find_setting(model.config, "rope_parameters", "rope_theta", "rope_scaling") is not None
    if longest is not None and length > longest and not rotates:
        raise InputError(f"{type(model).__name__} has positions for at most {longest} tokens, not for {length}")
    return inputs


def _make_inputs(model: Any, length: int) -> ForwardInputs | None:
    config = model.config
    parameters = inspect.signature(model.forward).parameters
    main = model.main_input_name
    names = [main] if isinstance(main, str) else [*main]
    takes_images_separately = all(_find_setting(config, name) is None for name in IMAGE_TOKENS)
    if "pixel_values" in parameters and hasattr(config, "vision_config") and takes_images_separately:
        names.append("pixel_values")
    if config.is_encoder_decoder and "decoder_input_ids" in parameters:
        names.append("decoder_input_ids")
    if not set(names) <= FACTORIES.keys():
        return None
    required = {
        name: TensorRequest(shape=(1, length), dtype="bool")
        for name, parameter in parameters.items()
        if name in ("attention_mask", "decoder_attention_mask") and parameter.default is parameter.empty
    }
    requests = {name: FACTORIES[name](config, length) for name in dict.fromkeys(names)}
    return ForwardInputs(kwargs={**requests, **required})


def _tokens(_config: Any, length: int) -> TensorRequest:
    """Returns a request of shape (N, S); on a real device all tokens are 0, which any vocabulary has."""
    return TensorRequest(shape=(1, length), dtype="int64")


def _pixels(config: Any, _length: int) -> TensorRequest:
    """Returns a request of shape (N, C, H, W), or (N, T, C, H, W) for a video."""
    size = _find_setting(config, "image_size") or IMAGE_SIZE
    if isinstance(size, dict):
        size = tuple(size.values())
    height, width = (size, size) if isinstance(size, int) else (size[0], size[-1])
    frames = _find_setting(config, "num_frames")
    channels = _find_setting(config, "num_channels") or 3
    shape = (1, *([frames] if frames else []), channels, height, width)
    return TensorRequest(shape=shape, dtype=None)


def _spectrogram(config: Any, _length: int) -> TensorRequest:
    """Returns a request of shape (N, mel bins, frames), as Whisper halves the frames; else (N, frames, features)."""
    positions = _find_setting(config, "max_source_positions") or 1500
    features = _find_setting(config, "input_feat_per_channel", "feature_projection_input_dim")
    if features:
        return TensorRequest(shape=(1, positions, features), dtype=None)
    return TensorRequest(shape=(1, _find_setting(config, "num_mel_bins") or 80, 2 * positions), dtype=None)


def _waveform(config: Any, _length: int) -> TensorRequest:
    """Returns a request of shape (N, samples), (N, channels, samples) for a codec or (N, frames, mel bins)."""
    mel_bins, frames = _find_setting(config, "num_mel_bins"), _find_setting(config, "max_length")
    if mel_bins and frames:
        return TensorRequest(shape=(1, frames, mel_bins), dtype=None)
    channels = _find_setting(config, "audio_channels")
    samples = _find_setting(config, "sampling_rate") or SAMPLES
    return TensorRequest(shape=(1, *([channels] if channels else []), samples), dtype=None)


FACTORIES: Mapping[str, Callable[[Any, int], TensorRequest]] = MappingProxyType(
    {
        "input_ids": _tokens,
        "decoder_input_ids": _tokens,
        "pixel_values": _pixels,
        "pixel_values_videos": _pixels,
        "input_features": _spectrogram,
        "input_values": _waveform,
    }
)
"""The function that creates the request for an input, by the name of its parameter."""


def _count_positions(config: Any) -> int | None:
    """Returns the number of positions of the model; None if unknown or unlimited, which configurations write as −1."""
    positions: int = _find_setting(config, "max_position_embeddings", "max_target_positions") or 0
    return positions if positions > 0 else None


def _find_setting(config: Any, *names: str) -> Any:
    """Returns the first of ``names`` that is set in the configuration or one of its parts; None if none is."""
    for part in (config, *(getattr(config, name, None) for name in PARTS)):
        for name in names:
            value = getattr(part, name, None)
            if value is not None:
                return value
    return None
