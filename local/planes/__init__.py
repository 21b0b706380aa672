"""The data planes on loopback: API Gateway, AgentCore and the user pool's proxy, and what they share."""
