"""What runs from a terminal: the commands, and the receiver, doctor and demo behind them."""
