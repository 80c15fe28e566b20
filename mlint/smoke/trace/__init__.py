"""What a model did: its operations with module, operation and line of the user, and the graph that autograd kept."""
