"""A CDK app that declares the dev stack: the benchmark's peer."""
