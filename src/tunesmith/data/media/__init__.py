"""Pictures and sounds that rows name: found, bounded and decoded; what is wrong with one is told with its row."""
