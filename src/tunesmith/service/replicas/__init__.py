"""One service in several processes: what they share, what they must not, and Ray Serve, which starts and ends them."""
