"""What a run leaves behind: the versioned JSON result (``result``), the terminal table (``table``),
a picture of the score over time (``timeline``), and the report for people who have to rely on it (``page``)."""
