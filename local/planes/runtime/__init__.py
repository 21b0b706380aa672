"""AgentCore Runtime's data plane on loopback, between the gateway and the agent."""
