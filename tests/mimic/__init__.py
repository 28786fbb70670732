"""Miniatures of benchmarks: the same tree, names and list files, with a few seconds of video made from sample clips."""
