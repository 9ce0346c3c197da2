"""The built-in architectures: nothing but ``nn.Module``. ``catalog`` says what there is, without importing torch."""
