"""One file a group of endpoints. A factory gives the routes; the state of the service is ``app.state.services``."""
