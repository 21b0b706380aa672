"""AgentCore Runtime's data plane on loopback: stands between the gateway and the agent, as declared."""
