"""The built-in architectures as ``nn.Module`` classes; ``catalog`` lists them without importing torch."""
