"""Pages that anybody reads without signing in: the API's reference, the guide, the state of the service."""
