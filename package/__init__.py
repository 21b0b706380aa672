"""The agent's deployment package: its contents and name (`package.contents`), and its builder."""
