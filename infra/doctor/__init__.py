"""Connects the accounts at providers to a running system, local or deployed, and says what is wrong with it."""
