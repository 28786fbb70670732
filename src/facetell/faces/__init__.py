"""Faces: find them (``detector``), follow them (``mesh``, ``tracker``) and cut them out without jitter (``crop``)."""
