"""What the API takes and tells, as JSON: the one definition for the server, its OpenAPI page and the Python client.

It imports no database, so that a program that only talks to the API needs none.
"""
