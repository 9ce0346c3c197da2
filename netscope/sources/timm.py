"""Every architecture that timm registers, built without weights and without the network."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from netscope.errors import UnknownNameError, UsageError
from netscope.schema import Architecture, ListedArchitecture
from netscope.schema.inputs import ForwardInputs, TensorRequest
from netscope.sources.base import ResolvedArchitecture, get_version, import_package
from netscope.sources.construction import call_with_options
from netscope.sources.families import find_family_origin
from netscope.sources.registered_names import read_registrations

if TYPE_CHECKING:
    from torch import nn

WEIGHTS_OPTIONS = frozenset({"pretrained", "checkpoint_path", "pretrained_cfg", "pretrained_cfg_overlay", "cache_dir"})
"""Options of ``timm.create_model`` for weights, which netscope never loads."""

DEFAULT_SIZE = (3, 224, 224)
"""Channels, height and width if a configuration has none: timm's own default."""


class TimmSource:
    """The source of PyTorch Image Models.

    A name may include the tag of its weights, ``convnext_tiny.in12k``, which sets the input size and the classes.
    """

    name = "timm"
    package = "timm"
    is_cacheable = True

    def names(self) -> Iterable[str]:
        """Returns the names of ``timm.list_models()``, without importing timm."""
        timm = sys.modules.get("timm")
        added = timm.list_models() if timm is not None else ()
        return tuple(dict.fromkeys((*read_registrations("timm"), *added)))

    def listing(self) -> Iterable[ListedArchitecture]:
        """Yields the names; timm does not publish parameter counts in its package."""
        for name in sorted(self.names()):
            yield ListedArchitecture(source=self.name, name=name, params=None, description="")

    def resolve(self, text: str, name: str, options: dict[str, Any]) -> ResolvedArchitecture:
        """Returns the architecture that ``timm.create_model(name, **options)`` builds."""
        architecture, _, tag = name.partition(".")
        timm = import_package("timm")
        tags = [item.partition(".")[2] for item in timm.list_pretrained(f"{architecture}.*")] if tag else []
        if tag and tag not in tags:
            known = ", ".join(tags) or "none"
            raise UnknownNameError(f"unknown tag {tag!r} for timm/{architecture}; available tags: {known}")
        refused = WEIGHTS_OPTIONS.intersection(options)
        if refused:
            raise UsageError(f"{text}: netscope builds models without weights; remove {', '.join(sorted(refused))}")
        return ResolvedArchitecture(
            architecture=Architecture(spec=text, source=self.name, name=name, options=options, description=""),
            factory=lambda: call_with_options(timm.create_model, options, text, model_name=name, pretrained=False),
            default_inputs=lambda module: _default_inputs(module, options),
            origin=find_family_origin(architecture),
            versions={"timm": get_version("timm")},
        )


def _default_inputs(module: "nn.Module", options: dict[str, Any]) -> ForwardInputs:
    """Returns one image of the size in ``options``, otherwise in the architecture's configuration."""
    channels, *size = getattr(module, "pretrained_cfg", {}).get("input_size", DEFAULT_SIZE)
    image_size = options.get("img_size") or tuple(size)
    height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
    shape = (1, options.get("in_chans", channels), height, width)
    return ForwardInputs(args=(TensorRequest(shape=shape),), kwargs={})
