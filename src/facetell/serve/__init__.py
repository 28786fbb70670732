"""The page and the API: videos are uploaded, scored by worker processes, and their reports read in a browser."""
