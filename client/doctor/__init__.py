"""The doctor: tests a stack with requests, reads its deployment, and reports the first broken layer."""
