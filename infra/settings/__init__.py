"""The settings of a stack file, one module for each section. `infra.config` combines them and reads the file."""
