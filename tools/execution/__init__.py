"""Where does the code of a tool run? Threads, an event loop of its own, or a process."""
