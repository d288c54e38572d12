"""Layers around the application, each of them plain ASGI, for answers that stream as well."""
