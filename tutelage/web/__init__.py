"""What all web parts share; so far the one shape of an error."""
