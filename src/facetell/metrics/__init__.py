"""Pure functions of labels, scores and identities: ranking and calibration measures, confidence intervals."""
