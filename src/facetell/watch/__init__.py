"""Score a live source while it runs: ``pump`` reads it in time, ``run`` scores, ``board`` keeps, ``screen`` shows."""
