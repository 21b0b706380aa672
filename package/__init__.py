"""The agent's deployment package: what is in it, what it is called (`package.contents`), and how it is built."""
