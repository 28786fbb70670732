"""What a run writes: the versioned JSON, the table in the terminal, the plots as SVG, the HTML report."""
