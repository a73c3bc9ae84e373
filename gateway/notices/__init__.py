"""Telling banks what becomes of their consents: by webhook, by polling, and by a person when neither helped."""
