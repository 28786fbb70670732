"""Video in and out: :mod:`~facetell.video.reader`, :mod:`~facetell.video.writer`, :mod:`~facetell.video.find`."""
