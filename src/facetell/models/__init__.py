"""The networks (torch; needs the ``train`` extra). Detecting needs none of this: it runs exported model files."""
