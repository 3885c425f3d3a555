"""What programs beside the service use."""
