"""Tests of `package`."""
