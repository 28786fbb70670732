"""What a run leaves behind: the versioned JSON result (``result``), the terminal table (``table``),
a picture of the score over time (``timeline``)."""
