"""Benchmarks as they lie on disk, turned into one table: the manifest."""
