"""Decisions about customers: what a reviewer asks of an application, and what follows from how it is used."""
