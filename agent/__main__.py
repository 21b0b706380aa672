"""Start the agent server: `python -m agent`, and the entry point at the root of the deployment package."""

from agent.app import main

if __name__ == "__main__":
    main()
