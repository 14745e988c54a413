"""Network reachability: who can talk to whom, on which ports, and by which rule."""
