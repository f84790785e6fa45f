"""Decisions about models: gates on what they were judged by, promotion and the way back, shadow traffic."""
