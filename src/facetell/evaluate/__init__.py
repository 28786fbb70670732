"""From scores to figures: measures, protocols, tables, pages. Everything here is computed from score files alone."""
