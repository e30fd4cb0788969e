"""The silence that an encoder puts before sound, where a container does not say how long it is.

MP4 with an edit list and Matroska with a codec delay say so, and FFmpeg then takes it off. An AVI has no place for it,
and recorders that write MP4 in fragments mostly leave it out. Streams of MPEG-TS and MPEG-PS are stamped with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_STAMPED_FORMATS = ("mpegts", "mpeg")
_OPUS_RATE_HZ = 48_000
_USUAL_SAMPLES = {
    "aac": 1024,
    "mp3": 1105,  # 576 of LAME and 529 of every decoder
    "mp3float": 1105,
    "mp2": 481,
    "mp2float": 481,
    "ac3": 256,
    "eac3": 256,
}
"""Delay of the encoder that is met most with each of FFmpeg's decoders; measured with FFmpeg's own and LAME."""


@dataclass(frozen=True)
class EncoderDelay:
    """What is left of an encoder's delay after FFmpeg took off what the container states.

    Attributes:
        known_ns: To be taken off the time of the first sample.
        usual_samples: What the delay usually is where the stream does not tell; 0 where it does, or there is none.
    """

    known_ns: int = 0
    usual_samples: int = 0


def encoder_delay(container_format: str, codec: str, first_packet: Any, extradata: bytes | None) -> EncoderDelay:
    """Find the encoder's delay of a sound stream.

    Args:
        container_format: FFmpeg's name of the container's format.
        codec: FFmpeg's name of the decoder.
        first_packet: The first `av.Packet` of the stream.
        extradata: What the container keeps for the decoder.
    """
    if container_format in _STAMPED_FORMATS or first_packet.has_sidedata("skip_samples"):
        return EncoderDelay()
    if codec in ("opus", "libopus") and extradata is not None and extradata.startswith(b"OpusHead"):
        # The decoder leaves these samples out but lets the stamps count them (RFC 7845, pre-skip).
        skipped = int.from_bytes(extradata[10:12], "little")
        return EncoderDelay(known_ns=skipped * 10**9 // _OPUS_RATE_HZ)
    return EncoderDelay(usual_samples=_USUAL_SAMPLES.get(codec, 0))
