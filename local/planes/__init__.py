"""The data planes on loopback: API Gateway, AgentCore and the front of the user pool, and what they share."""
