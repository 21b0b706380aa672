"""The commands of ``python -m client``, a module for each group of them."""
