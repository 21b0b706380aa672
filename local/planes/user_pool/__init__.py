"""Cognito on loopback: the emulator, and in front of it what it lacks."""
