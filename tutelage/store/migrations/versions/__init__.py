"""The numbered migrations; a released one is never edited."""
