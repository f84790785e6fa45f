"""The REST API of the labeling app: what its pages do, for programs that bring a person's access token."""
