"""What runs on AWS before a new version gets traffic, and judges it by its golden answers."""
