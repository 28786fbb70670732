"""Training: ``corpus`` (clips landmarked once), ``batches`` (forged and degraded pairs), ``loop``, ``release``."""
