"""What has nothing to do with architectures. No torch."""
