"""How a push reaches a device: one small file for each provider."""
