"""Pure functions of labels, scores and groups: ranking, calibration, intervals."""
