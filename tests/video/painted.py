"""Images whose content is known: coloured quadrants, and numbers painted as bars; files of them with given times."""

from fractions import Fraction

import av
import cv2
import numpy as np

from facetell.video.reader import VideoReader

RED, GREEN, BLUE, GREY = (200, 40, 40), (40, 180, 60), (50, 60, 210), (128, 128, 128)
BITS = 8


def quadrants(width, height):
    image = np.empty((height, width, 3), np.uint8)
    top, left = height // 2, width // 2
    image[:top, :left], image[:top, left:] = RED, GREEN
    image[top:, :left], image[top:, left:] = BLUE, GREY
    return image


def corners(image):
    """Mean colours in the middle of the four quadrants: top left, top right, bottom left, bottom right."""
    height, width = image.shape[:2]
    found = []
    for y in (height // 4, 3 * height // 4):
        for x in (width // 4, 3 * width // 4):
            patch = image[y - height // 16 : y + height // 16 + 1, x - width // 16 : x + width // 16 + 1]
            found.append(patch.reshape(-1, 3).mean(axis=0).round().astype(int).tolist())
    return found


def numbered(number, width=128, height=64):
    """``number`` as eight bars, white for one and black for nought, the lowest bit on the left."""
    bars = np.array([(number >> bit) & 1 for bit in range(BITS)], np.uint8) * 255
    return np.repeat(np.tile(np.repeat(bars, width // BITS), (height, 1))[:, :, None], 3, axis=2)


def number_of(image):
    width = image.shape[1]
    middle = image[image.shape[0] // 2].reshape(width, -1).mean(axis=1)
    return sum(int(middle[(2 * bit + 1) * width // (2 * BITS)] > 128) << bit for bit in range(BITS))


def animation(images, durations, suffix=".webp"):
    """The bytes of an animated image, given RGB images and their durations in milliseconds."""
    made = cv2.Animation()
    made.frames = [np.ascontiguousarray(image[:, :, ::-1]) for image in images]
    made.durations = durations
    return cv2.imencodeanimation(suffix, made, [cv2.IMWRITE_WEBP_QUALITY, 95])[1].tobytes()


def seen_in(path):
    with VideoReader(path) as reader:
        frames = [(number_of(frame.rgb()), frame.time) for frame in reader]
    return [number for number, _ in frames], [time for _, time in frames], reader


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
