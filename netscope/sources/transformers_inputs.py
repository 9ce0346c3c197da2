"""What to run a transformers model on: made from the signature of its ``forward`` and from its configuration."""

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from netscope.errors import InputError, UsageError
from netscope.schema.inputs import ForwardInputs, TensorRequest

USUAL_LENGTH = 128
"""Tokens of a sequence, where the model takes as many."""

IMAGE_SIZE = 224
SAMPLES = 16_000
"""Of a waveform: a second at the rate that speech models are trained with."""

PARTS = ("vision_config", "audio_config", "text_config", "encoder", "decoder", "backbone_config")
"""Where a configuration of several parts keeps theirs."""

IMAGE_TOKENS = ("image_token_id", "image_token_index")
"""A model with such a token takes pictures in the place of tokens; without any it reads text alone."""

TOKENS = ("input_ids", "decoder_input_ids")


def make_default_inputs(model: Any) -> ForwardInputs | None:
    """A batch of one, sequences of ``USUAL_LENGTH``; None if the main input is of a kind unknown here."""
    return _inputs(model, min(USUAL_LENGTH, _positions(model.config) or USUAL_LENGTH))


def make_inputs_of_length(model: Any, length: int) -> ForwardInputs:
    """The same with sequences of ``length`` tokens.

    Raises:
        UsageError: the model takes no tokens.
        InputError: the model's table of positions is shorter.
    """
    inputs = _inputs(model, length)
    if inputs is None or not set(TOKENS).intersection(inputs.kwargs):
        raise UsageError(
            f"{type(model).__name__} takes no tokens, so there is no sequence whose length could be {length}"
        )
    longest = _positions(model.config)
    rotates = _setting(model.config, "rope_parameters", "rope_theta", "rope_scaling") is not None
    if longest is not None and length > longest and not rotates:
        raise InputError(f"{type(model).__name__} has positions for {longest} tokens, not for {length}")
    return inputs


def _inputs(model: Any, length: int) -> ForwardInputs | None:
    config = model.config
    parameters = inspect.signature(model.forward).parameters
    main = model.main_input_name
    names = [main] if isinstance(main, str) else [*main]
    pictures_apart = all(_setting(config, name) is None for name in IMAGE_TOKENS)
    if "pixel_values" in parameters and hasattr(config, "vision_config") and pictures_apart:
        names.append("pixel_values")
    if config.is_encoder_decoder and "decoder_input_ids" in parameters:
        names.append("decoder_input_ids")
    if not set(names) <= MAKERS.keys():
        return None
    required = {
        name: TensorRequest(shape=(1, length), dtype="bool")
        for name, parameter in parameters.items()
        if name in ("attention_mask", "decoder_attention_mask") and parameter.default is parameter.empty
    }
    return ForwardInputs(kwargs={**{name: MAKERS[name](config, length) for name in dict.fromkeys(names)}, **required})


def _tokens(_config: Any, length: int) -> TensorRequest:
    """(N, S). On a real device they are zeros, which any vocabulary has."""
    return TensorRequest(shape=(1, length), dtype="int64")


def _pixels(config: Any, _length: int) -> TensorRequest:
    """(N, C, H, W), or (N, T, C, H, W) for a video."""
    size = _setting(config, "image_size") or IMAGE_SIZE
    if isinstance(size, dict):
        size = tuple(size.values())
    height, width = (size, size) if isinstance(size, int) else (size[0], size[-1])
    frames = _setting(config, "num_frames")
    channels = _setting(config, "num_channels") or 3
    shape = (1, *([frames] if frames else []), channels, height, width)
    return TensorRequest(shape=shape, dtype=None)


def _spectrogram(config: Any, _length: int) -> TensorRequest:
    """(N, mel bins, frames) as Whisper takes it, whose encoder halves the frames; (N, frames, features) elsewhere."""
    positions = _setting(config, "max_source_positions") or 1500
    features = _setting(config, "input_feat_per_channel", "feature_projection_input_dim")
    if features:
        return TensorRequest(shape=(1, positions, features), dtype=None)
    return TensorRequest(shape=(1, _setting(config, "num_mel_bins") or 80, 2 * positions), dtype=None)


def _waveform(config: Any, _length: int) -> TensorRequest:
    """(N, samples); (N, channels, samples) for a codec; (N, frames, mel bins) where the model takes a spectrogram."""
    mel_bins, frames = _setting(config, "num_mel_bins"), _setting(config, "max_length")
    if mel_bins and frames:
        return TensorRequest(shape=(1, frames, mel_bins), dtype=None)
    channels = _setting(config, "audio_channels")
    samples = _setting(config, "sampling_rate") or SAMPLES
    return TensorRequest(shape=(1, *([channels] if channels else []), samples), dtype=None)


MAKERS: Mapping[str, Callable[[Any, int], TensorRequest]] = MappingProxyType(
    {
        "input_ids": _tokens,
        "decoder_input_ids": _tokens,
        "pixel_values": _pixels,
        "pixel_values_videos": _pixels,
        "input_features": _spectrogram,
        "input_values": _waveform,
    }
)
"""How each kind of input is made, by the name of its parameter."""


def _positions(config: Any) -> int | None:
    """How many tokens the model has positions for; None if that is not known, or without end, which is −1 there."""
    positions: int = _setting(config, "max_position_embeddings", "max_target_positions") or 0
    return positions if positions > 0 else None


def _setting(config: Any, *names: str) -> Any:
    """The first of ``names`` that the configuration or one of its parts sets; None if none does."""
    for part in (config, *(getattr(config, name, None) for name in PARTS)):
        for name in names:
            value = getattr(part, name, None)
            if value is not None:
                return value
    return None
