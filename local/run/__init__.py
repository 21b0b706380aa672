"""The local run as a whole: the chain, its misconfigurations, watch mode, control API and command line."""
