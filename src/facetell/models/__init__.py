"""Networks: ``blocks`` (CSTM, CMM, MCB), ``lite`` (EfficientNet-Lite), ``anomaly``, ``losses``, ``zoo``."""
