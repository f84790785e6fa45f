"""Judges that are not people: texts in, ratings and rankings out. They know no queue and no store."""
