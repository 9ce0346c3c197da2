"""The catalog of built-in architectures: factory, paper, idea and default input, without importing torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

RGB_224 = (1, 3, 224, 224)
GRAY_224 = (1, 1, 224, 224)

ALEXNET_PAPER = "Krizhevsky et al. 2012, ImageNet Classification with Deep Convolutional Neural Networks"
TEXTBOOK = "Zhang et al., Dive into Deep Learning"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltIn:
    """A built-in architecture.

    Attributes:
        factory: ``module:function`` in ``netscope.zoo``.
        input_shape: shape of the default input, in float32.
        year: year of the paper.
        paper: authors, year and title of the paper.
        idea: description in one line.
        params: published parameter count, which a test compares with the module.
    """

    factory: str
    input_shape: tuple[int, ...]
    year: int
    paper: str
    idea: str
    params: int


ALIASES: Mapping[str, str] = MappingProxyType({"alexnet": "alexnet-paper"})

BUILT_INS: Mapping[str, BuiltIn] = MappingProxyType(
    {
        "alexnet-paper": BuiltIn(
            factory="alexnet:alexnet_paper",
            input_shape=RGB_224,
            year=2012,
            paper=ALEXNET_PAPER,
            idea="the paper's widths, merged on one GPU, without local response normalization",
            params=62_378_344,
        ),
        "alexnet-tv": BuiltIn(
            factory="alexnet:alexnet_tv",
            input_shape=RGB_224,
            year=2014,
            paper="Krizhevsky 2014, One weird trick for parallelizing convolutional neural networks",
            idea="torchvision's AlexNet, 64 filters in the first convolution",
            params=61_100_840,
        ),
        "alexnet-grouped": BuiltIn(
            factory="alexnet:alexnet_grouped",
            input_shape=RGB_224,
            year=2012,
            paper=ALEXNET_PAPER,
            idea="both GPUs of 2012: grouped convolutions and local response normalization",
            params=60_965_224,
        ),
        "alexnet-half": BuiltIn(
            factory="alexnet:alexnet_half",
            input_shape=RGB_224,
            year=2012,
            paper=ALEXNET_PAPER,
            idea="one GPU's half of the network of 2012",
            params=16_630_440,
        ),
        "alexnet-unpadded": BuiltIn(
            factory="alexnet:alexnet_unpadded",
            input_shape=RGB_224,
            year=2012,
            paper=ALEXNET_PAPER,
            idea="first convolution without padding, as many texts draw it: 54×54 feature maps",
            params=50_844_008,
        ),
        "alexnet-d2l": BuiltIn(
            factory="alexnet:alexnet_d2l",
            input_shape=GRAY_224,
            year=2012,
            paper=TEXTBOOK,
            idea="the textbook AlexNet for Fashion-MNIST: one channel, 10 classes",
            params=46_764_746,
        ),
        "alexnet-slim": BuiltIn(
            factory="alexnet:alexnet_slim",
            input_shape=GRAY_224,
            year=2012,
            paper=TEXTBOOK,
            idea="the textbook AlexNet without its second hidden layer",
            params=29_983_434,
        ),
        "lenet5": BuiltIn(
            factory="lenet:LeNet5",
            input_shape=(1, 1, 28, 28),
            year=1998,
            paper="LeCun et al. 1998, Gradient-Based Learning Applied to Document Recognition",
            idea="two convolutions and three fully connected layers, sigmoids, average pooling",
            params=61_706,
        ),
        "vgg11-d2l": BuiltIn(
            factory="vgg:vgg11_d2l",
            input_shape=GRAY_224,
            year=2014,
            paper="Simonyan and Zisserman 2014, Very Deep Convolutional Networks for Large-Scale Image Recognition",
            idea="repeated blocks of 3×3 convolutions",
            params=128_806_154,
        ),
        "vgg11-d2l-small": BuiltIn(
            factory="vgg:vgg11_d2l_small",
            input_shape=GRAY_224,
            year=2014,
            paper="Simonyan and Zisserman 2014, Very Deep Convolutional Networks for Large-Scale Image Recognition",
            idea="VGG-11 with every width divided by 8",
            params=2_018_346,
        ),
        "nin-d2l": BuiltIn(
            factory="nin:NiN",
            input_shape=GRAY_224,
            year=2013,
            paper="Lin et al. 2013, Network In Network",
            idea="1×1 convolutions and global average pooling instead of fully connected layers",
            params=1_992_166,
        ),
        "googlenet-d2l": BuiltIn(
            factory="googlenet:GoogLeNet",
            input_shape=(1, 1, 96, 96),
            year=2014,
            paper="Szegedy et al. 2014, Going Deeper with Convolutions",
            idea="parallel branches of 1×1, 3×3 and 5×5 convolutions",
            params=5_977_530,
        ),
    }
)
