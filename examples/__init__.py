"""Examples that stand beside the product and can be left out."""
