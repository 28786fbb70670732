"""The running score of a live source: ``pump`` reads, ``run`` scores, ``board`` keeps the scores, ``screen`` draws."""
