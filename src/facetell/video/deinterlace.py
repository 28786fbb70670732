"""Whole pictures from pictures made of two fields."""

from __future__ import annotations

from collections.abc import Iterator

import av
from av.filter import Graph


class Deinterlacer:
    """BWDIF over the pictures that are flagged as interlaced; the others pass unchanged, one picture late.

    The filter is built anew when size or pixel format change. Colour tags, which it may not keep, are put back.
    """

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._key: tuple[int, int, str] | None = None
        self._tags = (2, 0, 2)

    def push(self, picture: av.VideoFrame) -> Iterator[av.VideoFrame]:
        """Give one picture; yields those that are ready."""
        key = (picture.width, picture.height, picture.format.name)
        if key != self._key:
            yield from self.flush()
            self._graph, self._key = _build(picture), key
        assert self._graph is not None
        self._tags = (picture.colorspace, picture.color_range, picture.color_trc)
        self._graph.vpush(picture)
        yield from self._pull()

    def flush(self) -> Iterator[av.VideoFrame]:
        """Yield what is still held; the filter is spent after it."""
        if self._graph is not None:
            self._graph.vpush(None)
            yield from self._pull()
        self._graph = self._key = None

    def _pull(self) -> Iterator[av.VideoFrame]:
        assert self._graph is not None
        while True:
            try:
                picture = self._graph.vpull()
            except (BlockingIOError, EOFError):
                return
            picture.colorspace, picture.color_range, picture.color_trc = self._tags
            yield picture


def _build(picture: av.VideoFrame) -> Graph:
    graph = Graph()
    graph.threads = 1
    source = graph.add_buffer(
        width=picture.width, height=picture.height, format=picture.format, time_base=picture.time_base
    )
    # One picture out for each one in, and only where the decoder saw fields.
    bwdif = graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
    graph.link_nodes(source, bwdif, graph.add("buffersink")).configure()
    return graph
