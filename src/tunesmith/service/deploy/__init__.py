"""What puts a bundle onto other machines: images, compose, Kubernetes, Helm; and what watches it there."""
