"""What customers see and do: their applications, keys, usage, choice about data, cases, and their organisation."""
