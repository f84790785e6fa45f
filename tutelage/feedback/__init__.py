"""Feedback: tasks are filed, leased to labelers and handed in; what may be trained on is exported."""
