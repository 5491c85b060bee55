"""Still pictures in and out, with nothing lost on the way."""

from zoo.pictures.finding import find, find_frames, is_picture
from zoo.pictures.picture import SUFFIXES, WRITABLE, Header, Picture, check_writable, left_out, of_no_size, rgb8
from zoo.pictures.reading import read
from zoo.pictures.writing import jpeg, write

__all__ = [
    "SUFFIXES",
    "WRITABLE",
    "Header",
    "Picture",
    "check_writable",
    "find",
    "find_frames",
    "is_picture",
    "jpeg",
    "left_out",
    "of_no_size",
    "read",
    "rgb8",
    "write",
]
