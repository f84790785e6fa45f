"""What looks at the project from outside: locks, the bill of materials, and scanners in environments of their own."""
