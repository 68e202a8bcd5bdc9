"""The door for agents: what they may ask for, and how they are answered, over the Model Context Protocol."""
