"""The labeling app: pages on which people write, rate and rank, and leads see how it goes."""
