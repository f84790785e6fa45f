"""What may not be said: text to verdict, by rules and a classifier, whole or while it is written. No torch here."""
