"""Resumable runs over many videos: one journal, one runner and three users of it (scan, score, prepare)."""
