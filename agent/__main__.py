"""Start the agent server: `python -m agent`, and the entry point at the root of the deployment package."""

from agent.server import main

if __name__ == "__main__":
    main()
