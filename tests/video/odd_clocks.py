"""Makers of files whose time stamps are not presentation times, with leaps and pauses, or with several streams."""

from fractions import Fraction

import av
import numpy as np

from fixtures import encode
from video.painted import numbered

B_FRAMES = {"bf": "3", "b-pyramid": "normal", "preset": "veryfast", "g": "24"}
RATE = 30


def h264(path, images):
    """H.264 with B-frames at 30 frames per second, in the container of the suffix."""
    return encode(path, images, codec="libx264", pix_fmt="yuv420p", fps=RATE, options=B_FRAMES)


def avi_of_double_rate(folder, images):
    """AVI at twice the frame rate, every second place of its index empty, as a copy from MP4 has it."""
    path = folder / "copied.avi"
    with av.open(str(h264(folder / "a.avi", images))) as source, av.open(str(path), "w") as output:
        chunks = [bytes(packet) for packet in source.demux(video=0) if packet.size]
        copy = output.add_stream_from_template(source.streams.video[0])
        copy.time_base = Fraction(1, 2 * RATE)
        for number, chunk in enumerate(chunks):
            packet = av.Packet(chunk)
            packet.stream, packet.time_base, packet.is_keyframe = copy, copy.time_base, number == 0
            packet.pts = packet.dts = 2 * number
            output.mux(packet)
    return path


def mp4_without_ctts(folder, images):
    """MP4 without its table of presentation times and its edit list."""
    path = h264(folder / "without_ctts.mp4", images)
    data = path.read_bytes()
    assert data.count(b"ctts") == data.count(b"edts") == 1
    path.write_bytes(data.replace(b"ctts", b"free").replace(b"edts", b"free"))
    return path


IN_DECODING_ORDER = (avi_of_double_rate, mp4_without_ctts)


def encode_all(path, streams, codecs, flags=None, sound=None):
    """Encode streams of images at given seconds (multiples of 1/25) with ``flags``, and silence during ``sound``."""
    with av.open(str(path), "w") as output:
        tracks = []
        for number, ((images, _), codec) in enumerate(zip(streams, codecs, strict=True)):
            track = output.add_stream(codec, rate=25, options={"preset": "veryfast"} if codec == "libx264" else {})
            track.height, track.width = images[0].shape[:2]
            track.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            track.codec_context.time_base = Fraction(1, 25)
            if flags is not None:
                track.disposition = av.stream.Disposition(flags[number])
            tracks.append(track)
        if sound:
            track = output.add_stream("aac", rate=16000)
            begin, end = (int(seconds * 16000) for seconds in sound)
            silence = av.AudioFrame.from_ndarray(np.zeros((1, end - begin), np.float32), format="fltp", layout="mono")
            silence.sample_rate, silence.pts, silence.time_base = 16000, begin, Fraction(1, 16000)
            output.mux(track.encode(silence) + track.encode())
        for track, (images, times) in zip(tracks, streams, strict=True):
            for image, seconds in zip(images, times, strict=True):
                frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=track.pix_fmt)
                frame.pts, frame.time_base = round(seconds * 25), Fraction(1, 25)
                output.mux(track.encode(frame))
            output.mux(track.encode())
    return path


def encode_at(path, times, codec, sound=None):
    """Numbered frames at the given seconds (multiples of 1/25)."""
    return encode_all(path, [([numbered(number % 256) for number in range(len(times))], times)], [codec], sound=sound)
