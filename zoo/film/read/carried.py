"""What lies in a film's pictures beside their samples and is not written again, as no encoder here takes it."""

import struct
from typing import Any

from zoo.film import pyav

FIRST = 60  # frames that are looked at before the work
# By FFmpeg's names. What is the decoder's or an encoder's own is not named, nor what is kept (see `presentation`).
_WORDS = {
    "A53_CC": "closed captions (CEA-608, CEA-708)",
    "AFD": "the active format description",
    "PANSCAN": "pan and scan",
    "STEREO3D": "how two views lie in them",
    "VIEW_ID": "the numbers of views",
    "THREE_D_REFERENCE_DISPLAYS": "how two views lie in them",
    "SPHERICAL": "the spherical projection",
    "S12M_TIMECODE": "timecodes of frames",
    "ICC_PROFILE": "an ICC profile",
    "EXIF": "EXIF",
    "DYNAMIC_HDR_PLUS": "HDR10+",
    "DYNAMIC_HDR_VIVID": "HDR Vivid",
    "DOVI_RPU_BUFFER": "Dolby Vision",
    "DOVI_METADATA": "Dolby Vision",
    "LCEVC": "an enhancement layer (LCEVC)",
    "AMBIENT_VIEWING_ENVIRONMENT": "the light around the screen",
    "FILM_GRAIN_PARAMS": "film grain to be added",
    "SEI_UNREGISTERED": "data of no standard",
}
_ENCODERS_OWN = ("dc45e9bde6d948b7962cd820d923eeef", "2ca2de09b51747dbbb55a4fe7fc2fc4e")  # settings of x264, x265


def of(frame: Any) -> set[str]:
    """What lies in a frame, in words."""
    held = pyav.side_data(frame)
    return {word for kind, word in _WORDS.items() if kind in held and _says_more(kind, held[kind], frame)}


def _says_more(kind: str, data: bytes, frame: Any) -> bool:
    """Whether it is more than what every frame of some codecs has."""
    if kind == "SEI_UNREGISTERED":
        return data[:16].hex() not in _ENCODERS_OWN
    if kind == "PANSCAN":  # an id, a size in sixteenths, three places
        _, width, height, *places = struct.unpack_from("=3i6h", data)
        return any(places) or (width, height) not in ((0, 0), (16 * frame.width, 16 * frame.height))
    return True
