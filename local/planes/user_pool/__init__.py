"""Cognito on loopback: the emulator, and a proxy that adds what the emulator lacks."""
