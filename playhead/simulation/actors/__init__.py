"""Who acts at random in a simulation? Models, people, agents and tools."""
