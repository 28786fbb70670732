"""One module a verb of the command line; see :mod:`facetell.cli`."""
