"""Real classic AutoGen agents, recorded against a scripted server."""
