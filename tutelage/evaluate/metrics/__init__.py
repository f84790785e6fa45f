"""How texts are scored against references, as the scripts do it whose figures are published."""
