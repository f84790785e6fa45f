"""The claims of the paper and its post as experiments: each says beforehand what is measured and what it must show."""
