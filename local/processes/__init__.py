"""Child processes: how they are started, supervised and stopped; their ports, files, locks and logs."""
