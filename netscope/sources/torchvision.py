"""Every model of ``torchvision.models``, built without weights."""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from netscope.errors import BrokenInstallError, MissingExtraError, UsageError
from netscope.runtime.startup import stub_imports
from netscope.schema import Architecture, ListedArchitecture
from netscope.schema.inputs import ForwardInputs, TensorRequest
from netscope.sources.base import Published, ResolvedArchitecture, unknown_name, version_of
from netscope.sources.construction import called, check_options
from netscope.sources.families import origin_of_family

if TYPE_CHECKING:
    from torch import nn

VIDEO_FRAMES = 16
"""Frames of a clip: what torchvision measured the published figures of its video models with."""

FLOW_SIZE = (512, 512)
"""Height and width of a pair of frames: likewise for optical flow."""


OPTIONS_OF_WEIGHTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "googlenet": {"aux_logits": False},
        "quantized_googlenet": {"aux_logits": False},
        **{
            f"{head}_{backbone}": {"aux_loss": True}
            for head, backbone in (
                ("deeplabv3", "mobilenet_v3_large"),
                ("deeplabv3", "resnet101"),
                ("deeplabv3", "resnet50"),
                ("fcn", "resnet101"),
                ("fcn", "resnet50"),
            )
        },
    }
)
"""What torchvision itself sets when it builds a model for its default weights; the user may say otherwise."""

FROZEN_NORMALISATION = frozenset(
    {
        "fasterrcnn_mobilenet_v3_large_320_fpn",
        "fasterrcnn_mobilenet_v3_large_fpn",
        "fasterrcnn_resnet50_fpn",
        "fcos_resnet50_fpn",
        "keypointrcnn_resnet50_fpn",
        "maskrcnn_resnet50_fpn",
        "retinanet_resnet50_fpn",
    }
)
"""Detectors whose backbone torchvision builds with ``FrozenBatchNorm2d``, but only if it loads weights into it."""


PROPOSALS = (
    "the published figure is for the number of proposals that trained weights give, ours for that of random ones"
)

PUBLISHED_OTHERWISE: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(
        (
            "fasterrcnn_mobilenet_v3_large_320_fpn",
            "fasterrcnn_mobilenet_v3_large_fpn",
            "fasterrcnn_resnet50_fpn",
            "keypointrcnn_resnet50_fpn",
            "maskrcnn_resnet50_fpn",
        ),
        PROPOSALS,
    )
)
"""Why the published multiply–adds of a model cannot be had from its architecture alone."""


class TorchvisionSource:
    """torchvision's classification, segmentation, detection, video, optical-flow and quantised models."""

    name = "torchvision"
    is_cacheable = True

    def names(self) -> Iterable[str]:
        """What ``torchvision.models.list_models()`` gives."""
        return _names()

    def listing(self) -> Iterable[ListedArchitecture]:
        """The models with the parameter counts that torchvision publishes for their default weights."""
        for name in _names():
            weights = _default_weights(name)
            yield ListedArchitecture(
                source=self.name, name=name, params=weights.meta["num_params"] if weights else None, description=""
            )

    def resolve(self, text: str, name: str, options: dict[str, Any]) -> ResolvedArchitecture:
        """The model called ``name`` as torchvision builds it for its default weights, without the weights."""
        models = _models()
        if name not in _names():
            raise unknown_name(self, name)
        builder = models.get_model_builder(name)
        if "weights" in options or "weights_backbone" in options:
            raise UsageError(f"{text}: netscope builds torchvision's models without weights; leave them out of it")
        check_options(builder, options, text)
        without_weights: dict[str, Any] = {"weights": None}
        if "weights_backbone" in inspect.signature(builder).parameters:
            without_weights["weights_backbone"] = None
        is_usual = not options
        options = {**OPTIONS_OF_WEIGHTS.get(name, {}), **options}
        weights = _default_weights(name)

        def factory() -> Any:
            model = called(builder, options, text, **without_weights)
            if name in FROZEN_NORMALISATION:
                _freeze_normalisation(model.backbone)
            return model

        frozen = "backbone with frozen batch normalisation" if name in FROZEN_NORMALISATION else ""
        return ResolvedArchitecture(
            architecture=Architecture(spec=text, source=self.name, name=name, options=options, description=frozen),
            factory=factory,
            default_inputs=lambda module: _default_inputs(module, weights),
            published=tuple(_published(name, models.get_model_weights(name), weights if is_usual else None)),
            origin=origin_of_family(name),
            versions={"torchvision": version_of("torchvision")},
        )


@cache
def _models() -> Any:
    """``torchvision.models``.

    Raises:
        BrokenInstallError: torchvision's compiled ops do not fit the installed torch.
        MissingExtraError: torchvision is not installed.
    """
    try:
        with stub_imports():
            import torchvision.models
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"torchvision cannot be imported ({error}): pip install torchvision") from error
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        raise BrokenInstallError(
            f"torchvision {version_of('torchvision')} does not fit torch {version_of('torch')} ({error}): install a "
            f"pair that belongs together with pip install --upgrade --force-reinstall torch torchvision; "
            f"the built-in architectures work without it"
        ) from error
    return torchvision.models


def _freeze_normalisation(module: "nn.Module") -> None:
    """Replaces every batch normalisation below ``module`` by the frozen kind, whose weights are buffers."""
    from torch import nn
    from torchvision.ops.misc import FrozenBatchNorm2d

    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, FrozenBatchNorm2d(child.num_features, eps=child.eps))
        else:
            _freeze_normalisation(child)


@cache
def _names() -> tuple[str, ...]:
    return tuple(_models().list_models())


def _default_weights(name: str) -> Any:
    """The weights that torchvision calls the default ones, None if it has none."""
    return getattr(_models().get_model_weights(name), "DEFAULT", None)


def _default_inputs(module: "nn.Module", weights: Any) -> ForwardInputs | None:
    """What the transforms of the default weights turn a picture, a clip or a pair of frames into."""
    if weights is None:
        return None
    transforms = weights.transforms()
    kind = type(transforms).__name__
    if kind == "ObjectDetection":
        return _inputs([_detection_size(module)])
    if kind == "OpticalFlow":
        return _inputs((1, *FLOW_SIZE), (1, *FLOW_SIZE))
    if kind == "SemanticSegmentation":
        return _inputs((1, *_square(transforms.resize_size)))
    size = _square(transforms.crop_size)
    if kind == "VideoClassification":
        return _inputs((1, VIDEO_FRAMES, *size))
    # Transformers are built for one size, and the default weights may be for another variant of the model.
    built_for = getattr(module, "image_size", None)
    return _inputs((1, *((built_for, built_for) if built_for else size)))


def _inputs(*sizes: Any) -> ForwardInputs:
    """Positional inputs of three channels: (N, …) a batch, a list of sizes a list of pictures."""

    def request(size: Any) -> Any:
        if isinstance(size, list):
            return [TensorRequest(shape=(3, *item)) for item in size]
        return TensorRequest(shape=(size[0], 3, *size[1:]))

    return ForwardInputs(args=tuple(request(size) for size in sizes), kwargs={})


def _square(size: Sequence[int]) -> tuple[int, int]:
    """``[224]`` means 224×224."""
    return (size[0], size[-1])


def _detection_size(module: "nn.Module") -> tuple[int, int]:
    """What the model itself resizes pictures to: its shorter side, or a fixed size."""
    transform: Any = module.transform
    if transform.fixed_size:
        width, height = transform.fixed_size
        return (height, width)
    return (transform.min_size[-1], transform.min_size[-1])


def _published(name: str, entries: Iterable[Any], built_for: Any) -> Iterable[Published]:
    """The figures in the metadata of every set of weights; ``_ops`` is in 10⁹ multiply–adds, to three decimals.

    The accuracy is that of the weights that the model is built for alone.
    """
    for weights in entries:
        ops = weights.meta.get("_ops")
        accuracies = weights.meta["_metrics"].get("ImageNet-1K", {}) if weights is built_for else {}
        yield Published(
            label=weights.name,
            params=weights.meta["num_params"],
            macs=None if ops is None else round(ops * 1000) * 1_000_000,
            macs_rounded_to=1_000_000,
            note=PUBLISHED_OTHERWISE.get(name, ""),
            top1=accuracies.get("acc@1"),
        )
