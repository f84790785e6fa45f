"""What leads and researchers look at, as figures: each says whose labels it counts."""
