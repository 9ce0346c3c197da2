"""Reports as static pictures for papers and slides, drawn by matplotlib, which is imported when it is needed."""

from netscope.render.pictures.sheet import PICTURE_FORMATS, PictureFormat, picture_bytes

__all__ = ["PICTURE_FORMATS", "PictureFormat", "picture_bytes"]
