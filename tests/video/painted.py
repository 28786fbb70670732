"""Images whose content is known: coloured quadrants, and numbers painted as bars."""

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
