"""What a running service says of itself: drift, alerts, traces, logs."""
