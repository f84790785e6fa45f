"""What operators see of the API: figures, readiness, one log line a request, traces. Never a key, and no words."""
