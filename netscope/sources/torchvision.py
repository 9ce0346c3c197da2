"""The source of ``torchvision.models``, built without weights."""

import inspect
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from netscope.errors import BrokenInstallError, MissingExtraError, UsageError
from netscope.runtime.startup import defer_garbage_collection, stub_imports
from netscope.schema import Architecture, ListedArchitecture
from netscope.schema.inputs import ForwardInputs, TensorRequest
from netscope.sources.base import PublishedFigures, ResolvedArchitecture, get_version
from netscope.sources.construction import call_with_options, check_options
from netscope.sources.families import find_family_origin
from netscope.sources.registered_names import read_published_params, read_registrations

if TYPE_CHECKING:
    from torch import nn

VIDEO_FRAMES = 16
"""Frames of a clip, as in torchvision's published figures of its video models."""

FLOW_SIZE = (512, 512)
"""Height and width of the two frames, as in torchvision's published figures of its optical-flow models."""

DEFAULT_WEIGHTS_OPTIONS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
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
"""Options that torchvision sets when it builds a model for its default weights; the user's options override them."""

FROZEN_BATCH_NORM = frozenset(
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

PROPOSALS = "published MACs use the number of proposals from trained weights, netscope's from random weights"

PUBLISHED_MACS_NOTES: Mapping[str, str] = MappingProxyType(
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
"""Why the published MACs of a model cannot be reproduced from its architecture alone."""


class TorchvisionSource:
    """The source of torchvision's classification, segmentation, detection, video, optical-flow and quantized models."""

    name = "torchvision"
    is_cacheable = True

    def names(self) -> Iterable[str]:
        """Returns the names of ``torchvision.models.list_models()``, without importing torchvision."""
        models = sys.modules.get("torchvision.models")
        added = models.list_models() if models is not None else ()
        return tuple(dict.fromkeys((*read_registrations("torchvision"), *added)))

    def listing(self) -> Iterable[ListedArchitecture]:
        """Yields the models with the parameter counts that torchvision publishes for their default weights."""
        published = read_published_params("torchvision")
        for name in sorted(self.names()):
            yield ListedArchitecture(source=self.name, name=name, params=published.get(name), description="")

    def resolve(self, text: str, name: str, options: dict[str, Any]) -> ResolvedArchitecture:
        """Returns the model ``name`` as torchvision builds it for its default weights, but without the weights."""
        models = _import_models()
        builder = models.get_model_builder(name)
        if "weights" in options or "weights_backbone" in options:
            raise UsageError(f"{text}: netscope builds models without weights; remove weights and weights_backbone")
        check_options(builder, options, text)
        without_weights: dict[str, Any] = {"weights": None}
        if "weights_backbone" in inspect.signature(builder).parameters:
            without_weights["weights_backbone"] = None
        is_default = not options
        options = {**DEFAULT_WEIGHTS_OPTIONS.get(name, {}), **options}
        weights = _default_weights(name)

        def factory() -> Any:
            model = call_with_options(builder, options, text, **without_weights)
            if name in FROZEN_BATCH_NORM:
                _freeze_batch_norm(model.backbone)
            return model

        description = "backbone with frozen batch normalization" if name in FROZEN_BATCH_NORM else ""
        return ResolvedArchitecture(
            architecture=Architecture(spec=text, source=self.name, name=name, options=options, description=description),
            factory=factory,
            default_inputs=lambda module: _default_inputs(module, weights),
            published=tuple(_iterate_published(name, models.get_model_weights(name), weights if is_default else None)),
            origin=find_family_origin(name),
            versions={"torchvision": get_version("torchvision")},
        )


@cache
def _import_models() -> Any:
    """Returns the module ``torchvision.models``.

    Raises:
        BrokenInstallError: torchvision's compiled ops are incompatible with the installed torch.
        MissingExtraError: torchvision is not installed.
    """
    try:
        with stub_imports(), defer_garbage_collection():
            import torchvision.models
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"torchvision cannot be imported ({error}); run pip install torchvision") from error
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        raise BrokenInstallError(
            f"torchvision {get_version('torchvision')} is incompatible with torch {get_version('torch')} ({error}); "
            f"run pip install --upgrade --force-reinstall torch torchvision to install matching versions; "
            f"the built-in architectures work without torchvision"
        ) from error
    return torchvision.models


def _freeze_batch_norm(module: "nn.Module") -> None:
    """Replaces every batch normalization in ``module`` by ``FrozenBatchNorm2d``, whose weights are buffers."""
    from torch import nn
    from torchvision.ops.misc import FrozenBatchNorm2d

    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, FrozenBatchNorm2d(child.num_features, eps=child.eps))
        else:
            _freeze_batch_norm(child)


def _default_weights(name: str) -> Any:
    """Returns torchvision's default weights of a model; None if it has none."""
    return getattr(_import_models().get_model_weights(name), "DEFAULT", None)


def _default_inputs(module: "nn.Module", weights: Any) -> ForwardInputs | None:
    """Returns the inputs that the transforms of the default weights produce; None without default weights."""
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
    # Vision transformers are built for one size, and the default weights may be those of another variant.
    built_for = getattr(module, "image_size", None)
    return _inputs((1, *((built_for, built_for) if built_for else size)))


def _inputs(*sizes: Any) -> ForwardInputs:
    """Returns positional inputs of three channels: a tuple (N, …) is a batch, a list of sizes is a list of images."""

    def request(size: Any) -> Any:
        if isinstance(size, list):
            return [TensorRequest(shape=(3, *item)) for item in size]
        return TensorRequest(shape=(size[0], 3, *size[1:]))

    return ForwardInputs(args=tuple(request(size) for size in sizes), kwargs={})


def _square(size: Sequence[int]) -> tuple[int, int]:
    """Returns height and width; ``[224]`` means 224×224."""
    return (size[0], size[-1])


def _detection_size(module: "nn.Module") -> tuple[int, int]:
    """Returns the size that the model resizes images to: square with its shorter side, or a fixed size."""
    transform: Any = module.transform
    if transform.fixed_size:
        width, height = transform.fixed_size
        return (height, width)
    return (transform.min_size[-1], transform.min_size[-1])


def _iterate_published(name: str, entries: Iterable[Any], built_for: Any) -> Iterable[PublishedFigures]:
    """Yields the figures in the metadata of each set of weights; ``_ops`` is in 10⁹ MACs, to three decimals.

    Only the weights that the model is built for get an accuracy.
    """
    for weights in entries:
        ops = weights.meta.get("_ops")
        accuracies = weights.meta["_metrics"].get("ImageNet-1K", {}) if weights is built_for else {}
        yield PublishedFigures(
            label=weights.name,
            params=weights.meta["num_params"],
            macs=None if ops is None else round(ops * 1000) * 1_000_000,
            macs_rounded_to=1_000_000,
            note=PUBLISHED_MACS_NOTES.get(name, ""),
            top1=accuracies.get("acc@1"),
        )
