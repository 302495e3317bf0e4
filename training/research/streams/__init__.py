"""Bots that keep learning: intents, corrections and mistakes that come one by one."""
