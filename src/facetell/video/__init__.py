"""Video in and out: open it with :mod:`~facetell.video.source`, write it with :mod:`~facetell.video.writer`."""
