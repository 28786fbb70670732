"""The running score of a live source: ``pump`` reads, ``run`` scores, ``screen`` draws."""
