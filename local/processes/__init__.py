"""Child processes: how they start, are looked after and end; their ports, files, locks and logs."""
