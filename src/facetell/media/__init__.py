"""Video in and out: :mod:`~facetell.media.reader`, :mod:`~facetell.media.writer`, :mod:`~facetell.media.find`."""
