"""What may stand in a stack file, one module a section. `infra.config` puts them together and reads the file."""
