"""What a run writes: the versioned JSON, the table in the terminal, the plot over time, the HTML report."""
