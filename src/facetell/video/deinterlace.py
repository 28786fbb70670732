"""Deinterlacing with FFmpeg's BWDIF filter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import av
from av.filter import Graph


def deinterlaced(frames: Iterable[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """Yield one progressive frame for each frame; those that are not flagged as interlaced pass unchanged.

    No filter is built before the first interlaced frame; from there on frames come one frame late.
    """
    graph: Graph | None = None
    shape: tuple[int, int, str] | None = None
    tags = (2, 0, 2)
    for frame in frames:
        if graph is None and not frame.interlaced_frame:
            yield frame
            continue
        if graph is None or shape != (frame.width, frame.height, frame.format.name):
            if graph is not None:
                yield from _filtered(graph, None, tags)
            graph, shape = _build(frame), (frame.width, frame.height, frame.format.name)
        tags = (frame.colorspace, frame.color_range, frame.color_trc)
        yield from _filtered(graph, frame, tags)
    if graph is not None:
        yield from _filtered(graph, None, tags)


def _filtered(graph: Graph, frame: av.VideoFrame | None, tags: tuple[int, int, int]) -> Iterator[av.VideoFrame]:
    """Send a frame (None: the end) to the filter; yield the frames that are ready, with the colour tags restored."""
    graph.vpush(frame)
    while True:
        try:
            ready = graph.vpull()
        except (BlockingIOError, EOFError):
            return
        ready.colorspace, ready.color_range, ready.color_trc = tags
        yield ready


def _build(frame: av.VideoFrame) -> Graph:
    graph = Graph()
    graph.threads = 1
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
    bwdif = graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
    graph.link_nodes(source, bwdif, graph.add("buffersink")).configure()
    return graph
