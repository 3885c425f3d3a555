"""What people and programs read about deliveries: figures, metrics, explanations."""
