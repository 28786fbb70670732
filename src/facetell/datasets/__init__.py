"""Benchmarks on disk, and the manifest that describes their videos."""
