"""Find faces (``detector``), follow them (``mesh``, ``tracker``), and crop clips of them (``clips``, ``crop``)."""
